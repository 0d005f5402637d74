import { isRecord, readJsonObject } from '../../common/json';
import { MANIFEST_NAME } from '../folder/manifest';
import type { ModelContainer } from '../registry/container';
import type { ModelFile } from '../registry/listing';
import type { Connection } from '../registry/persist';
import { readWhole } from '../transfer/read-whole';
import type { StatedDigests } from '../transfer/verify';
import { Watch } from '../transfer/watch';

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
 * task has one) or its `metadata.json` may hold a list `files` of objects with `path` and at least one of `size`,
 * `sha256` and `md5`, and the index of weights names the files that they are in.
 *
 * @param files the whole version, whatever of it is downloaded
 */
export async function readStatement(
  container: ModelContainer,
  files: readonly ModelFile[],
  connection: Connection,
): Promise<Statement> {
  const stated = new Map<string, StatedFile>();
  const watch = new Watch(connection);
  for (const file of files) {
    if (!isStatement(file) || file.size === 0 || file.size > LARGEST) continue;
    const content = readJsonObject(await readWhole(container, file, connection, watch), MOST_VALUES);
    for (const [path, said] of LISTS.includes(file.path) ? listed(content) : indexed(content, file.path)) {
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

function listed({ files }: Record<string, unknown>): Said[] {
  if (!Array.isArray(files)) return [];
  return files.filter(isRecord).flatMap(({ path, size, sha256, md5 }): Said[] => {
    const said = {
      ...(Number.isSafeInteger(size) && { size: size as number }),
      ...digest('sha256', sha256, 64),
      ...digest('md5', md5, 32),
    };
    return typeof path === 'string' && Object.keys(said).length > 0 ? [[plain(path), said]] : [];
  });
}

/** A checksum in hexadecimal digits, alone or after its name (`sha256:…`). */
function digest<K extends string>(name: K, value: unknown, digits: number): { [key in K]?: string } {
  const hex = typeof value === 'string' ? value.replace(`${name}:`, '') : '';
  const isWhole = hex.length === digits && /^[0-9a-f]+$/i.test(hex);
  return (isWhole ? { [name]: hex.toLowerCase() } : {}) as { [key in K]?: string };
}

function indexed({ weight_map }: Record<string, unknown>, path: string): Said[] {
  if (!isRecord(weight_map)) return [];
  const folder = path.slice(0, path.lastIndexOf('/') + 1);
  const names = new Set(Object.values(weight_map).filter((name) => typeof name === 'string'));
  return [...names].map((name) => [`${folder}${plain(name)}`, {}]);
}

function plain(path: string): string {
  return path.replace(/^\.\//, '');
}
