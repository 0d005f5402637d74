import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { findEngine } from '../../local/engine/engine';
import { root } from '../../scripts/paths';
import { skip } from '../support/skip';

const page = join(root, '.local/demo.html');

const shelf = mkdtempSync(join(tmpdir(), 'demo-'));

describe('the demo', function () {
  // The first run on a machine makes the virtual environment for Python.
  this.timeout(300_000);
  after(() => rmSync(shelf, { recursive: true, force: true }));

  it('takes the titanic model from its notebook to an image that answers', async function () {
    const engine = await findEngine();
    if ('missing' in engine) skip(this, `needs a Docker engine: ${engine.missing}`);
    rmSync(page, { force: true });
    const { exitCode, output } = await runDemo();
    assert.equal(exitCode, 0, output);
    assert.match(output, /Train titanic 1\.0\.0 +DatabricksRunJob@1\.0\.0 +Succeeded/);
    assert.match(output, /Download titanic 1\.0\.0 +ModelRegistryDownload@1\.0\.0 +Succeeded/);
    assert.match(output, /Build and push titanic-model-api 1\.0\.0 +AcrBuildPush@1\.0\.0 +Succeeded/);
    assert.match(output, /image +titanic-model-api@sha256:[0-9a-f]{12}…/);
    assert.match(output, /prediction +1st, female, adult: survived \(\d+ %\)/);
    for (const link of [
      'signature',
      'provenance',
      'bill of materials',
      'model',
      'model signature',
      'training',
      'notebook',
    ])
      assert.match(output, new RegExp(`^ +${link} +verified: `, 'm'));
    const html = readFileSync(page, 'utf8');
    for (const text of [
      'train-titanic-model',
      'build-titanic-image',
      'sha256:',
      'model.pkl',
      'accuracy',
      'model signature',
    ]) {
      assert.ok(html.includes(text), text);
    }
  });

  it('takes the other model without a Docker engine, and says that no image gave its prediction', async () => {
    rmSync(page, { force: true });
    const { exitCode, output } = await runDemo({ PATH: pathWithoutDocker() }, ['batcomputer']);
    assert.equal(exitCode, 0, output);
    assert.match(output, /No Docker engine: docker is not installed/);
    assert.match(output, /This step builds the image by itself/);
    assert.match(output, /Build and push batcomputer-model-api 1\.0\.0 +AcrBuildPush@1\.0\.0 +Succeeded/);
    assert.match(output, /image +batcomputer-model-api@sha256:[0-9a-f]{12}…/);
    assert.match(
      output,
      /prediction +10, financial district, shoplifting: (un)?solved.*, by the API without its image, .*: docker is not installed/,
    );
    const html = readFileSync(page, 'utf8');
    for (const text of ['model.pkl', 'sha256:']) assert.ok(html.includes(text), text);
  });

  it('says what it takes to whoever names another model', async () => {
    const { exitCode, output } = await runDemo({}, ['iris']);
    assert.equal(exitCode, 2);
    assert.match(output, /npm run demo \[-- titanic \| batcomputer\]/);
  });

  it('leaves nothing running when it is interrupted', async function () {
    if (process.platform !== 'linux') skip(this, 'processes are found through /proc, which only Linux has');
    const mark = randomUUID();
    const demo = startDemo({ DEMO_TEST: mark });
    demo.stdout!.on('data', (text: Buffer) => {
      if (text.includes('Task train: ')) demo.kill('SIGINT');
    });
    const [exitCode] = await once(demo, 'close');
    assert.equal(exitCode, 1);
    assert.deepEqual(processesWith(mark), []);
  });
});

/** The folders of PATH that have no `docker`, with links to all else in those that have. */
function pathWithoutDocker(): string {
  const folders = (process.env.PATH ?? '').split(delimiter).filter((folder) => existsSync(folder));
  return folders
    .map((folder) => {
      if (!existsSync(join(folder, 'docker'))) return folder;
      const copy = mkdtempSync(join(shelf, 'path-'));
      for (const name of readdirSync(folder)) {
        if (name !== 'docker') symlinkSync(join(folder, name), join(copy, name));
      }
      return copy;
    })
    .join(delimiter);
}

function startDemo(environment: NodeJS.ProcessEnv = {}, args: readonly string[] = []): ChildProcess {
  return spawn(process.execPath, ['--import', 'tsx', 'local/demo/main.ts', ...args], {
    cwd: root,
    env: { ...process.env, ...environment },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
}

async function runDemo(
  environment?: NodeJS.ProcessEnv,
  args?: readonly string[],
): Promise<{ exitCode: number; output: string }> {
  const demo = startDemo(environment, args);
  let output = '';
  for (const stream of [demo.stdout!, demo.stderr!]) {
    stream.setEncoding('utf8').on('data', (text: string) => {
      output += text;
    });
  }
  const [exitCode] = await once(demo, 'close');
  return { exitCode, output };
}

/** Command lines of the processes that have a text in their environment, as children of the demo do. */
function processesWith(text: string): string[] {
  return readdirSync('/proc')
    .filter((id) => /^\d+$/.test(id))
    .flatMap((id) => {
      try {
        if (!readFileSync(`/proc/${id}/environ`).includes(text)) return [];
        return [readFileSync(`/proc/${id}/cmdline`, 'utf8').replaceAll('\0', ' ')];
      } catch {
        return []; // It ended meanwhile, or belongs to somebody else.
      }
    });
}
