import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join, relative } from 'node:path';
import { findProgram, outputOf, startProgram } from '../../../tasks/common/program';

describe('a program that a task starts', () => {
  let folder: string;
  let tools: string;

  /** A program that says where it lies. */
  const put = (place: string, file: string) => {
    mkdirSync(place, { recursive: true });
    writeFileSync(join(place, file), `#!/bin/sh\necho ${place}\n`, { mode: 0o755 });
  };

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'program-'));
    tools = join(folder, 'tools');
    for (const name of ['docker', 'docker.exe']) {
      put(join(folder, 'checkout'), name);
      put(join(folder, 'checkout/bin'), name);
      put(tools, name);
    }
  });

  afterEach(() => rmSync(folder, { recursive: true, force: true }));

  for (const entry of ['', '.', 'bin', './bin', '""']) {
    it(`does not come from the current folder, whose name in PATH is '${entry}'`, async () => {
      const cwd = join(folder, 'checkout');
      const env = { PATH: [entry, tools, '/usr/bin', '/bin'].join(delimiter) };
      assert.equal((await outputOf('docker', [], { cwd, env })).trim(), tools);
      const child = startProgram('docker', [], { cwd, env, stdio: ['ignore', 'pipe', 'ignore'] });
      const [said] = await once(child.stdout!, 'data');
      assert.equal(String(said).trim(), tools);
      await assert.rejects(outputOf('docker', [], { cwd, env: { PATH: entry } }), { code: 'ENOENT' });
      assert.throws(() => startProgram('docker', [], { cwd, env: { PATH: entry } }), { code: 'ENOENT' });
    });
  }

  it('comes from the folders of PATH on Windows too, under any spelling of that, and quoted', () => {
    const cwd = process.cwd();
    for (const path of [tools, `"${tools}"`, `.;;bin;C:bin;${relative(cwd, tools)};${tools}`]) {
      for (const name of ['PATH', 'Path']) {
        const found = findProgram('docker', { env: { [name]: path }, platform: 'win32' });
        assert.equal(found, `${tools}/docker.exe`);
      }
    }
    for (const path of ['', '.', `.;${relative(cwd, tools)}`]) {
      assert.equal(findProgram('docker', { env: { PATH: path }, platform: 'win32' }), undefined);
    }
  });

  it('comes from the folders of the system where there is no PATH', () => {
    assert.match(findProgram('sh', { env: {}, platform: 'linux' })!, /^(\/usr)?\/bin\/sh$/);
    assert.equal(findProgram('sh', { env: { PATH: '' }, platform: 'linux' }), undefined);
    assert.equal(findProgram('cmd', { env: {}, platform: 'win32' }), undefined);
  });

  it('is a file that may be run', () => {
    mkdirSync(join(tools, 'git'));
    writeFileSync(join(tools, 'tar'), '');
    for (const name of ['git', 'tar', 'az'])
      assert.equal(findProgram(name, { env: { PATH: tools } }), undefined);
  });
});
