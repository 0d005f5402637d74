import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { pathToFileURL } from 'node:url';
import { StepLog } from '../../../../../local/agent/worker/context/log';
import { root } from '../../../../../scripts/paths';

const TIME = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{7}Z /;

describe('The log of a step', () => {
  let folder: string;
  let file: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'step-log-'));
    file = join(folder, 'logs', '1.log');
  });
  afterEach(() => rmSync(folder, { recursive: true, force: true }));

  it('has the time before each entry, in its file alone', () => {
    const heard: string[] = [];
    const log = new StepLog(file, (line) => heard.push(line));
    log.write('one');
    log.write('two\r\nthree\rfour');
    log.close();
    const entries = readFileSync(file, 'utf8').split(/\n(?=\d{4}-)/);
    assert.deepEqual(
      entries.map((entry) => entry.replace(TIME, '')),
      ['one', 'two\r\nthree\rfour\n'],
    );
    assert.deepEqual(heard, ['one', 'two', 'three', 'four']);
    assert.deepEqual(log.lines, heard);
  });

  it('is in its file before the step has ended', async () => {
    const log = new StepLog(file, () => {});
    log.write('still running');
    while (!readFileSync(file, 'utf8').includes('still running')) await wait(10);
    log.close();
  });

  it('is whole when it is long', () => {
    const log = new StepLog(file, () => {});
    for (let line = 0; line < 10_000; line++) log.write(`line ${line}`);
    log.close();
    const lines = readFileSync(file, 'utf8').trimEnd().split('\n');
    assert.equal(lines.length, 10_000);
    assert.ok(lines.every((line, index) => TIME.test(line) && line.endsWith(` line ${index}`)));
  });

  it('is whole when the agent ends early', () => {
    const module = pathToFileURL(join(root, 'local/agent/worker/context/log.ts')).href;
    const code = `const { StepLog } = await import(${JSON.stringify(module)});
      new StepLog(${JSON.stringify(file)}, () => {}).write('the last line');
      process.exit(3);`;
    assert.throws(() =>
      execFileSync(process.execPath, ['--import', 'tsx', '--input-type=module', '-e', code], { cwd: root }),
    );
    assert.match(readFileSync(file, 'utf8'), /the last line\n$/);
  });
});
