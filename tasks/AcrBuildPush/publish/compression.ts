import { formatBytes } from '../../common/text';
import type { CompressionChoice } from '../build-plan';
import type { LocalLayer } from '../image/image';
import { gzipMember, type Level, type Levels, MEMBER_SIZE } from './gzip';

/** Where compression saves less than this, its time is not worth it. */
const WORTHWHILE = 0.9;

const SAMPLES = 3;

/** Bytes of a sample that only has to show what compression saves; one for its speed is a whole member. */
const SMALL_SAMPLE = 64 * 1024;

/** From here on a layer is worth a look at the line, in bytes. */
const LARGE = 64 * 1024 * 1024;

/** Bytes that are sent as they are to see how fast the line is: several times what a system holds back for it. */
const PROBE = 16 * 1024 * 1024;

/** How much faster than compression a line has to be, for larger images to be worth the time. */
const MUCH_FASTER = 1.5;

/** How a layer is compressed by gzip, and why. */
export interface GzipLevels extends Levels {
  /** In brackets behind what was sent, once all of it was; empty where there is nothing to say. */
  reason(): string;
}

/**
 * Decides how a layer is compressed. Whoever runs an image reads gzip, so `auto` stays with its format. Data that
 * hardly shrink are stored in it as they are, and so are those for which the line is much faster than this agent
 * compresses.
 */
export async function chooseLevels(
  choice: Exclude<CompressionChoice, 'none'>,
  layer: LocalLayer,
  now: () => number = () => performance.now(),
): Promise<GzipLevels> {
  if (choice === 'gzip' || layer.size <= MEMBER_SIZE) return always(1, '');
  const { ratio, speed } = await sample(layer, layer.size < LARGE ? SMALL_SAMPLE : MEMBER_SIZE, now);
  const shrinks = `samples shrink to ${Math.round(ratio * 100)} %`;
  if (ratio >= WORTHWHILE) return always(0, `stored as it is, since ${shrinks} only`);
  return layer.size < LARGE ? always(1, shrinks) : new ByLine(speed, shrinks, now);
}

function always(level: Level, reason: string): GzipLevels {
  return { next: () => level, taken: () => undefined, reason: () => reason };
}

/** Sends the first bytes as they are, and then goes by how fast the line took them. */
class ByLine implements GzipLevels {
  private start: number | undefined;
  private bytes = 0;
  private line: number | undefined;

  /** @param speed of compression, in bytes per second */
  constructor(
    private readonly speed: number,
    private readonly shrinks: string,
    private readonly now: () => number,
  ) {}

  next(): Level {
    return this.line === undefined || this.line > this.speed * MUCH_FASTER ? 0 : 1;
  }

  taken(bytes: number): void {
    if (this.start === undefined) {
      this.start = this.now();
      return;
    }
    if (this.line !== undefined) return;
    this.bytes += bytes;
    if (this.bytes >= PROBE) this.line = (this.bytes / Math.max(1, this.now() - this.start)) * 1000;
  }

  reason(): string {
    const perSecond = (speed: number) => `${formatBytes(speed)}/s`;
    const line = perSecond(this.line ?? 0);
    return this.next() === 0
      ? `stored as it is: the line takes ${line}, and this agent compresses ${perSecond(this.speed)}`
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
