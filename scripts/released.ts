import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { unzipSync } from 'fflate';
import { changelogEntry } from './changelog';
import { writeJson } from './laid-out';
import { root, taskNames, vsixFile } from './paths';
import { compareVersions, parseVersion } from './versions';

/** The digest of each task, for each version of the extension that was released. */
export type Released = Readonly<Record<string, Readonly<Record<string, string>>>>;

const file = join(root, 'scripts', 'released.json');

export const readReleased = (): Released => JSON.parse(readFileSync(file, 'utf8'));

/** A digest over all files of each task in a package. */
export function taskDigests(vsix: Uint8Array): Record<string, string> {
  const entries = Object.entries(unzipSync(vsix)).sort(([first], [second]) => (first < second ? -1 : 1));
  return Object.fromEntries(
    taskNames.map((task) => {
      const hash = createHash('sha256');
      for (const [name, content] of entries) {
        if (name.startsWith(`tasks/${task}/`)) hash.update(`${name} ${content.length}\n`).update(content);
      }
      return [task, hash.digest('hex')];
    }),
  );
}

/**
 * What forbids to give a package out under its version. An agent that has a task of that version never downloads it
 * again, so a change would reach some agents and not others.
 */
export function faultsUnder(
  version: string,
  digests: Readonly<Record<string, string>>,
  released: Released,
): string[] {
  const newer = Object.keys(released).filter(
    (other) => compareVersions(parseVersion(other), parseVersion(version)) > 0,
  );
  if (newer.length > 0) return [`${version} is below ${newer.join(' and ')}, released before`];
  const recorded = released[version];
  if (!recorded) return [];
  return Object.keys({ ...recorded, ...digests })
    .filter((task) => recorded[task] !== digests[task])
    .map(
      (task) =>
        `${task} is not what was released as ${version}, and agents that have it would keep the old one: npm run set-version -- <next version>`,
    );
}

/* `npm run release`: records the packed tasks as what the current version is from now on. */
if (process.argv[1] === fileURLToPath(import.meta.url)) {
  try {
    const { version } = JSON.parse(readFileSync(join(root, 'vss-extension.json'), 'utf8'));
    changelogEntry(readFileSync(join(root, 'CHANGELOG.md'), 'utf8'), version);
    const digests = taskDigests(readFileSync(vsixFile));
    const released = readReleased();
    const faults = faultsUnder(version, digests, released);
    if (faults.length > 0) throw new Error(faults.join('\n'));
    writeJson(file, { ...released, [version]: digests });
    console.log(
      `Recorded ${version}. Commit scripts/released.json, tag the commit v${version} and push both.`,
    );
  } catch (error) {
    console.error((error as Error).message);
    process.exitCode = 1;
  }
}
