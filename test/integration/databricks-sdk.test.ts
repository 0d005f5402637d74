import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { failed, succeeded } from '../../local/databricks/runs/outcome';
import { startWorkspace, type Workspace } from '../../local/databricks/workspace';
import { run } from '../../local/processes';
import { sdkPython } from '../support/python';

const root = fileURLToPath(new URL('../..', import.meta.url));

describe('The local workspace, used by Databricks’ own client', function () {
  this.timeout(300_000); // the first time, Python packages have to be fetched

  let folder: string;
  let workspace: Workspace;
  let seen: unknown;
  /** What the client made of an answer, by its name and the fields in it. */
  const at = (...path: (string | number)[]) =>
    path.reduce<unknown>((value, key) => (value as Record<string | number, unknown>)[key], seen);

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'databricks-sdk-'));
    const { python } = await sdkPython();
    workspace = await startWorkspace({ folder, timing: { pending: 1, terminating: 1, cancel: 1 } });
    const tasks = [{ task_key: 'main', notebook_task: { notebook_path: '/live/models/train' } }];
    const trained = succeeded({ exitValue: 'stored 1.0.0' });
    const broken = failed({ error: 'ValueError: no rows', errorTrace: 'Traceback\nValueError: no rows' });
    workspace.createJob({ name: 'train', tasks }, { task: () => ({ outcome: trained }) });
    workspace.createJob({ name: 'broken', tasks }, { task: () => ({ outcome: broken }) });
    workspace.createJob({ name: 'third', tasks });
    const script = join(root, 'test/support/databricks_sdk.py');
    const { exitCode, output } = await run(python, [script, workspace.url, workspace.token]);
    assert.equal(exitCode, 0, output);
    seen = JSON.parse(output.trim().split('\n').at(-1)!);
  });

  after(async () => {
    await workspace?.stop();
    await rm(folder, { recursive: true, force: true });
  });

  it('keeps notebooks where a folder is made for them', () => {
    assert.deepEqual(at('import without a folder'), {
      error: 'ResourceDoesNotExist',
      message: 'The parent folder (/live/models) does not exist.',
    });
    assert.equal(at('import'), null);
    assert.equal(at('status', 'object_type'), 'NOTEBOOK');
    assert.equal(at('status', 'language'), 'PYTHON');
    assert.equal(at('source'), '# Databricks notebook source\nprint(1)\n');
  });

  it('finds jobs by name without regard to case, and lists them in pages', () => {
    assert.deepEqual(at('names'), ['train']);
    assert.equal(at('number of jobs'), 3);
    assert.equal(at('job', 'settings', 'tasks', 0, 'notebook_task', 'notebook_path'), '/live/models/train');
  });

  it('has its errors taken for jobs and runs that do not exist', () => {
    assert.equal(at('unknown job', 'error'), 'ResourceDoesNotExist');
    assert.equal(at('unknown run', 'error'), 'ResourceDoesNotExist');
  });

  it('runs a job once for a token, to an end that is understood, with its output and page', () => {
    assert.equal(at('run', 'state', 'life_cycle_state'), 'TERMINATED');
    assert.equal(at('run', 'status', 'termination_details', 'code'), 'SUCCESS');
    assert.equal(at('same run'), true);
    assert.equal(at('output', 'notebook_output', 'result'), 'stored 1.0.0');
    assert.deepEqual(at('pages'), ['NOTEBOOK']);
    assert.equal(at('cancel what is over'), true);
  });

  it('ends runs of failing tasks as the service does, with their errors, and repairs them', () => {
    for (const name of ['broken run', 'repair']) {
      assert.equal(at(name, 'error'), 'OperationFailed');
      assert.match(
        String(at(name, 'message')),
        /INTERNAL_ERROR: Task main failed with message: Workload failed/,
      );
    }
    assert.equal(at('broken output', 'error'), 'ValueError: no rows');
    assert.equal(at('broken output', 'error_trace'), 'Traceback\nValueError: no rows');
    assert.deepEqual(at('history'), ['ORIGINAL', 'REPAIR']);
  });
});
