import { isRecord } from '../../common/json';
import { formatBytes } from '../../common/text';
import { MANIFEST_NAME } from '../folder/manifest';
import type { ModelContainer } from '../registry/container';
import type { ModelFile } from '../registry/listing';
import { ancestors } from '../registry/names';
import type { Connection } from '../registry/persist';
import { readWhole } from '../transfer/read-whole';
import type { StatedDigests } from '../transfer/verify';
import { Watch } from '../transfer/watch';
import { readLenientJson } from './lenient-json';
import { resolvePaths } from './stated-paths';

/** What a version itself says of one of its files. */
export interface StatedFile extends StatedDigests {
  /** In bytes. */
  readonly size?: number;
  /** The file of the version that says so. */
  readonly by: string;
}

/** What a version says of its files, by their paths. */
export type Statement = ReadonlyMap<string, StatedFile>;

/** Files that may list the files of their version, each with its path, size and checksums. */
const LISTS = [MANIFEST_NAME, 'metadata.json'];

/** Weights in several files have an index that names them: `model.safetensors.index.json`. */
const INDEX = /\.index\.json$/;

/** What is the name of a file rather than a word about it: it has a slash, or an ending that begins with a letter. */
const FILE_NAME = /\/|\.[a-z]\w*$/i;

/** The service's own limit, in characters. */
const LONGEST_PATH = 1_024;

/** Statements are small; anything bigger is something else. */
const LARGEST = 16 * 1024 * 1024;

/** Names that a message shows. */
const MOST_NAMED = 5;

/** Whether a file may say what its version consists of. */
export function isStatement({ path }: { readonly path: string }): boolean {
  return LISTS.includes(path) || INDEX.test(path);
}

/** Values of a statement: that of 140,000 files has a million. */
const MOST_VALUES = 1_000_000;

/**
 * Reads what a version says of its own files: its `model-manifest.json` (a version that was stored from a folder of this
 * task has one) or its `metadata.json` may hold a list `files` of objects with `path`, `size`, `sha256` and `md5`, or of
 * paths alone, or an object with the paths as its members; and the index of weights names the files that they are in.
 *
 * @param files the whole version, whatever of it is downloaded
 */
export async function readStatement(
  container: ModelContainer,
  files: readonly ModelFile[],
  connection: Connection,
): Promise<Statement> {
  const present = new Set(files.map(({ path }) => path));
  const stated = new Map<string, StatedFile>();
  const watch = new Watch(connection);
  for (const file of files) {
    if (!isStatement(file) || file.size === 0) continue;
    const isReadable = file.size <= LARGEST;
    const content = isReadable
      ? readLenientJson(await readWhole(container, file, connection, watch), MOST_VALUES)
      : undefined;
    if (content === undefined) {
      connection.log.warning(
        `'${file.path}' of the version ${isReadable ? 'is no JSON, or has too much in it' : `has over ${formatBytes(LARGEST)}`}, so what it may say of the version's files is not known.`,
      );
      continue;
    }
    if (!isRecord(content)) continue;
    const isList = LISTS.includes(file.path);
    for (const [path, said] of isList ? listed(content, present) : indexed(content, file.path)) {
      if (path !== file.path) stated.set(path, { ...stated.get(path), ...said, by: file.path });
    }
  }
  return stated;
}

/**
 * What a version lacks of what it says that it consists of.
 *
 * @param files everything in the version
 * @returns going on from "it"; undefined when all is there
 */
export function findUnstated(statement: Statement, files: readonly ModelFile[]): string | undefined {
  const present = new Map(files.map((file) => [file.path, file]));
  const faults = [...statement].flatMap(([path, { size, by }]) => {
    const file = present.get(path);
    if (!file) return [`lacks '${path}', which its ${by} names`];
    if (size === undefined || size === file.size) return [];
    return [`has '${path}' with ${file.size} bytes, where its ${by} says ${size}`];
  });
  if (faults.length === 0) return undefined;
  const more = faults.length - MOST_NAMED;
  return `${faults.slice(0, MOST_NAMED).join(', ')}${more > 0 ? `, and ${more} more faults` : ''}`;
}

type Said = readonly [path: string, said: Omit<StatedFile, 'by'>];

/** What a list says, of files of the version. Of names alone, only a list that names a file of the version is one of its files. */
function listed({ files }: Record<string, unknown>, present: ReadonlySet<string>): Said[] {
  const entries = Array.isArray(files) ? files.flatMap(readEntry) : isRecord(files) ? readMembers(files) : [];
  const paths = resolvePaths(
    entries.map(([path]) => path),
    present,
  );
  const own = entries.flatMap(([path, said]): Said[] => {
    const resolved = paths.get(path);
    return resolved === undefined ? [] : [[resolved, said]];
  });
  const isName = ([, said]: Said) => Object.keys(said).length === 0;
  // A folder is there by its files.
  const folders = new Set([...present].flatMap(ancestors));
  const isFolder = ([path]: Said) => folders.has(path.replace(/\/$/, ''));
  const areFiles = own.some((entry) => present.has(entry[0]) || isFolder(entry));
  return own.filter((entry) => !isFolder(entry) && (areFiles || !isName(entry)));
}

function readEntry(entry: unknown): Said[] {
  if (typeof entry === 'string') return withPath(entry, {});
  return isRecord(entry) ? withPath(entry.path ?? entry.name, factsOf(entry)) : [];
}

/** An object in place of a list: what its members are called are the paths, or what they are. */
function readMembers(files: Record<string, unknown>): Said[] {
  return Object.entries(files).flatMap(([name, value]) => {
    const facts = factsOf(isRecord(value) ? value : { sha256: value, md5: value });
    if (isRecord(value) && value.path !== undefined) return withPath(value.path, facts);
    if (Object.keys(facts).length > 0) return withPath(name, facts);
    return typeof value === 'string' && FILE_NAME.test(value) ? withPath(value, {}) : [];
  });
}

function withPath(path: unknown, said: Omit<StatedFile, 'by'>): Said[] {
  return typeof path === 'string' && path !== '' && path.length <= LONGEST_PATH ? [[path, said]] : [];
}

function factsOf({ size, sha256, md5 }: Record<string, unknown>): Omit<StatedFile, 'by'> {
  const bytes = typeof size === 'string' && /^\d+$/.test(size) ? Number(size) : size;
  return {
    ...(Number.isSafeInteger(bytes) && { size: bytes as number }),
    ...digest('sha256', sha256, 32),
    ...digest('md5', md5, 16),
  };
}

/** A checksum of some bytes in hexadecimal digits or Base64, alone or after its name (`sha256:…`). */
function digest<K extends string>(name: K, value: unknown, bytes: number): { [key in K]?: string } {
  const text = typeof value === 'string' ? value.trim().replace(new RegExp(`^${name}[:-]`, 'i'), '') : '';
  const isHex = text.length === 2 * bytes && /^[0-9a-f]+$/i.test(text);
  const content = Buffer.from(text, isHex ? 'hex' : 'base64');
  const isWhole = isHex || content.toString('base64') === text;
  return (isWhole && content.length === bytes ? { [name]: content.toString('hex') } : {}) as {
    [key in K]?: string;
  };
}

function indexed({ weight_map }: Record<string, unknown>, path: string): Said[] {
  if (!isRecord(weight_map)) return [];
  const folder = path.slice(0, path.lastIndexOf('/') + 1);
  const names = new Set(Object.values(weight_map).filter((name) => typeof name === 'string'));
  return [...names].map((name) => [`${folder}${name.replace(/^\.\//, '')}`, {}]);
}
