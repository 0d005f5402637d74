import assert from 'node:assert/strict';
import { closeSync, fstatSync, openSync } from 'node:fs';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { run } from '../../local/processes';
import { fileContent } from '../../tasks/ModelRegistryDownload/pickles/byte-reader';
import { inspectFile } from '../../tasks/ModelRegistryDownload/pickles/inspect-file';
import { Inspection } from '../../tasks/ModelRegistryDownload/pickles/inspection';
import { examplePython } from '../support/python';
import { skip } from '../support/skip';

/** What Python's own libraries write, which do not share our beliefs about pickles. */
describe('files of models that Python has written', () => {
  let folder: string;

  before(async function () {
    this.timeout(600_000);
    let python: string;
    try {
      ({ python } = await examplePython());
    } catch (error) {
      skip(this, (error as Error).message);
    }
    folder = await mkdtemp(join(tmpdir(), 'pickles-'));
    const made = await run(python!, [join(import.meta.dirname, '../support/pickles.py'), folder]);
    assert.equal(made.exitCode, 0, made.output);
  });

  after(async () => {
    if (folder) await rm(folder, { recursive: true, force: true });
  });

  /** @returns each file with what was found in it, and the versions that were read */
  async function inspectAll(kind: 'honest' | 'hostile') {
    const found: [path: string, findings: string[]][] = [];
    const versions = new Set<string>();
    for (const path of await readdir(join(folder, kind))) {
      const file = openSync(join(folder, kind, path), 'r');
      const inspection = new Inspection(new Set());
      await inspectFile(
        path,
        fileContent(file, 0, fstatSync(file).size),
        inspection,
        new AbortController().signal,
      );
      closeSync(file);
      found.push([path, inspection.findings.map(({ what }) => what)]);
      for (const version of inspection.versions.get('scikit-learn') ?? []) versions.add(version);
    }
    return { found, versions };
  }

  it('pass without a word where they are honest', async function () {
    this.timeout(120_000);
    const { found, versions } = await inspectAll('honest');
    assert.ok(found.length > 200, `${found.length} files`);
    assert.deepEqual(
      found.filter(([, findings]) => findings.length > 0),
      [],
    );
    assert.equal(versions.size, 1);
  });

  it('do not pass where loading them would run something else', async () => {
    const { found } = await inspectAll('hostile');
    assert.ok(found.length >= 15, `${found.length} files`);
    assert.deepEqual(
      found.filter(([path, findings]) => {
        const [packed] = /bzip2|lzma/.exec(path) ?? [];
        const wanted = packed ? new RegExp(`packed with ${packed}`) : /calls (posix|nt)\.system/;
        return !findings.some((finding) => wanted.test(finding));
      }),
      [],
    );
  });
});
