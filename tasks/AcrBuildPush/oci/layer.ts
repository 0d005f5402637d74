import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { Readable } from 'node:stream';
import { throwIfCancelled } from '../../common/cancel';
import { TaskError } from '../../common/errors';
import { byName, type Content, type FileNode, type FileTree, split } from './file-tree';
import type { LocalLayer } from './image';
import { BLOCK, padding, tarHeader } from './tar';

/** A file of more bytes than this gets a layer of its own, so that it is sent alone, and again only if it changes. */
const LARGE_FILE = 8 * 1024 * 1024;

/** Engines hold no more than 127 layers; beyond this many, the large files of an instruction share one. */
const MOST_LARGE_LAYERS = 16;

const CHUNK = 1024 * 1024;

/** A stretch of a tar: bytes in memory, or those of a file. */
type Piece =
  | { readonly size: number; readonly data: Buffer }
  | { readonly size: number; readonly path: string };

/**
 * Makes the layers for what an instruction changed: one with the small files, and one for each large one. The same
 * files give the same bytes on every machine, whatever the time.
 *
 * @param changed paths in the tree; the folders above them go along, as they are there
 * @throws TaskError when a file can't be read, or changes meanwhile
 */
export async function makeLayers(
  tree: FileTree,
  changed: ReadonlySet<string>,
  signal: AbortSignal,
): Promise<LocalLayer[]> {
  const layers: LocalLayer[] = [];
  for (const paths of divide(tree, changed)) {
    throwIfCancelled(signal);
    layers.push(await describe(tarPieces(tree, paths), signal));
  }
  return layers;
}

/** Divides paths among layers. Links of one file stay together. */
function divide(tree: FileTree, changed: ReadonlySet<string>): string[][] {
  const small: string[] = [];
  const large = new Map<Content, string[]>();
  for (const path of [...changed].sort(byName)) {
    const node = tree.get(path)!;
    if (contentSize(node) <= LARGE_FILE || node.kind !== 'file') {
      small.push(path);
      continue;
    }
    const known = large.get(node.content);
    if (known) known.push(path);
    else if (large.size < MOST_LARGE_LAYERS) large.set(node.content, [path]);
    else small.push(path);
  }
  return [...(small.length ? [small] : []), ...large.values()];
}

function tarPieces(tree: FileTree, paths: readonly string[]): Piece[] {
  const pieces: Piece[] = [];
  const add = (data: Buffer) => pieces.push({ size: data.length, data });
  const written = new Map<Content, string>();
  for (const path of withFoldersAbove(paths)) {
    const node = tree.get(path)!;
    const linkTo = node.kind === 'file' ? written.get(node.content) : undefined;
    const size = linkTo === undefined ? contentSize(node) : 0;
    add(tarHeader({ path, node, linkTo, size }));
    if (node.kind !== 'file' || linkTo !== undefined) continue;
    written.set(node.content, path);
    if (node.content.kind === 'path') pieces.push({ size, path: node.content.path });
    else if (node.content.kind === 'text') add(node.content.data);
    add(Buffer.alloc(padding(size)));
  }
  add(Buffer.alloc(2 * BLOCK));
  return pieces.filter((piece) => piece.size > 0);
}

/** The paths in their order, every folder before what is in it. */
function withFoldersAbove(paths: readonly string[]): string[] {
  const all = new Set(paths);
  for (const path of paths) {
    for (let { folder } = split(path); folder && !all.has(folder); { folder } = split(folder))
      all.add(folder);
  }
  all.delete('');
  return [...all].sort(byName);
}

function contentSize(node: FileNode): number {
  if (node.kind !== 'file') return 0;
  if (node.content.kind === 'path') return node.content.size;
  return node.content.kind === 'text' ? node.content.data.length : 0;
}

async function describe(pieces: readonly Piece[], signal: AbortSignal): Promise<LocalLayer> {
  const hash = createHash('sha256');
  let size = 0;
  for await (const chunk of read(pieces, 0)) {
    throwIfCancelled(signal);
    hash.update(chunk);
    size += chunk.length;
  }
  return {
    kind: 'local',
    diffId: `sha256:${hash.digest('hex')}`,
    size,
    open: (start = 0) => Readable.from(read(pieces, start), { objectMode: false, highWaterMark: CHUNK }),
  };
}

async function* read(pieces: readonly Piece[], start: number): AsyncGenerator<Buffer> {
  let skip = start;
  let small: Buffer[] = [];
  let held = 0;
  for (const piece of pieces) {
    if (skip >= piece.size) {
      skip -= piece.size;
      continue;
    }
    if ('data' in piece) {
      small.push(piece.data.subarray(skip));
    } else if (piece.size - skip <= CHUNK - held) {
      small.push(readSmallFile(piece).subarray(skip));
    } else {
      if (small.length) yield Buffer.concat(small);
      small = [];
      held = 0;
      yield* readFile(piece, skip);
      skip = 0;
      continue;
    }
    held += piece.size - skip;
    skip = 0;
    if (held >= CHUNK) {
      yield Buffer.concat(small);
      small = [];
      held = 0;
    }
  }
  if (small.length) yield Buffer.concat(small);
}

/** Twenty thousand small files are read several times faster without a promise for every step. */
function readSmallFile({ path, size }: { path: string; size: number }): Buffer {
  let data: Buffer;
  try {
    data = readFileSync(path);
  } catch (error) {
    throw unreadable(error as Error);
  }
  if (data.length !== size) throw changedMeanwhile(path);
  return data;
}

async function* readFile(
  { path, size }: { path: string; size: number },
  start: number,
): AsyncGenerator<Buffer> {
  const file = await open(path).catch((error: Error) => {
    throw unreadable(error);
  });
  try {
    if ((await file.stat()).size !== size) throw changedMeanwhile(path);
    for (let at = start; at < size; ) {
      const chunk = Buffer.allocUnsafe(Math.min(CHUNK, size - at));
      const { bytesRead } = await file.read(chunk, 0, chunk.length, at);
      if (bytesRead === 0) throw changedMeanwhile(path);
      yield chunk.subarray(0, bytesRead);
      at += bytesRead;
    }
  } finally {
    await file.close();
  }
}

function unreadable(error: Error): TaskError {
  return new TaskError(`A file of the build context can't be read: ${error.message}.`, { cause: error });
}

function changedMeanwhile(path: string): TaskError {
  return new TaskError(
    `'${path}' changed while it was being read. Let the build begin when the steps before it are through with their files.`,
  );
}
