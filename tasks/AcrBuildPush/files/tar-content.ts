import { closeSync, constants, fstatSync, openSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { awaitedLater } from '../../common/awaited-later';
import { TaskError } from '../../common/errors';
import { NO_LINK } from '../../common/files/open-folder';
import { readFrom } from '../../common/files/source-file';
import { byName, type Content, type FileNode, type FileOnDisk, type FileTree, split } from './file-tree';
import { BLOCK, padding, tarHeader } from './tar';

/** Bytes that are read and passed on at once. */
export const CHUNK = 1024 * 1024;

interface FilePiece {
  readonly size: number;
  readonly path: string;
  /** Which file it has to be, as {@link FileOnDisk} tells; any, where none was looked at. */
  readonly id?: string;
}

/** A stretch of a tar: bytes in memory, or those of a file. */
export type TarPiece = { readonly size: number; readonly data: Buffer } | FilePiece;

/**
 * Lays out a tar of some files of a tree, without reading them. The same files give the same bytes on every machine,
 * whatever the time.
 *
 * @param paths the folders above them go along, as they are in the tree
 */
export function tarPieces(tree: FileTree, paths: Iterable<string>): TarPiece[] {
  const pieces: TarPiece[] = [];
  const add = (data: Buffer) => pieces.push({ size: data.length, data });
  const written = new Map<Content, string>();
  for (const path of withFoldersAbove(paths)) {
    const node = tree.get(path)!;
    const linkTo = node.kind === 'file' ? written.get(node.content) : undefined;
    const size = linkTo === undefined ? contentSize(node) : 0;
    add(tarHeader({ path, node, linkTo, size }));
    if (node.kind !== 'file' || linkTo !== undefined) continue;
    written.set(node.content, path);
    if (node.content.kind === 'path') pieces.push(node.content);
    else if (node.content.kind === 'text') add(node.content.data);
    add(Buffer.alloc(padding(size)));
  }
  add(Buffer.alloc(2 * BLOCK));
  return pieces.filter((piece) => piece.size > 0);
}

/** The paths in their order, every folder before what is in it. */
function withFoldersAbove(paths: Iterable<string>): string[] {
  const all = new Set(paths);
  for (const path of [...all]) {
    for (let { folder } = split(path); folder && !all.has(folder); { folder } = split(folder))
      all.add(folder);
  }
  all.delete('');
  return [...all].sort(byName);
}

/** Bytes of a file; 0 for all else. */
export function contentSize(node: FileNode): number {
  if (node.kind !== 'file') return 0;
  if (node.content.kind === 'path') return node.content.size;
  return node.content.kind === 'text' ? node.content.data.length : 0;
}

/**
 * Reads a tar from byte `start` on.
 *
 * @throws TaskError when a file can't be read, or has changed since the tar was laid out
 */
export async function* readTarPieces(pieces: readonly TarPiece[], start = 0): AsyncGenerator<Buffer> {
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
    } else if (piece.size <= CHUNK && piece.size - skip <= CHUNK - held) {
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

/** A link in a file's place is not followed. */
const READ_ONLY = constants.O_RDONLY | NO_LINK;

/** Twenty thousand small files are read several times faster without a promise for every step. */
function readSmallFile(file: FilePiece): Buffer {
  const { path, size } = file;
  let descriptor: number;
  try {
    descriptor = openSync(path, READ_ONLY);
  } catch (error) {
    throw unreadable(error as Error);
  }
  try {
    if (!isSame(fstatSync(descriptor, { bigint: true }), file)) throw changedMeanwhile(path);
    const content = readFrom(descriptor, size);
    if (content.length !== size) throw changedMeanwhile(path);
    return content;
  } finally {
    closeSync(descriptor);
  }
}

/** Whether an open file is the one that was looked at, and not another that a link on the way has led to since. */
function isSame({ dev, ino, size }: { dev: bigint; ino: bigint; size: bigint }, file: FilePiece): boolean {
  return (file.id === undefined || `${dev}:${ino}` === file.id) && Number(size) === file.size;
}

/** Reads one chunk ahead, so that the disk and whoever takes the chunks work at the same time. */
async function* readFile(onDisk: FilePiece, start: number): AsyncGenerator<Buffer> {
  const { path, size } = onDisk;
  const file = await open(path, READ_ONLY).catch((error: Error) => {
    throw unreadable(error);
  });
  const readAt = (at: number) => {
    const chunk = Buffer.allocUnsafeSlow(Math.min(CHUNK, size - at));
    const read = file.read(chunk, 0, chunk.length, at);
    return awaitedLater(read.then(({ bytesRead }) => chunk.subarray(0, bytesRead)));
  };
  try {
    if (!isSame(await file.stat({ bigint: true }), onDisk)) throw changedMeanwhile(path);
    let ahead = readAt(start);
    for (let at = start; at < size; ) {
      const chunk = await ahead;
      if (chunk.length === 0) throw changedMeanwhile(path);
      at += chunk.length;
      if (at < size) ahead = readAt(at);
      yield chunk;
    }
  } finally {
    // Closing waits for a read that is on its way.
    await file.close();
  }
}

function unreadable(error: Error): TaskError {
  return new TaskError(
    `A file of the build context can't be read: ${error.message}. Let this agent's user read it, or name it in .dockerignore.`,
    { cause: error },
  );
}

function changedMeanwhile(path: string): TaskError {
  return new TaskError(
    `'${path}' changed while it was being read. Let the build begin when the steps before it are through with their files.`,
  );
}
