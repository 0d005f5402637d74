import { TaskError } from '../../common/errors';
import type { FileNode } from '../files/file-tree';
import { readTarPieces, tarPieces } from '../files/tar-content';
import { readBuildContext } from './build-context';
import type { IgnoreRules } from './ignore';

/** A file that is made up for the archive. */
export interface ExtraFile {
  readonly name: string;
  readonly content: Buffer;
}

/**
 * Packs a build context as a tar archive, piece by piece. The same files always give the same bytes: nothing of the
 * agent is in it, no owner and no time.
 *
 * @throws TaskError when a file can't be read, or changes meanwhile
 */
export function packContext(
  context: string,
  rules: IgnoreRules,
  extra: readonly ExtraFile[],
): AsyncGenerator<Buffer> {
  const tree = readBuildContext(context, rules);
  const paths = tree.paths().filter((path) => isPacked(path, tree.get(path)!));
  for (const { name, content } of extra) {
    tree.set(name, { kind: 'file', mode: 0o644, uid: 0, gid: 0, content: { kind: 'text', data: content } });
  }
  return readTarPieces(tarPieces(tree, [...paths, ...extra.map(({ name }) => name)]));
}

/** Devices and pipes stay behind. */
function isPacked(path: string, node: FileNode): boolean {
  if (node.kind !== 'special') return true;
  if (node.what === undefined) return false;
  throw new TaskError(
    `The build context can't be packed: it has ${node.what}. Rename it, or leave '${path}' out in .dockerignore.`,
  );
}
