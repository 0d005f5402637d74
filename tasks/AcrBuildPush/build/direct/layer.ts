import { createHash } from 'node:crypto';
import { Readable } from 'node:stream';
import { throwIfCancelled } from '../../../common/cancel';
import { byName, type Content, type FileTree } from '../../files/file-tree';
import { CHUNK, contentSize, readTarPieces, type TarPiece, tarPieces } from '../../files/tar-content';
import type { LocalLayer } from '../../image/image';

/** A file of more bytes than this gets a layer of its own, so that it is sent alone, and again only if it changes. */
const LARGE_FILE = 8 * 1024 * 1024;

/** Engines hold no more than 127 layers; beyond this many, the large files of an instruction share one. */
const MOST_LARGE_LAYERS = 16;

/** A layer that is laid out, none of its files read yet. */
export interface PlannedLayer {
  readonly kind: 'planned';
  readonly pieces: readonly TarPiece[];
}

/**
 * Lays out the layers for what an instruction changed: one with the small files, and one for each large one.
 *
 * @param changed paths in the tree; the folders above them go along, as they are there
 */
export function planLayers(tree: FileTree, changed: ReadonlySet<string>): PlannedLayer[] {
  return divide(tree, changed).map((paths) => ({ kind: 'planned', pieces: tarPieces(tree, paths) }));
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

/**
 * Reads a layer for its digest.
 *
 * @throws TaskError when a file can't be read, or has changed since the layer was planned
 */
export async function makeLayer({ pieces }: PlannedLayer, signal: AbortSignal): Promise<LocalLayer> {
  const hash = createHash('sha256');
  let size = 0;
  for await (const chunk of readTarPieces(pieces)) {
    throwIfCancelled(signal);
    hash.update(chunk);
    size += chunk.length;
  }
  return {
    kind: 'local',
    diffId: `sha256:${hash.digest('hex')}`,
    size,
    open: (start = 0) =>
      Readable.from(readTarPieces(pieces, start), { objectMode: false, highWaterMark: CHUNK }),
  };
}
