import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { changelogEntry } from '../changelog';
import { faultsUnder, type Released } from '../released';
import { compareVersions, parseVersion } from '../versions';

/** What is to be published, and what is known of it. */
export interface Candidate {
  readonly version: string;
  readonly dev: boolean;
  /** Files that differ from the commit, as `git status --porcelain` lists them. */
  readonly changedFiles: readonly string[];
  readonly commit: string;
  /** The commit that all tests passed at last. */
  readonly testedCommit: string | undefined;
  readonly changelog: string;
  readonly digests: Readonly<Record<string, string>>;
  readonly released: Released;
  readonly published: readonly string[];
}

/** Everything that speaks against publishing, one line each. */
export function objections(candidate: Candidate): string[] {
  const { version, dev, changedFiles, commit, testedCommit, published } = candidate;
  const found: string[] = [];
  if (changedFiles.length > 0) {
    found.push(`The checkout differs from its commit: ${changedFiles.slice(0, 5).join(', ')}. Commit first.`);
  }
  if (testedCommit !== commit) {
    found.push(`The tests have not passed at this commit, ${commit.slice(0, 12)}: npm run tested`);
  }
  const notBelow = published.filter(
    (other) => compareVersions(parseVersion(other), parseVersion(version)) >= 0,
  );
  if (notBelow.length > 0) {
    const remedy = dev ? '--version <higher version>' : 'npm run set-version -- <higher version>';
    found.push(`${version} is not above what is published, ${notBelow[0]}: ${remedy}`);
  }
  return dev ? found : [...found, ...releaseObjections(candidate)];
}

function releaseObjections({ version, changelog, digests, released }: Candidate): string[] {
  const found: string[] = [];
  try {
    changelogEntry(changelog, version);
  } catch (error) {
    found.push((error as Error).message);
  }
  if (!(version in released)) found.push(`${version} is not recorded as released: npm run release`);
  return [...found, ...faultsUnder(version, digests, released)];
}

export interface Checkout {
  readonly commit: string;
  readonly changedFiles: readonly string[];
}

export function readCheckout(folder: string): Checkout {
  const git = (...args: string[]) => execFileSync('git', args, { cwd: folder, encoding: 'utf8' }).trimEnd();
  return {
    commit: git('rev-parse', 'HEAD'),
    changedFiles: git('status', '--porcelain').split('\n').filter(Boolean),
  };
}

const testedFile = (folder: string) => join(folder, '.local', 'tested-commit');

export function testedCommit(folder: string): string | undefined {
  const file = testedFile(folder);
  return existsSync(file) ? readFileSync(file, 'utf8').trim() : undefined;
}

/**
 * Remembers that all tests passed at the commit that is checked out.
 *
 * @throws when the files are not that commit's
 */
export function rememberTested(folder: string): void {
  const { commit, changedFiles } = readCheckout(folder);
  if (changedFiles.length > 0) {
    throw new Error(
      `These tests were not those of a commit, since the checkout differs: ${changedFiles.join(', ')}`,
    );
  }
  mkdirSync(dirname(testedFile(folder)), { recursive: true });
  writeFileSync(testedFile(folder), `${commit}\n`);
}
