import { readFileSync, statSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';

/*
 * Where git keeps its own files of a checkout. It never takes a `.git` from a commit, so nobody who commits can plant one.
 */

/** A folder and those above it, each with the place where git's own files of it would be; from below. */
export function* gitFolders(folder: string): Generator<{ readonly top: string; readonly git: string }> {
  for (let top = resolve(folder); ; top = dirname(top)) {
    yield { top, git: gitFolder(top) };
    if (dirname(top) === top) return;
  }
}

/** `.git`, or where a file of that name says that it is, as in a worktree. */
function gitFolder(top: string): string {
  const entry = join(top, '.git');
  const link = readGitFile(entry, 4_096)?.toString('utf8');
  const target = link && /^gitdir: (.+)$/m.exec(link)?.[1];
  return target ? resolve(top, target.trim()) : entry;
}

/** One of git's own files; undefined where there is none, or one of more bytes than it can have. */
export function readGitFile(file: string, largest: number): Buffer | undefined {
  try {
    const stat = statSync(file);
    return stat.isFile() && stat.size <= largest ? readFileSync(file) : undefined;
  } catch {
    return undefined;
  }
}

/** Whether a text is the name of a commit, by SHA-1 or SHA-256. */
export function isCommit(text: string): boolean {
  return /^[0-9a-f]{40}(?:[0-9a-f]{24})?$/.test(text);
}
