import { join } from 'node:path';
import { statOf } from '../../common/files/paths';
import { outputOf } from '../../common/program';
import { gitFolders, isCommit } from './git-folder';

/** Milliseconds that git may take to look up a commit; it needs a few. */
const LONGEST = 10_000;

/**
 * When a commit was made, by the checkout that one of some folders is part of.
 *
 * Git is told where its repository is, rather than left to look for one: a commit can hold folders that look like one, with
 * settings of their own.
 *
 * @returns undefined where there is no such checkout, no such commit in it, or no git
 */
export async function findCommitTime(
  revision: string,
  folders: readonly string[],
  ownFolder: string,
): Promise<Date | undefined> {
  if (!isCommit(revision)) return undefined;
  const places = new Set(folders.flatMap((folder) => findRepository(folder) ?? []));
  for (const place of places) {
    const time = await askGit(place, revision, ownFolder);
    if (time) return time;
  }
  return undefined;
}

function findRepository(folder: string): string | undefined {
  for (const { git } of gitFolders(folder)) if (statOf(join(git, 'HEAD'))?.isFile()) return git;
  return undefined;
}

async function askGit(gitDir: string, revision: string, ownFolder: string): Promise<Date | undefined> {
  const own = Object.entries(process.env).filter(([name]) => !/^GIT_/i.test(name));
  // Of a commit that a partial clone lacks, git would ask the server.
  const env = { ...Object.fromEntries(own), GIT_NO_LAZY_FETCH: '1', GIT_TERMINAL_PROMPT: '0' };
  const args = [`--git-dir=${gitDir}`, 'rev-list', '--max-count=1', '--timestamp', revision];
  try {
    const output = await outputOf('git', args, { cwd: ownFolder, env, timeout: LONGEST });
    const seconds = /^(\d+) /.exec(output)?.[1];
    return seconds === undefined ? undefined : new Date(Number(seconds) * 1000);
  } catch {
    return undefined;
  }
}
