import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { claim } from '../../../local/claim';

describe('the claim on a checkout', () => {
  let folder: string;
  let file: string;

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'claim-'));
    file = join(folder, '.local', 'in-use');
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  it('keeps a second process out until it is given up', () => {
    const release = claim(file);
    assert.throws(() => claim(file), new RegExp(`runs in this checkout \\(process ${process.pid}\\)`));
    release();
    claim(file)();
    assert.equal(existsSync(file), false);
  });

  it('does not outlive the process that made it', () => {
    claim(file);
    writeFileSync(file, '2147483646'); // above the highest id of a process
    claim(file)();
  });
});
