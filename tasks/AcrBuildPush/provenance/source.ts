import { dirname, relative } from 'node:path';
import { isInside } from '../../common/files/paths';
import { findCheckout } from '../context/checkout';
import { isCommit } from '../context/git-folder';
import type { Variables } from './run';
import type { Dependency } from './statement';

/** The sources of an image. */
export interface Source {
  /** The commit, where it is known. */
  readonly commit: Dependency | undefined;
  /** A path as it is in the repository, with slashes; undefined outside of it. */
  pathOf(path: string): string | undefined;
}

/**
 * Finds out which commit a Dockerfile lies in. The run's own commit says nothing of other repositories that it has checked
 * out, nor of what a script has: so the checkout itself is asked, where there is one.
 */
export function findSource(dockerfile: string, variable: Variables): Source {
  const checkout = findCheckout(dirname(dockerfile));
  const revision = variable('Build.SourceVersion');
  // Of another system of versions than git, it is something else.
  const commit = checkout?.commit ?? (revision && isCommit(revision) ? revision : undefined);
  const isOfRun = commit !== undefined && commit === revision;
  const address = isOfRun ? variable('Build.Repository.Uri') : checkout?.origin;
  const branch = isOfRun ? variable('Build.SourceBranch') : undefined;
  const uri = address === undefined ? undefined : gitUri(address, branch);
  const top = checkout?.top ?? variable('Build.SourcesDirectory');
  return {
    commit:
      commit === undefined
        ? undefined
        : { name: 'source', ...(uri && { uri }), digest: { gitCommit: commit } },
    pathOf: (path) =>
      top !== undefined && isInside(path, top) ? relative(top, path).replaceAll('\\', '/') || '.' : undefined,
  };
}

/** Where a repository is, as SPDX writes it, without users and tokens; undefined for what is on this machine alone. */
function gitUri(address: string, branch: string | undefined): string | undefined {
  if (!/^(?:https?|ssh):\/\//i.test(address) || !URL.canParse(address)) return undefined;
  const { protocol, host, pathname } = new URL(address);
  return `git+${protocol}//${host}${pathname}${branch ? `@${branch}` : ''}`;
}
