import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { root, taskNames } from './paths';
import { compareVersions, parseVersion } from './versions';

const TASK_VERSION = /("version": )\{\s*"Major": \d+,\s*"Minor": \d+,\s*"Patch": \d+\s*\}/;

/**
 * Writes the version to all its places: the manifest, the tasks, and npm's files.
 *
 * @param folder the repository
 * @throws when it is no version, not above the one that is there, or would take a major version from pipelines
 */
export function setVersion(folder: string, version: string): void {
  const wanted = parseVersion(version);
  const manifest = readFileSync(join(folder, 'vss-extension.json'), 'utf8');
  const current: string = JSON.parse(manifest).version;
  if (compareVersions(wanted, parseVersion(current)) <= 0) {
    throw new Error(`${version} is not above ${current}; the Marketplace and agents take only what rises.`);
  }
  if (wanted.Major !== parseVersion(current).Major) {
    throw new Error(
      `Pipelines name the tasks @${parseVersion(current).Major}, which ${version} would take away from them. A new major version of a task is another folder beside the old one.`,
    );
  }
  const text = `"version": "${version}"`;
  const fields = `{ "Major": ${wanted.Major}, "Minor": ${wanted.Minor}, "Patch": ${wanted.Patch} }`;
  const changes: [file: string, find: RegExp, times: number, put: string][] = [
    ['vss-extension.json', /"version": "[^"]*"/, 1, text],
    ['package.json', /"version": "[^"]*"/, 1, text],
    // Its own version stands at its top and once more for the package at the empty path.
    ['package-lock.json', /"version": "[^"]*"/, 2, text],
    ...taskNames.map((task): [string, RegExp, number, string] => [
      `tasks/${task}/task.json`,
      TASK_VERSION,
      1,
      `$1${fields}`,
    ]),
  ];
  const written = changes.map(([name, find, times, put]) => {
    const file = join(folder, name);
    const before = readFileSync(file, 'utf8');
    let left = times;
    const after = before.replace(new RegExp(find, 'g'), (match, ...groups) => {
      if (left === 0) return match;
      left--;
      return put.replace('$1', groups[0]);
    });
    if (left > 0) throw new Error(`${name} has no version where one is expected.`);
    return { file, after };
  });
  for (const { file, after } of written) writeFileSync(file, after);
}

/* Usage: npm run set-version -- 1.1.0 */
if (process.argv[1] === fileURLToPath(import.meta.url)) {
  try {
    const [version, ...more] = process.argv.slice(2);
    if (!version || more.length > 0) throw new Error('Usage: npm run set-version -- <version>');
    setVersion(root, version);
    console.log(`Version ${version}. Give it an entry in CHANGELOG.md.`);
  } catch (error) {
    console.error((error as Error).message);
    process.exitCode = 1;
  }
}
