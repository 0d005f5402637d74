import { throwIfCancelled } from '../../common/cancel';
import { describeError } from '../../common/errors';
import type { Logger } from '../../common/log';
import { lookThroughLayer, readLayer } from '../files/layer-reader';
import type { Layer } from '../image/image';
import { Collector, type Findings } from './findings';
import type { Inventory, KnownFindings } from './inventory';

/** What has been learnt of layers, by diff id: each is read once, whoever comes by it first. */
export class LayerPackages {
  private readonly findings = new Map<string, Findings>();
  private readonly reading = new Map<string, Promise<void>>();
  /** What others have noted of images that begin with the same layers. */
  readonly noted: Inventory[] = [];

  constructor(private readonly log: Logger) {}

  get known(): KnownFindings {
    return this.findings;
  }

  /** For whoever reads a layer anyway: gathers what it tells. */
  collector(): Collector {
    return new Collector();
  }

  /** Keeps what was gathered of a layer, all of which has been read and found to be what it is. */
  keep(diffId: string, collector: Collector): void {
    const findings = collector.findings();
    if (findings) this.findings.set(diffId, findings);
  }

  /** Reads a layer, unless that was done. One that can't be read is not known; an image is not held up by it. */
  read(layer: Layer, signal: AbortSignal): Promise<void> {
    const { diffId } = layer;
    let reading = this.reading.get(diffId);
    if (!reading) {
      reading = this.findings.has(diffId) ? Promise.resolve() : this.readOnce(layer, signal);
      this.reading.set(diffId, reading);
    }
    return reading;
  }

  private async readOnce(layer: Layer, signal: AbortSignal): Promise<void> {
    const collector = new Collector();
    try {
      await (layer.kind === 'local'
        ? lookThroughLayer(layer, collector.onMember)
        : readLayer(layer, collector.onMember, signal));
      this.keep(layer.diffId, collector);
    } catch (error) {
      throwIfCancelled(signal);
      this.log.debug(`The packages of layer ${layer.diffId} are not known: ${describeError(error)}`);
    }
  }
}
