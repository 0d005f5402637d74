import type { LocalLayer } from '../image';
import { gzipMember } from './gzip';

export type Compression = 'gzip' | 'none';

/** How layers are stored: what input `compression` takes. `auto` decides for each layer by a look at its data. */
export const COMPRESSIONS = ['auto', 'gzip', 'none'] as const;
export type CompressionChoice = (typeof COMPRESSIONS)[number];

export interface ChosenCompression {
  readonly compression: Compression;
  /** Why, where it was not asked for: goes in brackets behind it. */
  readonly reason: string | undefined;
}

/** Where compression saves less than this, its time is not worth it. */
const WORTHWHILE = 0.9;

const SAMPLE_SIZE = 256 * 1024;
const SAMPLES = 3;

/** Decides how a layer is stored. Everything that runs images reads gzip; so that is it unless it is of no use. */
export async function chooseCompression(
  choice: CompressionChoice,
  layer: LocalLayer,
): Promise<ChosenCompression> {
  if (choice !== 'auto') return { compression: choice, reason: undefined };
  const ratio = await sampleRatio(layer);
  const percent = `${Math.round(ratio * 100)} %`;
  return ratio < WORTHWHILE
    ? { compression: 'gzip', reason: `samples shrink to ${percent}` }
    : { compression: 'none', reason: `samples shrink to ${percent} only` };
}

/**
 * How much of a layer compression leaves, by samples of its beginning, middle and end: 0 to 1, or a little more. Of a
 * layer that is still coming, and of a small one, the samples are its beginning.
 */
async function sampleRatio(layer: LocalLayer): Promise<number> {
  const atOnce = SAMPLE_SIZE * SAMPLES;
  const isBeginning = layer.isComing || layer.size <= atOnce;
  const starts = isBeginning ? [0] : [0, 1, 2].map((n) => Math.floor(((layer.size - SAMPLE_SIZE) / 2) * n));
  let before = 0;
  let after = 0;
  for (const start of starts) {
    const sample = await read(layer, start, isBeginning ? Math.min(layer.size, atOnce) : SAMPLE_SIZE);
    before += sample.length;
    after += (await gzipMember(sample)).length;
  }
  return before === 0 ? 0 : after / before;
}

async function read(layer: LocalLayer, start: number, length: number): Promise<Buffer> {
  const parts: Buffer[] = [];
  let missing = length;
  for await (const chunk of layer.open(start)) {
    parts.push(chunk.subarray(0, missing));
    missing -= parts.at(-1)!.length;
    if (missing === 0) break;
  }
  return Buffer.concat(parts);
}
