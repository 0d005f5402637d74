import { realpathSync, type Stats, statSync } from 'node:fs';
import * as platformPath from 'node:path';
import { codeOf } from '../errors';

const { basename, dirname, join } = platformPath;

/**
 * Whether a path is a folder itself, or lies below it. Both are absolute; no disk is asked.
 *
 * @param rules of another platform, for tests
 */
export function isInside(
  path: string,
  folder: string,
  rules = platformPath as platformPath.PlatformPath,
): boolean {
  const way = rules.relative(folder, path);
  return way === '' || (way !== '..' && !/^\.\.[\\/]/.test(way) && !rules.isAbsolute(way));
}

/** Where a path leads with all its links followed. What is not there is taken as it is written. */
export function realPath(path: string): string {
  try {
    return realpathSync.native(path);
  } catch {
    const above = dirname(path);
    return above === path ? path : join(realPath(above), basename(path));
  }
}

/** What is at a path; undefined where nothing is: also behind a file, and at the end of links in a circle. */
export function statOf(path: string): Stats | undefined {
  try {
    return statSync(path);
  } catch (error) {
    if (['ENOENT', 'ENOTDIR', 'ELOOP'].includes(codeOf(error) ?? '')) return undefined;
    throw error;
  }
}
