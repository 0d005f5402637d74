import { readdir } from 'node:fs/promises';
import { isAbsolute, join } from 'node:path';
import minimatch from 'minimatch';

const OPTIONS = { dot: true, nobrace: true, nocomment: true, nonegate: true };

/**
 * The files below a folder that fit the patterns, taken in their order: those that begin with `!` take away what the
 * ones before them have found.
 * @returns absolute paths, sorted
 */
export async function findFiles(root: string, patterns: readonly string[]): Promise<string[]> {
  const entries = await readdir(root, { withFileTypes: true, recursive: true });
  const files = entries
    .filter((entry) => !entry.isDirectory())
    .map((entry) => join(entry.parentPath, entry.name));
  const found = new Set<string>();
  for (const line of patterns) {
    const pattern = line.trim();
    if (pattern === '' || pattern.startsWith('#')) continue;
    const isAgainst = pattern.startsWith('!');
    const bare = pattern.replace(/^!+/, '').replaceAll('\\', '/');
    const matcher = new minimatch.Minimatch(isAbsolute(bare) ? bare : join(root, bare), OPTIONS);
    for (const file of files) {
      if (!matcher.match(file)) continue;
      if (isAgainst) found.delete(file);
      else found.add(file);
    }
  }
  return [...found].sort();
}
