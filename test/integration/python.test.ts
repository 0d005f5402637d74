import assert from 'node:assert/strict';
import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { run } from '../../local/processes';
import { preparePython } from '../../local/python';
import { examplePython } from '../support/python';
import { skip } from '../support/skip';

describe('The Python of the notebooks', function () {
  this.timeout(600_000); // the first time, Python packages have to be fetched

  let folder: string;
  let lines: string[];
  const path = process.env.PATH;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'python-'));
    lines = [];
  });
  afterEach(async () => {
    process.env.PATH = path;
    await rm(folder, { recursive: true, force: true });
  });

  const log = (line: string) => lines.push(line);

  /** Puts a program of the given name, that prints a text, on the PATH, and nothing else. */
  const onlyProgram = async (name: string, text: string) => {
    const programs = join(folder, 'programs');
    await mkdir(programs, { recursive: true });
    await writeFile(join(programs, name), `#!/bin/sh\necho '${text}'\n`, { mode: 0o755 });
    process.env.PATH = programs;
  };

  it('is made once, with what the requirement files name, and used again', async () => {
    const { python, version } = await examplePython();
    assert.deepEqual(await examplePython(log), { python, version });
    assert.deepEqual(lines, [`Python ${version} is ready.`]);
    const imported = await run(python, [
      '-c',
      'import azure.storage.blob, pandas, sklearn; print(sklearn.__version__)',
    ]);
    assert.match(imported.output, /^1\.\d+\.\d+\n$/);
  });

  it('leaves nothing when it is stopped while being made', async () => {
    const requirements = join(folder, 'requirements.txt');
    await writeFile(requirements, 'pandas\n');
    const cancel = new AbortController();
    const stopWhen = (line: string) => {
      if (line.startsWith('Installing')) cancel.abort(new Error('stopped'));
    };
    const options = { folder: join(folder, 'made'), requirements: [requirements], log: stopWhen };
    await assert.rejects(preparePython({ ...options, signal: cancel.signal }), /^Error: stopped$/);
    assert.deepEqual(await readdir(folder), ['requirements.txt']);
  });

  it('leaves nothing, and says what pip said, when a package cannot be had', async () => {
    const requirements = join(folder, 'requirements.txt');
    await writeFile(requirements, '--no-index\nno-such-package-at-all\n');
    await assert.rejects(
      preparePython({ folder: join(folder, 'made'), requirements: [requirements], log }),
      /^Error: pip could not install the packages of .*requirements\.txt\.[\s\S]*no-such-package-at-all/,
    );
    assert.deepEqual(await readdir(folder), ['requirements.txt']);
  });

  it('names a requirement file that does not exist', async () => {
    const requirements = [join(folder, 'nothing.txt')];
    await assert.rejects(
      preparePython({ folder: join(folder, 'made'), requirements, log }),
      /nothing\.txt does not exist/,
    );
  });

  it('is asked for when there is none', async () => {
    await onlyProgram('other', '');
    await assert.rejects(
      preparePython({ folder: join(folder, 'made'), requirements: [], log }),
      /^Error: The notebooks need Python 3, and there is none on the PATH\. Install one of Python 3\.9 to 3\.14/,
    );
  });

  it('is asked for in a version that will do', async function () {
    if (process.platform === 'win32') skip(this, 'the stand-in for an old Python is a shell script');
    await onlyProgram('python3', '3.8.10');
    await assert.rejects(
      preparePython({ folder: join(folder, 'made'), requirements: [], log }),
      /^Error: The notebooks need Python 3\.9 to 3\.14; this machine has 3\.8\.10\./,
    );
  });
});
