import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { closeSync, fstatSync, openSync } from 'node:fs';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { preparePython } from '../../local/python';
import { root } from '../../scripts/paths';
import { fileContent } from '../../tasks/ModelRegistryDownload/pickles/byte-reader';
import { inspectFile } from '../../tasks/ModelRegistryDownload/pickles/inspect-file';
import { Inspection } from '../../tasks/ModelRegistryDownload/pickles/inspection';
import { examplePython } from '../support/python';

/*
 * The scanners that others use, on the same files: npm run test:trust. They take minutes, since each file starts a Python.
 */

/** What each says of a file: its exit code, by its own documentation. */
const SCANNERS: Readonly<Record<string, { args(file: string): string[]; verdict(code: number): string }>> = {
  picklescan: {
    args: (file) => ['-m', 'picklescan.cli', '--path', file],
    verdict: (code) => ['clean', 'found', 'error'][code] ?? 'error',
  },
  fickling: {
    args: (file) => ['-m', 'fickling', '--check-safety', file],
    verdict: (code) => ['clean', 'found', 'error'][code] ?? 'error',
  },
  modelscan: {
    args: (file) => ['-m', 'modelscan.cli', 'scan', '-p', file],
    verdict: (code) => ['clean', 'found', 'error', 'skipped'][code] ?? 'error',
  },
};

/** Every how many-th honest file is shown to them: they differ in the library, not in the estimator. */
const STRIDE = 9;

describe('other scanners of pickles, on the files of this one', function () {
  this.timeout(1_800_000);

  let python: string;
  let folder: string;

  before(async () => {
    const requirements = [join(root, 'test/trust/requirements-scanners.txt')];
    ({ python } = await preparePython({
      folder: join(root, '.local/scanners'),
      requirements,
      log: () => {},
    }));
    folder = await mkdtemp(join(tmpdir(), 'scanners-'));
    const writer = (await examplePython()).python;
    const { code, output } = await start(writer, [join(root, 'test/support/pickles.py'), folder]);
    assert.equal(code, 0, output);
  });
  after(() => rm(folder, { recursive: true, force: true }));

  async function verdicts(kind: 'honest' | 'hostile', paths: readonly string[]) {
    const table: Record<string, Record<string, number>> = {};
    const count = (who: string, verdict: string) => {
      table[who] ??= {};
      table[who][verdict] = (table[who][verdict] ?? 0) + 1;
    };
    const missed: string[] = [];
    const waiting = [...paths];
    const work = async () => {
      for (let path = waiting.pop(); path !== undefined; path = waiting.pop()) {
        const file = join(folder, kind, path);
        const ours = (await inspect(file)).length > 0 ? 'found' : 'clean';
        count('this task', ours);
        for (const [name, { args, verdict }] of Object.entries(SCANNERS)) {
          const theirs = verdict((await start(python, args(file), folder)).code);
          count(name, theirs);
          if (kind === 'hostile' && theirs === 'found' && ours === 'clean') missed.push(path);
        }
      }
    };
    await Promise.all(Array.from({ length: Math.min(4, availableParallelism()) }, work));
    for (const [who, counts] of Object.entries(table))
      console.log(`      ${kind}, ${paths.length} files: ${who}: ${JSON.stringify(counts)}`);
    return { ours: table['this task'], missed };
  }

  it('find nothing in hostile files that this one does not find', async () => {
    const paths = await readdir(join(folder, 'hostile'));
    const { ours, missed } = await verdicts('hostile', paths);
    assert.deepEqual(missed, []);
    assert.deepEqual(ours, { found: paths.length });
  });

  it('may find something in honest files; this one does not', async () => {
    const paths = (await readdir(join(folder, 'honest'))).sort().filter((_, index) => index % STRIDE === 0);
    const { ours } = await verdicts('honest', paths);
    assert.deepEqual(ours, { clean: paths.length });
  });
});

async function inspect(path: string) {
  const file = openSync(path, 'r');
  try {
    const inspection = new Inspection(new Set());
    const content = fileContent(file, 0, fstatSync(file).size);
    await inspectFile(path, content, inspection, new AbortController().signal);
    return inspection.findings;
  } finally {
    closeSync(file);
  }
}

function start(
  program: string,
  args: readonly string[],
  cwd?: string,
): Promise<{ code: number; output: string }> {
  return new Promise((resolve) => {
    execFile(program, args, { cwd, maxBuffer: 64 * 1024 * 1024 }, (error, stdout, stderr) => {
      const code = error ? (typeof error.code === 'number' ? error.code : -1) : 0;
      resolve({ code, output: `${stdout}${stderr}` });
    });
  });
}
