import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative, resolve } from 'node:path';
import { unzipSync, type Zippable, zipSync } from 'fflate';
import { buildExtension } from './build';
import { buildFolder, root, taskNames, vsixIn } from './paths';
import { validateExtension } from './validate';

/*
 * Builds, checks and packs the extension. tfx exits with 0 and writes a package even when a task in it is broken, so
 * all that it only warns of is an error here, and the package is opened again and looked into.
 * Usage: package.ts [folder]
 */
const target = resolve(process.argv[2] ?? buildFolder);
await buildExtension(target);
failOn('The extension is not fit for the Marketplace', validateExtension(target));
const entries = packWithTfx(target);
failOn('The package is not as it must be', faultsOf(entries));
writeFileSync(vsixIn(target), zipReproducibly(entries));
console.log(`Packed ${relative(root, vsixIn(target))}`);

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

function failOn(headline: string, faults: string[]): void {
  if (faults.length === 0) return;
  console.error(`${headline}:\n${faults.map((fault) => `- ${fault}`).join('\n')}`);
  process.exit(1);
}
