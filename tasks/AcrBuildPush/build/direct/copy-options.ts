import { posix } from 'node:path';
import { ExpressionError } from '../../context/go-expression';
import { compileIgnorePattern } from '../../context/ignore-pattern';
import { PatternList } from '../../context/pattern-list';
import { mistake } from '../../dockerfile/instructions';
import type { FileTree } from '../../files/file-tree';
import { hasWildcard } from '../../files/glob';
import { isArchive } from './archives';
import { parseChmod } from './chmod';
import { type Copier, CopyError, type CopyOptions, NothingFound, OutOfReach } from './copy';

/* What the options of COPY and ADD come to. */

/** Folders on the way get numbers as they are, and nothing of what letters change. */
export function permissionsOf(text: string, line: number): Pick<CopyOptions, 'chmod' | 'folderMode'> {
  const chmod = parseChmod(text);
  if (!chmod) throw mistake(line, `--chmod=${text} is neither of the form 644 nor u=rw,go=r`);
  return { chmod, ...(/^\d/.test(text) && { folderMode: chmod(0, true) & 0o777 }) };
}

/** BuildKit has the files of the context picked by the patterns of ignore files, which have rules of their own. */
export function isReadable(name: string): boolean {
  if (!hasWildcard(name)) return true;
  try {
    return compileIgnorePattern(posix.normalize(name).replace(/^\/+/, ''))?.('') !== undefined;
  } catch (error) {
    if (error instanceof ExpressionError) return false;
    throw error;
  }
}

/** Copies what a source names with `--parents`: its path from `/./` on becomes one in the destination. */
export function copyWithParents(copier: Copier, source: FileTree, name: string, destination: string): void {
  const at = name.indexOf('/./');
  const folder = at < 0 ? '/' : name.slice(0, at);
  const path = posix.resolve('/', at < 0 ? name : name.slice(at + 3)).slice(1);
  const found = copier.copyMatching(source, folder, patternsOf([path], 'the path'), destination);
  if (found) return;
  if (!hasWildcard(folder) && !hasWildcard(path)) throw new CopyError(`there is no '${name}'`);
  throw new NothingFound(name, source.resolve(folder));
}

/**
 * Patterns of an option, by the rules of ignore files.
 *
 * @param what the option, as messages begin
 */
export function patternsOf(texts: readonly string[], what: string): PatternList {
  return new PatternList(texts, (problem) => new CopyError(`${what} ${problem.replace(/\.$/, '')}`));
}

/** Refuses a file that `ADD` would unpack. */
export function refuseArchive(path: string): void {
  if (isArchive(path)) throw new OutOfReach(`it unpacks an archive, ${posix.basename(path)}`);
}
