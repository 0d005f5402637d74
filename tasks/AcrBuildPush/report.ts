import type { Logger } from '../common/log';
import { type Cell, Summary } from '../common/summary';
import { formatBytes, formatDuration, plural } from '../common/text';
import type { BaseImage, Manifest } from './image/image';
import type { Model } from './model';

export interface Phase {
  readonly name: string;
  readonly milliseconds: number;
}

/** Measures the phases of the step. */
export class Phases {
  readonly done: Phase[] = [];

  constructor(private readonly log: Logger) {}

  async run<T>(name: string, work: () => Promise<T>): Promise<T> {
    const start = performance.now();
    try {
      return await work();
    } finally {
      const milliseconds = performance.now() - start;
      this.done.push({ name, milliseconds });
      this.log.debug(`Phase ${name}: ${Math.round(milliseconds)} ms`);
    }
  }
}

/** The way from the notebook to the image, side by side with that of the image that one of its tags named before. */
export interface ChainTable {
  /** The tag; undefined where none named another image. */
  readonly before: string | undefined;
  readonly rows: readonly { readonly link: string; readonly now: Cell; readonly before: Cell }[];
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
  /** Digests of the blobs that were sent; undefined where that is not known. */
  readonly sent: ReadonlySet<string> | undefined;
  readonly base: BaseImage | undefined;
  readonly model: Model | undefined;
  readonly chain?: ChainTable | undefined;
  readonly phases: readonly Phase[];
}

/** Bytes of an image in the registry: its layers as stored, and its configuration. Undefined for an index. */
export function imageSize({ config, layers }: Manifest): number | undefined {
  return config && layers.reduce((sum, layer) => sum + layer.size, config.size);
}

/** Bytes of blobs that a push sent; undefined where it is not known. */
export function uploadedSize({ manifest, sent }: Pick<ImageReport, 'manifest' | 'sent'>): number | undefined {
  if (!manifest || !sent) return undefined;
  const { config, layers } = manifest;
  // An image may have the same layer twice.
  const sizes = new Map([...layers, ...(config ? [config] : [])].map(({ digest, size }) => [digest, size]));
  return [...sent].reduce((sum, digest) => sum + (sizes.get(digest) ?? 0), 0);
}

/** A page that can be read in ten seconds. */
export function summarize(report: ImageReport): Summary {
  const { name, tags, builder, manifest, sent, base, model, phases } = report;
  const size = manifest && imageSize(manifest);
  const facts: [name: string, value: string][] = [
    ['Image', tags[0] === undefined ? name : `${name}:${tags[0]}`],
    ['Tags', tags.join(', ') || 'none: the image is known by its digest'],
  ];
  if (manifest) facts.push(['Digest', manifest.digest]);
  if (manifest && size !== undefined) {
    facts.push(['Size', `${formatBytes(size)} in ${plural(manifest.layers.length, 'layer')}`]);
  }
  const uploaded = uploadedSize(report);
  if (uploaded !== undefined) facts.push(['Uploaded', formatBytes(uploaded)]);
  if (base) facts.push(['Base image', [base.name, base.digest].filter(Boolean).join(', ')]);
  if (builder) facts.push(['Built with', builder]);
  if (model) {
    const run = model.trainingRun === undefined ? '' : `, trained in run ${model.trainingRun}`;
    facts.push(['Model', `${model.name} ${model.version}, ${model.digest}${run}`]);
  }

  const summary = new Summary().lead(report.title);
  if (manifest) summary.code(`docker run --rm ${name}@${manifest.digest}`, 'sh');
  summary.facts(facts);
  if (report.chain) showChain(summary, report.chain);
  if (manifest) {
    if (manifest.layers.length > 0) {
      summary.table(
        ['Layer', 'Size', ...(sent ? [''] : [])],
        manifest.layers.map(({ digest, size: bytes }) => [
          digest,
          formatBytes(bytes),
          ...(sent ? [sent.has(digest) ? 'sent' : 'was there already'] : []),
        ]),
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

function showChain(summary: Summary, { before, rows }: ChainTable): void {
  if (before === undefined) {
    summary.table(
      ['From notebook to image', ''],
      rows.map(({ link, now }) => [link, now]),
    );
  } else {
    summary.table(
      ['From notebook to image', 'Now', `${before} before`],
      rows.map(({ link, now, before: other }) => [link, now, other]),
    );
  }
}
