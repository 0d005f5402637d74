import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Scenario } from '../../local/databricks/jobs/scenario';
import type { JsonObject } from '../../local/databricks/json';
import { failed, succeeded } from '../../local/databricks/runs/outcome';
import { startWorkspace, type Workspace } from '../../local/databricks/workspace';
import { errorsOf, runStep, type StepOptions } from '../support/extension';

const CLUSTER = { spark_version: '15.4.x-scala2.12', num_workers: 1 };

describe('DatabricksRunJob, packed and isolated,', () => {
  let folder: string;
  let workspace: Workspace;
  /** How the tasks of one-time runs go. */
  let play: Scenario['task'];

  before(async () => {
    folder = mkdtempSync(join(tmpdir(), 'isolated-'));
    writeFileSync(join(folder, 'train.py'), '# Databricks notebook source\nprint("branch")\n');
    mkdirSync(join(folder, 'project/helpers'), { recursive: true });
    writeFileSync(join(folder, 'project/train.py'), '# Databricks notebook source\nimport helpers.clean\n');
    writeFileSync(join(folder, 'project/helpers/clean.py'), 'x = 1\n');
    workspace = await startWorkspace({
      folder: join(folder, 'workspace'),
      timing: { pending: 1, terminating: 1, cancel: 1 },
      scenario: { task: (task) => play(task) },
    });
    for (const [name, path] of Object.entries({ train: '/live/train', project: '/live/project/train' })) {
      workspace.createJob({
        name,
        parameters: [{ name: 'version', default: '0' }],
        job_clusters: [{ job_cluster_key: 'small', new_cluster: CLUSTER }],
        tasks: ['a', 'b'].map((key, index) => ({
          task_key: key,
          job_cluster_key: 'small',
          notebook_task: { notebook_path: path },
          ...(index > 0 && { depends_on: [{ task_key: 'a' }] }),
        })),
      });
    }
    await call('POST', 'workspace/mkdirs', { path: '/live' });
    await call('POST', 'workspace/import', {
      ...{ path: '/live/train', format: 'SOURCE', language: 'PYTHON' },
      content: Buffer.from('print("main")').toString('base64'),
    });
  });
  beforeEach(() => {
    play = ({ parameters }) => ({ outcome: succeeded({ exitValue: `version ${parameters.version}` }) });
  });
  after(async () => {
    await workspace.stop();
    rmSync(folder, { recursive: true });
  });

  async function call(method: string, path: string, fields: JsonObject): Promise<JsonObject> {
    const query = method === 'GET' ? `?${new URLSearchParams(fields as Record<string, string>)}` : '';
    const answer = await fetch(`${workspace.url}/api/2.0/${path}${query}`, {
      method,
      headers: { authorization: `Bearer ${workspace.token}`, 'content-type': 'application/json' },
      ...(method === 'POST' && { body: JSON.stringify(fields) }),
    });
    return (await answer.json()) as JsonObject;
  }

  const namesIn = async (path: string) => {
    const { objects = [] } = await call('GET', 'workspace/list', { path });
    return (objects as { path: string }[]).map((object) => object.path);
  };

  const run = (inputs: Record<string, string> = {}, options: StepOptions = {}) =>
    runStep(
      'DatabricksRunJob',
      {
        ...{ databricksHost: workspace.url, databricksToken: workspace.token },
        ...{ notebookFile: 'train.py', notebookPath: '/live/train', job: 'train', isolate: 'true' },
        parameters: 'version=1.0.0',
        ...inputs,
      },
      { sources: folder, ...options },
    );

  it('runs the job’s settings on a copy, and leaves the workspace as it was', async () => {
    const step = await run();
    assert.equal(step.result, 'Succeeded', step.log.join('\n'));
    assert.equal(step.outputVariables.notebookOutput, 'version 1.0.0');
    assert.ok(step.log.some((line) => /2 share a cluster in the job/.test(line)));
    assert.deepEqual(await namesIn('/live'), ['/live/train']);
    const { content } = await call('GET', 'workspace/export', { path: '/live/train', format: 'SOURCE' });
    assert.match(Buffer.from(String(content), 'base64').toString(), /"main"/);
    const imported = workspace.requests.filter(({ path }) => path.endsWith('/workspace/import')).at(-1)!;
    assert.match(String(imported.fields.path), /^\/live\/train-isolated-[0-9a-f]{16}$/);
  });

  it('copies a folder below its place, and removes all of it', async () => {
    const step = await run({ notebookFile: 'project', notebookPath: '/live/project', job: 'project' });
    assert.equal(step.result, 'Succeeded', step.log.join('\n'));
    assert.equal(step.outputVariables.notebookOutput, 'version 1.0.0');
    assert.deepEqual(await namesIn('/live/project'), []);
  });

  it('removes the copy after a failure', async () => {
    play = () => ({ outcome: failed({ error: 'ValueError: no rows' }) });
    const step = await run();
    assert.equal(step.result, 'Failed');
    assert.match(errorsOf(step), /ValueError: no rows/);
    assert.deepEqual(
      (await namesIn('/live')).filter((path) => path.includes('isolated')),
      [],
    );
  });

  it('cancels the run and removes the copy with the step', async () => {
    play = () => ({ running: 3_600_000, outcome: succeeded() });
    const cancel = new AbortController();
    const onLine = (line: string) => {
      if (line.includes('RUNNING')) cancel.abort();
    };
    const step = await run({}, { signal: cancel.signal, onLine });
    assert.equal(step.result, 'Canceled');
    const paths = workspace.requests.map(({ path }) => path.split('/').at(-1));
    assert.ok(paths.lastIndexOf('cancel') > paths.lastIndexOf('submit'));
    assert.deepEqual(
      (await namesIn('/live')).filter((path) => path.includes('isolated')),
      [],
    );
  });

  it('gives runs that go on at the same time copies of their own', async () => {
    const before = workspace.requests.length;
    const steps = await Promise.all([run(), run()]);
    assert.deepEqual(
      steps.map(({ result }) => result),
      ['Succeeded', 'Succeeded'],
    );
    const imports = workspace.requests.slice(before).filter(({ path }) => path.endsWith('/workspace/import'));
    assert.equal(new Set(imports.map(({ fields }) => fields.path)).size, 2);
  });

  const refused: [inputs: Record<string, string>, message: RegExp][] = [
    [{ waitForCompletion: 'false' }, /'isolate' is true.*'waitForCompletion' to true/],
    [{ onCancel: 'leaveRunning' }, /'isolate' is true.*'onCancel' to cancelRun/],
    [{ repairAttempts: '1' }, /'isolate' is true.*'repairAttempts' empty/],
    [{ notebookFile: '', notebookPath: '' }, /'isolate' is true.*nothing to copy/],
  ];
  it('says plainly what it does not go with, and asks the workspace for nothing', async () => {
    const before = workspace.requests.length;
    for (const [inputs, message] of refused) assert.match(errorsOf(await run(inputs)), message);
    assert.equal(workspace.requests.length, before);
  });
});
