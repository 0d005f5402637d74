import { rm } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { askGit } from './git';

/**
 * Gives a copy of sources the `.git` folder that a checkout on an agent has: few commits, no branch, the commit itself as
 * HEAD, and the repository's own address as `origin`. What it holds stays when the commit has not changed.
 *
 * @param depth how many commits of the history it has; 0 for all
 * @returns the commit; undefined when the sources are not the whole of a git checkout, or have no commit
 */
export async function bringGitFolder(
  source: string,
  target: string,
  depth: number,
): Promise<string | undefined> {
  const [prefix, commit] = (await askGit(source, 'rev-parse', '--show-prefix', 'HEAD'))?.split('\n') ?? [];
  if (prefix !== '' || !commit) return undefined;
  const inTarget = (...args: string[]) => askGit(target, ...args);

  const held = await inTarget('rev-parse', '--show-prefix', 'HEAD', '--is-shallow-repository');
  if (held !== `\n${commit}\n${depth > 0}\n`) {
    await rm(join(target, '.git'), { recursive: true, force: true });
    const origin = (await askGit(source, 'remote', 'get-url', 'origin'))?.trim();
    const here = pathToFileURL(resolve(source)).href;
    const fetched =
      (await inTarget('init', '--quiet')) !== undefined &&
      (await inTarget('remote', 'add', 'origin', origin || here)) !== undefined &&
      (await inTarget(
        ...['fetch', '--quiet', '--no-tags', '--no-auto-gc', '--no-recurse-submodules'],
        ...(depth > 0 ? [`--depth=${depth}`] : []),
        here,
        `+HEAD:refs/remotes/origin/${commit}`,
      )) !== undefined &&
      (await inTarget('update-ref', '--no-deref', 'HEAD', commit)) !== undefined;
    if (!fetched) {
      await rm(join(target, '.git'), { recursive: true, force: true });
      return undefined;
    }
  }
  // Quick where files are as they were: git knows them by their size and time.
  await inTarget('reset', '--quiet');
  return commit;
}
