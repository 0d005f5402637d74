import { formatBytes } from '../../common/text';
import type { CompressionChoice } from '../build-plan';
import type { LocalLayer } from '../image/image';
import { gzipMember, MEMBER_SIZE } from './gzip';

/** Where compression saves less than this, its time is not worth it. */
const WORTHWHILE = 0.9;

/** What shows what compression saves: so many samples of so many bytes. */
const SAMPLES = 4;
const SAMPLE_SIZE = 64 * 1024;

/** From here on a layer is worth a look at the line, in bytes. */
const LARGE = 64 * 1024 * 1024;

/** Compressed, the first bytes of data that shrink to a few percent are too few to show a line, which they hardly need. */
const SHORTEST_HEAD = 128 * 1024;

/** What compression gets through while what it made is hashed and sent, by what it gets through alone; on two cores. */
const WHILE_SENDING = 0.7;

/** The first look at the line is short: a fast one has to be so many times faster than compression to be believed. */
const CLEARLY_SLOW = 2 / 3;
const CLEARLY_FAST = 3;

/** What a second look takes of a layer: too small a part to be felt, and no more bytes than this. */
const LOOK_PART = 1 / 32;
const LARGEST_LOOK = 16 * 1024 * 1024;

export type FormKind = 'plain' | 'gzip';

/** How a layer is stored, and why. */
export interface Form {
  readonly kind: FormKind;
  readonly reason: string;
}

/** The uploads of a layer in both forms, one of which goes on. */
export interface Trial {
  /** Compresses the layer's first bytes, and tells how many of them a second this agent gets through. */
  compressHead(): Promise<{ readonly content: Buffer; readonly speed: number }>;
  /**
   * Begins the upload of a form with its first bytes, and tells how many a second the line takes; undefined where that
   * can't be told.
   */
  start(kind: FormKind, head: Buffer): Promise<number | undefined>;
}

/**
 * Decides how the layers of an image are stored. By `auto`, a layer is compressed where that saves time on the way to
 * the registry: data that hardly shrink are stored as they are, and so are large layers where the line is faster than
 * this agent compresses. The first large layer finds that out for all of them, by the beginning of its own upload: a slow
 * line is told from its first compressed bytes, which are not in vain there.
 */
export class FormChooser {
  private large: Promise<Form> | undefined;

  constructor(private readonly compression: CompressionChoice) {}

  async choose(layer: LocalLayer, trial: Trial): Promise<Form> {
    if (this.compression !== 'auto')
      return { kind: this.compression === 'none' ? 'plain' : 'gzip', reason: '' };
    if (layer.size <= MEMBER_SIZE) return { kind: 'gzip', reason: '' };
    const ratio = await sample(layer);
    const shrinks = `samples shrink to ${Math.round(ratio * 100)} %`;
    if (ratio >= WORTHWHILE) return { kind: 'plain', reason: `since ${shrinks} only` };
    if (layer.size < LARGE) return { kind: 'gzip', reason: shrinks };

    this.large ??= lookAtLine(layer, trial);
    const { kind, reason } = await this.large;
    if (kind === 'plain') return { kind, reason: `since ${reason}` };
    return { kind, reason: reason ? `${shrinks}, and ${reason}` : shrinks };
  }
}

async function lookAtLine(layer: LocalLayer, trial: Trial): Promise<Form> {
  const { content, speed: alone } = await trial.compressHead();
  const speed = alone * WHILE_SENDING;
  if (content.length < SHORTEST_HEAD) return { kind: 'gzip', reason: '' };
  let line = await trial.start('gzip', content);
  if (line !== undefined && line > speed * CLEARLY_SLOW && line < speed * CLEARLY_FAST) {
    const size = Math.min(LARGEST_LOOK, Math.floor(layer.size * LOOK_PART));
    line = await trial.start('plain', await read(layer, 0, size));
  }
  if (line === undefined) return { kind: 'gzip', reason: '' };
  const takes = `the line takes ${formatBytes(line)}/s`;
  if (line <= speed) return { kind: 'gzip', reason: takes };
  return { kind: 'plain', reason: `${takes}, and this agent compresses ${formatBytes(speed)}/s` };
}

/**
 * What compression leaves of a layer, from 0 to 1 or a little more, by samples from its beginning to its end; of a layer
 * that is still coming, of its beginning.
 */
async function sample(layer: LocalLayer): Promise<number> {
  const last = Math.max(0, layer.size - SAMPLE_SIZE);
  const step = layer.isComing ? Math.min(SAMPLE_SIZE, last) : last / (SAMPLES - 1);
  const starts = new Set(Array.from({ length: SAMPLES }, (_, index) => Math.floor(step * index)));
  const samples = await Promise.all([...starts].map((start) => read(layer, start, SAMPLE_SIZE)));
  const members = await Promise.all(samples.map((content) => gzipMember(content)));
  const total = (buffers: readonly Buffer[]) => buffers.reduce((sum, { length }) => sum + length, 0);
  return total(members) / total(samples);
}

async function read(layer: LocalLayer, start: number, size: number): Promise<Buffer> {
  const parts: Buffer[] = [];
  let missing = size;
  for await (const chunk of layer.open(start)) {
    parts.push(chunk.subarray(0, missing));
    missing -= parts.at(-1)!.length;
    if (missing === 0) break;
  }
  return Buffer.concat(parts);
}
