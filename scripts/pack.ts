import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { unzipSync, type Zippable, zipSync } from 'fflate';
import { root, taskNames } from './paths';

/**
 * Packs a laid-out extension. tfx exits with 0 and writes a package even when a task in it is broken, so all that it
 * only warns of is an error here, and the package is opened again and looked into.
 *
 * @returns the package; the same bytes for the same extension
 * @throws when tfx or the look into the package finds a fault
 */
export function packExtension(extension: string): Uint8Array {
  const entries = packWithTfx(extension);
  const faults = faultsOf(entries);
  if (faults.length > 0) throw new Error(asList('The package is not as it must be', faults));
  return zipReproducibly(entries);
}

export function asList(headline: string, faults: readonly string[]): string {
  return `${headline}:\n${faults.map((fault) => `- ${fault}`).join('\n')}`;
}

function packWithTfx(extension: string): Record<string, Uint8Array> {
  const folder = mkdtempSync(join(tmpdir(), 'vsix-'));
  try {
    const tfx = join(root, 'node_modules', 'tfx-cli', '_build', 'tfx-cli.js');
    const { status, stdout, stderr } = spawnSync(
      process.execPath,
      [
        tfx,
        'extension',
        'create',
        '--root',
        extension,
        '--manifest-globs',
        'vss-extension.json',
        '--output-path',
        folder,
        '--no-prompt',
        '--no-color',
      ],
      { encoding: 'utf8' },
    );
    const output = stdout + stderr;
    if (status !== 0 || /warning|error/i.test(output)) throw new Error(`tfx is not content:\n${output}`);
    return unzipSync(readFileSync(join(folder, readdirSync(folder)[0]!)));
  } finally {
    rmSync(folder, { recursive: true });
  }
}

function faultsOf(entries: Record<string, Uint8Array>): string[] {
  const names = Object.keys(entries);
  return [
    ...taskNames
      .flatMap((task) =>
        ['index.js', 'task.json', 'icon.png', 'ThirdPartyNotices.txt'].map((file) => `tasks/${task}/${file}`),
      )
      .filter((file) => !names.includes(file))
      .map((file) => `${file} is missing`),
    ...names
      .filter((name) => /node_modules|\.map$|\.ts$/.test(name))
      .map((name) => `${name} does not belong in it`),
  ];
}

/** The same entries give the same bytes: sorted names (the content types first, as tfx has them) and one fixed time. */
function zipReproducibly(entries: Record<string, Uint8Array>): Uint8Array {
  const contentTypes = '[Content_Types].xml';
  const names = Object.keys(entries)
    .filter((name) => name !== contentTypes && !name.endsWith('/'))
    .sort();
  const sorted: Zippable = {};
  for (const name of [contentTypes, ...names]) {
    sorted[name] = [entries[name]!, { mtime: new Date(1980, 0, 1), level: 9 }];
  }
  return zipSync(sorted);
}
