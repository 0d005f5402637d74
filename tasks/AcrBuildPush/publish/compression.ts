import { formatBytes } from '../../common/text';
import type { LocalLayer } from '../image/image';
import { gzipMember, type Level, type Levels, MEMBER_SIZE } from './gzip';

/** Where compression saves less than this, its time is not worth it. */
const WORTHWHILE = 0.9;

const SAMPLES = 3;

/** Bytes of a sample that only has to show what compression saves; one for its speed is a whole member. */
const SMALL_SAMPLE = 64 * 1024;

/** From here on a layer is worth a look at the line, in bytes. */
const LARGE = 64 * 1024 * 1024;

/** Bytes that are sent as they are to see how fast the line is. */
const PROBE = 16 * 1024 * 1024;

/** Of these, so many may only fill what the systems at both ends hold back for the line: they say nothing of it. */
const HELD_BACK = 8 * 1024 * 1024;

/** How a layer is stored, and why. */
export type Form =
  | { readonly kind: 'plain'; readonly reason: string }
  | { readonly kind: 'gzip'; readonly reason: string }
  | { readonly kind: 'by line'; readonly probe: LineProbe };

/** Compresses all of a layer. */
export const ALWAYS: Levels = { next: () => 1, taken: () => undefined };

/**
 * Decides how a layer is stored by `auto`: compressed where that saves time on the way to the registry. Data that hardly
 * shrink are stored as they are, and so are those for which the line is faster than this agent compresses.
 */
export async function chooseForm(
  layer: LocalLayer,
  now: () => number = () => performance.now(),
): Promise<Form> {
  if (layer.size <= MEMBER_SIZE) return { kind: 'gzip', reason: '' };
  const { ratio, speed } = await sample(layer, layer.size < LARGE ? SMALL_SAMPLE : MEMBER_SIZE, now);
  const shrinks = `samples shrink to ${Math.round(ratio * 100)} %`;
  if (ratio >= WORTHWHILE) return { kind: 'plain', reason: `since ${shrinks} only` };
  if (layer.size < LARGE) return { kind: 'gzip', reason: shrinks };
  return { kind: 'by line', probe: new LineProbe(speed, shrinks, now) };
}

/**
 * Has the first bytes of a layer sent in gzip's format without compressing them, and learns from how fast the line takes
 * them whether compression pays. On a slow line, nothing was sent in vain; on a fast one, what was costs little.
 */
export class LineProbe implements Levels {
  /** Bytes that the line has taken. */
  bytes = 0;
  private start: number | undefined;
  /** The time and the bytes from which the line shows its own speed. */
  private from: { readonly time: number; readonly bytes: number } | undefined;
  private line: number | undefined;
  private readonly fast = new AbortController();

  /** @param speed of compression, in bytes per second */
  constructor(
    private readonly speed: number,
    private readonly shrinks: string,
    private readonly now: () => number,
  ) {}

  /** Aborted as soon as the line has shown to be faster than compression. */
  get tooFast(): AbortSignal {
    return this.fast.signal;
  }

  next(): Level {
    return this.line === undefined ? 0 : 1;
  }

  taken(bytes: number): void {
    this.bytes += bytes;
    if (this.line !== undefined) return;
    const time = this.now();
    this.start ??= time;
    if (this.bytes >= HELD_BACK) this.from ??= { time, bytes: this.bytes };
    const isSlow = time - this.start >= (PROBE / this.speed) * 1000;
    if (this.bytes < PROBE && !isSlow) return;
    const from = this.from && this.bytes >= PROBE ? this.from : { time: this.start, bytes: 0 };
    this.line = ((this.bytes - from.bytes) / Math.max(1, time - from.time)) * 1000;
    if (this.line > this.speed) this.fast.abort();
  }

  get reason(): string {
    const perSecond = (speed: number) => `${formatBytes(speed)}/s`;
    const line = perSecond(this.line ?? 0);
    return this.tooFast.aborted
      ? `since the line takes ${line}, and this agent compresses ${perSecond(this.speed)}`
      : `${this.shrinks}, and the line takes ${line}`;
  }
}

/**
 * What compression leaves of a layer, from 0 to 1 or a little more, and how many bytes a second it gets through on all
 * cores, by samples of its beginning, middle and end; of a layer that is still coming, of its beginning.
 */
async function sample(
  layer: LocalLayer,
  size: number,
  now: () => number,
): Promise<{ ratio: number; speed: number }> {
  const last = Math.max(0, layer.size - size);
  const step = layer.isComing ? Math.min(size, last) : last / (SAMPLES - 1);
  const starts = new Set(Array.from({ length: SAMPLES }, (_, index) => Math.floor(step * index)));
  const samples = await Promise.all([...starts].map((start) => read(layer, start, size)));
  const begin = now();
  const members = await Promise.all(samples.map((content) => gzipMember(content, 1)));
  const milliseconds = now() - begin;
  const total = (buffers: readonly Buffer[]) => buffers.reduce((sum, { length }) => sum + length, 0);
  const before = total(samples);
  return { ratio: total(members) / before, speed: (before / Math.max(1, milliseconds)) * 1000 };
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
