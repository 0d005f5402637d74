import { createHash } from 'node:crypto';
import { close, read as readDescriptor } from 'node:fs';
import { promisify } from 'node:util';
import { throwIfCancelled } from '../../common/cancel';
import { bound } from '../../common/foreign-text';
import { SignatureFault } from './fault';
import type { SignedModel } from './signed-model';

const read = promisify(readDescriptor);
const closeFile = promisify(close);

/** The file in a version that holds its signature. */
export const SIGNATURE_NAME = 'model.sig';

/** What every signer leaves out, at the top of a model. */
const ALWAYS_IGNORED = ['.git', '.gitignore', '.gitattributes', '.github'];

/** Names that a message shows. */
const MOST_NAMED = 5;

/** Bytes that are read at a time. */
const CHUNK = 1024 * 1024;

/** A file that was downloaded. */
export interface DownloadedFile {
  readonly path: string;
  readonly size: number;
  readonly sha256: string;
}

/** Files as the signer had them, and those here. */
export interface Comparison {
  readonly files: readonly DownloadedFile[];
  /** The paths of everything that the registry has in the version, whether downloaded or not. */
  readonly registered: ReadonlySet<string>;
  /** Opens a downloaded file; the descriptor is closed here. */
  open(path: string): number;
  readonly signal: AbortSignal;
}

/** What a signature does not tell, though the model is as it was signed. */
export interface Coverage {
  /** Downloaded, and left out by the signer. */
  readonly uncovered: readonly string[];
  /** Signed, and not downloaded. */
  readonly absent: readonly string[];
}

/**
 * Compares a model with what its signer has signed: every file that is here must be listed with just this content, and
 * every file that is listed must be in the version.
 *
 * @throws SignatureFault that names the first files that differ
 */
export async function compareWithSigned(signed: SignedModel, comparison: Comparison): Promise<Coverage> {
  const uncovered: string[] = [];
  const foreign: string[] = [];
  const changed: string[] = [];
  const names = namesOf(signed);
  for (const file of comparison.files) {
    const { path } = file;
    if (path === SIGNATURE_NAME) continue;
    const parts = names.get(path);
    // Of parts, an empty file has none.
    if (!parts && !(signed.shardSize !== undefined && file.size === 0)) {
      (isIgnored(path, signed.ignored) ? uncovered : foreign).push(path);
    } else if (parts && !(await isAsSigned(file, parts, signed, comparison))) {
      changed.push(path);
    }
  }
  const here = new Set(comparison.files.map(({ path }) => path));
  const absent = [...names.keys()].filter((path) => !here.has(path));
  const gone = absent.filter((path) => !comparison.registered.has(path));
  const faults = [
    ...told('is of other files than the version holds now: changed since it was signed', changed),
    ...told('does not list every file of the version: it knows nothing of', foreign),
    ...told('lists files that the version does not hold:', gone),
  ];
  if (faults.length > 0) throw new SignatureFault(faults.join(', and '));
  return { uncovered, absent };
}

function told(what: string, paths: readonly string[]): string[] {
  return paths.length > 0 ? [`${what} ${quoteFew(paths)}`] : [];
}

/** The first few of some paths, as a sentence has them. */
export function quoteFew(paths: readonly string[]): string {
  const more = paths.length - MOST_NAMED;
  const shown = paths.slice(0, MOST_NAMED).map((path) => `'${bound(path, 200)}'`);
  return `${shown.join(', ')}${more > 0 ? ` and ${more} more` : ''}`;
}

/** The names of what was signed, by the file that they are of. */
function namesOf({ resources, shardSize }: SignedModel): Map<string, string[]> {
  const names = new Map<string, string[]>();
  for (const name of resources.keys()) {
    const path = shardSize === undefined ? name : name.replace(/:\d+:\d+$/, '');
    const others = names.get(path);
    if (others) others.push(name);
    else names.set(path, [name]);
  }
  return names;
}

function isIgnored(path: string, ignored: readonly string[]): boolean {
  return [...ALWAYS_IGNORED, ...ignored].some((one) => path === one || path.startsWith(`${one}/`));
}

async function isAsSigned(
  file: DownloadedFile,
  names: readonly string[],
  { resources, hash, shardSize }: SignedModel,
  comparison: Comparison,
): Promise<boolean> {
  if (shardSize === undefined && hash === 'sha256') return resources.get(file.path) === file.sha256;
  const length = shardSize ?? file.size;
  if (names.length !== Math.max(1, Math.ceil(file.size / length || 0))) return false;
  const descriptor = comparison.open(file.path);
  try {
    for (let start = 0, left = names.length; left > 0; start += length, left--) {
      const end = Math.min(start + length, file.size);
      const name = shardSize === undefined ? file.path : `${file.path}:${start}:${end}`;
      const digest = await digestOf(descriptor, start, end, hash, comparison.signal);
      if (resources.get(name) !== digest) return false;
    }
    return true;
  } finally {
    await closeFile(descriptor);
  }
}

async function digestOf(
  descriptor: number,
  start: number,
  end: number,
  hash: SignedModel['hash'],
  signal: AbortSignal,
): Promise<string> {
  const digest = createHash(hash === 'blake2b' ? 'blake2b512' : hash);
  const buffer = Buffer.alloc(Math.min(CHUNK, end - start));
  for (let at = start; at < end; ) {
    throwIfCancelled(signal);
    const { bytesRead } = await read(descriptor, buffer, 0, Math.min(buffer.length, end - at), at);
    if (bytesRead === 0) break;
    digest.update(buffer.subarray(0, bytesRead));
    at += bytesRead;
  }
  return digest.digest('hex');
}
