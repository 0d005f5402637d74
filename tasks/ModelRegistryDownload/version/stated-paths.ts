import { posix } from 'node:path';
import { ancestors } from '../registry/names';

/** Folders that a list's paths may begin with for nothing: `/dbfs/tmp/run-7/titanic/`. */
const MOST_ROOTS = 32;

/**
 * Finds out which files of a version a list means, whoever wrote it on whatever machine: with `./` or backslashes, or with
 * the folder before each path in which the files lay when it was written.
 *
 * @param paths as the list has them
 * @param present the paths of the version's files
 * @returns the path of each in the version, whether it is there or not; undefined for what lies outside of it
 */
export function resolvePaths(
  paths: readonly string[],
  present: ReadonlySet<string>,
): Map<string, string | undefined> {
  const plain = paths.map(
    (path) => [path, present.has(path) ? path : posix.normalize(withSlashes(path))] as const,
  );
  const inside = plain.filter(([, path]) => !isOutside(path));
  const outside = plain.filter(([, path]) => isOutside(path));
  const root = findRoot(plainPaths(inside), present) ?? '';
  const outerRoot = findRoot(plainPaths(outside), present);
  return new Map([
    ...inside.map(([path, own]) => [path, own.slice(root.length)] as const),
    ...outside.map(([path, own]) => [path, outerRoot && own.slice(outerRoot.length)] as const),
  ]);
}

function plainPaths(pairs: readonly (readonly [string, string])[]): string[] {
  return pairs.map(([, path]) => path);
}

function withSlashes(path: string): string {
  return path.replaceAll('\\', '/');
}

/** Whether it names a place of its own, such as `/tmp/model.pkl`, `C:/model.pkl` or `../model.pkl`. */
function isOutside(path: string): boolean {
  return /^(\/|\.\.(\/|$)|[a-z][a-z0-9+.-]*:)/i.test(path);
}

/** The folder before all paths below which most of them are in the version; undefined where none is, below any. */
function findRoot(paths: readonly string[], present: ReadonlySet<string>): string | undefined {
  const [first = '', ...others] = paths;
  const roots = ['', ...ancestors(first).map((folder) => `${folder}/`)].slice(0, MOST_ROOTS);
  const shared = roots.filter((root) => others.every((path) => path.startsWith(root)));
  const counts = shared.map((root) => paths.filter((path) => present.has(path.slice(root.length))).length);
  if (counts[0]! > 0) return '';
  const most = Math.max(...counts);
  return most > 0 ? shared[counts.indexOf(most)] : undefined;
}
