import { Summary } from '../common/summary';
import { formatBytes, formatDuration, plural } from '../common/text';
import type { Manifest } from './acr/registry';
import type { ModelProvenance } from './labels';

export interface Phase {
  readonly name: string;
  readonly milliseconds: number;
}

/** Measures the phases of the step. */
export class Phases {
  readonly done: Phase[] = [];

  async run<T>(name: string, work: () => Promise<T>): Promise<T> {
    const start = performance.now();
    try {
      return await work();
    } finally {
      this.done.push({ name, milliseconds: performance.now() - start });
    }
  }
}

/** What a person wants to know of an image that was published, or found to be there. */
export interface ImageReport {
  readonly title: string;
  /** `<login server>/<repository>`. */
  readonly name: string;
  readonly tags: readonly string[];
  /** Undefined when nothing was built. */
  readonly builder: string | undefined;
  /** As the registry holds it; undefined when it was not pushed. */
  readonly manifest: Manifest | undefined;
  readonly model: ModelProvenance | undefined;
  readonly phases: readonly Phase[];
}

/** Bytes of an image in the registry: its layers as stored, and its configuration. Undefined for an index. */
export function imageSize({ config, layers }: Manifest): number | undefined {
  return config && layers.reduce((sum, layer) => sum + layer.size, config.size);
}

/** A page that can be read in ten seconds. */
export function summarize(report: ImageReport): Summary {
  const { name, tags, builder, manifest, model, phases } = report;
  const size = manifest && imageSize(manifest);
  const facts: [name: string, value: string][] = [
    ['Image', `${name}:${tags[0]}`],
    ['Tags', tags.join(', ')],
  ];
  if (manifest) facts.push(['Digest', manifest.digest]);
  if (manifest && size !== undefined) {
    facts.push(['Size', `${formatBytes(size)} in ${plural(manifest.layers.length, 'layer')}`]);
  }
  if (builder) facts.push(['Built with', builder]);
  if (model) facts.push(['Model', `${model.name} ${model.version}, ${model.digest}`]);

  const summary = new Summary().heading(report.title).facts(facts);
  if (manifest) {
    summary.code(`docker pull ${name}@${manifest.digest}`, 'sh');
    if (manifest.layers.length > 0) {
      summary.table(
        ['Layer', 'Size'],
        manifest.layers.map(({ digest, size: bytes }) => [digest, formatBytes(bytes)]),
        ['Size'],
      );
    }
  }
  return summary.table(
    ['Phase', 'Time'],
    phases.map((phase) => [phase.name, formatDuration(phase.milliseconds)]),
    ['Time'],
  );
}
