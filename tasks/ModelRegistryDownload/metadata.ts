import { webAddress } from '../common/summary';
import type { ModelManifest } from './folder/manifest';
import { readLenientJson } from './version/lenient-json';

/** How the training run described itself, in the model's metadata.json. It may hold anything, and is for people alone. */
export type Metadata = Readonly<Record<string, unknown>>;

const METADATA_NAME = 'metadata.json';

/** Metadata that is bigger is not for people. */
const LARGEST_METADATA = 1024 * 1024;

/**
 * The metadata of a model. It is for the summary alone, so a missing or broken one does no harm.
 *
 * @param read a file of the model; undefined where there is none that is small enough
 */
export function readMetadata(
  read: (path: string, most: number) => Buffer | undefined,
  { files }: ModelManifest,
): Metadata {
  if (!files.some(({ path }) => path === METADATA_NAME)) return {};
  try {
    return asRecord(readLenientJson(read(METADATA_NAME, LARGEST_METADATA) ?? Buffer.alloc(0)));
  } catch {
    return {};
  }
}

/** The metrics that the training run stated, by their names, as a person reads them. */
export function metricsOf({ metrics }: Metadata): ReadonlyMap<string, string> {
  const shown = Object.entries(asRecord(metrics)).flatMap(([name, value]) => {
    const text = textOf(value);
    return text === undefined ? [] : [[name, text] as const];
  });
  return new Map(shown);
}

/**
 * The page of the run that trained the model, where the metadata name one that a browser can open. Databricks' own name for
 * the address of a workspace may come without its protocol.
 */
export function runPageOf({ runUrl }: Metadata): string | undefined {
  if (typeof runUrl !== 'string') return undefined;
  const address = /^[a-z0-9-]+(\.[a-z0-9-]+)+\//i.test(runUrl) ? `https://${runUrl}` : runUrl;
  return webAddress(address);
}

/** A plain value as a person reads it; undefined for everything else. */
export function textOf(value: unknown): string | undefined {
  if (typeof value === 'number') return Number.isInteger(value) ? String(value) : value.toPrecision(4);
  return typeof value === 'string' && value ? value : undefined;
}

function asRecord(value: unknown): Metadata {
  return typeof value === 'object' && value !== null ? (value as Metadata) : {};
}
