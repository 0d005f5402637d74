import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { build } from 'esbuild';
import { root } from '../../../scripts/paths';

describe('the run of a task', () => {
  const folder = mkdtempSync(join(tmpdir(), 'task-'));
  after(() => rmSync(folder, { recursive: true, force: true }));

  /** Runs a story as the agent does, canceled as soon as it says that it is ready, to the lines of its output. */
  async function run(story: string): Promise<string[]> {
    const contents = `
      import { runTask } from './tasks/common/task';
      import { CancelledError } from './tasks/common/errors';
      runTask(${story});`;
    await build({
      stdin: { contents, resolveDir: root },
      outfile: join(folder, 'index.js'),
      ...{ bundle: true, platform: 'node', format: 'cjs', logLevel: 'error' },
    });
    const task = { name: 'T', helpUrl: '', version: { Major: 1, Minor: 0, Patch: 0 } };
    writeFileSync(join(folder, 'task.json'), JSON.stringify(task));
    const env = { PATH: process.env.PATH, AGENT_TEMPDIRECTORY: folder };
    const child = spawn(process.execPath, [join(folder, 'index.js')], { env });
    const lines: string[] = [];
    for await (const line of createInterface(child.stdout)) {
      lines.push(line);
      if (line === 'ready') child.kill('SIGTERM');
    }
    return lines;
  }

  it('fails by an error that nobody awaits', async () => {
    const lines = await run(`async () => {
      void Promise.reject(new Error('nobody waits for it'));
      await new Promise((resolve) => setTimeout(resolve, 60_000));
    }`);
    assert.match(lines.at(-1)!, /^##vso\[task\.complete result=Failed;\].*nobody waits for it/);
  });

  it('is canceled, and cleans up to its end, whatever fails that nobody awaits', async function () {
    if (process.platform === 'win32') this.skip();
    const lines = await run(`async ({ signal, log }) => {
      const work = new Promise((_, reject) => signal.addEventListener('abort', () => reject(new CancelledError())));
      log.info('ready');
      await new Promise((resolve) => {
        const alive = setTimeout(resolve, 60_000);
        signal.addEventListener('abort', () => resolve(clearTimeout(alive)));
      });
      void Promise.reject(new Error('nobody waits for it'));
      await new Promise((resolve) => setTimeout(resolve, 100));
      log.info('clean');
      return work;
    }`);
    assert.deepEqual(lines.slice(-2), [
      'clean',
      '##vso[task.complete result=Canceled;]The step was canceled.',
    ]);
  });
});
