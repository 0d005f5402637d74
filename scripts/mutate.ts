import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative, resolve } from 'node:path';
import { root } from './paths';

/*
 * `npm run mutate -- tasks/<folder or file>`: what would the unit tests not notice? Stryker changes the code in many small
 * ways, one at a time, and runs the tests of the folder against each. The changes that no test sees are listed, with
 * their lines. A person runs this on the folder that they work on; it takes minutes, and is no part of CI.
 */

interface Report {
  readonly files: Record<string, { readonly mutants: readonly Mutant[] }>;
}

interface Mutant {
  readonly mutatorName: string;
  readonly replacement?: string;
  readonly status: string;
  readonly location: { readonly start: { readonly line: number } };
}

const USAGE = `npm run mutate -- tasks/<folder or file> [test files]

Without test files: those below test/unit that mirror the folder.`;

const [target = '', ...given] = process.argv.slice(2);
const path = relative(root, resolve(target)).replaceAll('\\', '/');
if (!/^tasks\/./.test(path) || !existsSync(join(root, path))) {
  console.error(USAGE);
  process.exit(2);
}

const isFolder = statSync(join(root, path)).isDirectory();
const mutate = isFolder ? `${path}/**/*.ts` : path;
const mirror = path.replace(/^tasks\//, 'test/unit/').replace(/\.ts$/, '');
const tests = given.length > 0 ? given : [isFolder ? `${mirror}/**/*.test.ts` : `${mirror}.test.ts`];

const work = mkdtempSync(join(tmpdir(), 'mutate-'));
try {
  const reports = join(root, 'build', 'mutation');
  mkdirSync(reports, { recursive: true });
  const json = join(reports, 'mutation.json');
  const settings = {
    mutate: [mutate],
    testRunner: 'command',
    commandRunner: {
      // One process a change, without npx and without the one that mocha starts for options of Node.
      command: [
        `"${process.execPath}"`,
        '--import=tsx',
        'node_modules/mocha/bin/mocha.js',
        '--no-config',
        '--bail',
        '--timeout=20000',
        '--reporter=min',
        ...tests.map((test) => `"${test}"`),
      ].join(' '),
    },
    ignorePatterns: ['/.local', '/build'],
    reporters: ['progress-append-only', 'json', 'html'],
    jsonReporter: { fileName: json },
    htmlReporter: { fileName: join(reports, 'mutation.html') },
    tempDirName: work,
    // A busy machine must not pass for a test that noticed something.
    timeoutFactor: 4,
    timeoutMS: 30_000,
    // Not to be rewritten: TypeScript 7 has no interface for that, and tsx reads it as it is.
    tsconfigFile: 'none',
    // Their texts are for people: tests hold what messages must say, and not every word of them.
    mutator: { excludedMutations: ['StringLiteral'] },
    thresholds: { break: null },
    allowConsoleColors: false,
  };
  const config = join(work, 'stryker.conf.json');
  writeFileSync(config, JSON.stringify(settings));
  const stryker = join(root, 'node_modules/@stryker-mutator/core/bin/stryker.js');
  const { status } = spawnSync(process.execPath, [stryker, 'run', config], { cwd: root, stdio: 'inherit' });
  if (status !== 0) process.exit(status ?? 1);
  report(JSON.parse(readFileSync(json, 'utf8')) as Report);
  console.log(`The same as a page: ${relative(process.cwd(), join(reports, 'mutation.html'))}`);
} finally {
  rmSync(work, { recursive: true, force: true });
}

/** Lists what no test noticed. */
function report({ files }: Report): void {
  let noticed = 0;
  let endless = 0;
  let unnoticed = 0;
  for (const [file, { mutants }] of Object.entries(files)) {
    for (const { status, location, mutatorName, replacement } of mutants) {
      if (status === 'Killed') noticed++;
      if (status === 'Timeout') endless++;
      if (status !== 'Survived' && status !== 'NoCoverage') continue;
      unnoticed++;
      const change = (replacement ?? mutatorName).replace(/\s+/g, ' ').slice(0, 100);
      console.log(`${file}:${location.start.line}: ${change}`);
    }
  }
  console.log(
    `${noticed} changes noticed, ${endless} made the tests go on without an end, ${unnoticed} not noticed.`,
  );
}
