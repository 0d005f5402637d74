import { formatBytes } from '../../common/text';
import type { LocalLayer } from '../image/image';
import { gzipMember, MEMBER_SIZE } from './gzip';

/** Where compression saves less than this, its time is not worth it. */
const WORTHWHILE = 0.9;

/** As many as Node compresses at once, so that they show the speed of all cores. */
const SAMPLES = 4;

/** Bytes of a sample that only has to show what compression saves; one for its speed is a whole member. */
const SMALL_SAMPLE = 64 * 1024;

/** From here on a layer is worth a look at the line, in bytes. */
const LARGE = 64 * 1024 * 1024;

/** What a look at the line sends in vain: too small a part of a layer to be felt on a slow line, and no more bytes than this. */
const PROBE_PART = 1 / 128;
const MOST_PROBED = 8 * 1024 * 1024;

/** How a layer is stored, and why. */
export interface Form {
  readonly kind: 'plain' | 'gzip';
  readonly reason: string;
  /** Bytes that were sent to find out. */
  readonly sentBytes: number;
}

export interface ChoiceOptions {
  /** Sends some bytes in vain, and tells how many a second the line takes; undefined where that can't be told. */
  readonly measureLine: (content: Buffer) => Promise<number | undefined>;
  /** Milliseconds since some time, by which compression is measured. */
  readonly now?: (() => number) | undefined;
}

/**
 * Decides how a layer is stored by `auto`: compressed where that saves time on the way to the registry. Data that hardly
 * shrink are stored as they are, and so are those for which the line is faster than this agent compresses.
 */
export async function chooseForm(layer: LocalLayer, { measureLine, now }: ChoiceOptions): Promise<Form> {
  if (layer.size <= MEMBER_SIZE) return { kind: 'gzip', reason: '', sentBytes: 0 };
  const { ratio, speed } = await sample(layer, layer.size < LARGE ? SMALL_SAMPLE : MEMBER_SIZE, now);
  const shrinks = `samples shrink to ${Math.round(ratio * 100)} %`;
  if (ratio >= WORTHWHILE) return { kind: 'plain', reason: `since ${shrinks} only`, sentBytes: 0 };
  if (layer.size < LARGE) return { kind: 'gzip', reason: shrinks, sentBytes: 0 };

  const probe = await read(layer, 0, Math.min(MOST_PROBED, Math.floor(layer.size * PROBE_PART)));
  const line = await measureLine(probe);
  const sentBytes = probe.length;
  if (line === undefined) return { kind: 'gzip', reason: shrinks, sentBytes };
  const takes = `the line takes ${formatBytes(line)}/s`;
  if (line <= speed) return { kind: 'gzip', reason: `${shrinks}, and ${takes}`, sentBytes };
  const reason = `since ${takes}, and this agent compresses ${formatBytes(speed)}/s`;
  return { kind: 'plain', reason, sentBytes };
}

/**
 * What compression leaves of a layer, from 0 to 1 or a little more, and how many bytes a second it gets through on all
 * cores, by samples from its beginning to its end; of a layer that is still coming, of its beginning.
 */
async function sample(
  layer: LocalLayer,
  size: number,
  now = () => performance.now(),
): Promise<{ ratio: number; speed: number }> {
  const last = Math.max(0, layer.size - size);
  const step = layer.isComing ? Math.min(size, last) : last / (SAMPLES - 1);
  const starts = new Set(Array.from({ length: SAMPLES }, (_, index) => Math.floor(step * index)));
  const samples = await Promise.all([...starts].map((start) => read(layer, start, size)));
  const begin = now();
  const members = await Promise.all(samples.map((content) => gzipMember(content)));
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
