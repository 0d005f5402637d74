import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { SHAPES } from '../../local/databricks/jobs/shapes';
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

  const use = async (script: string, ...args: string[]): Promise<unknown> => {
    const { python } = await sdkPython();
    const { exitCode, output } = await run(python, [join(root, 'test/support', script), ...args]);
    assert.equal(exitCode, 0, output);
    return JSON.parse(output.trim().split('\n').at(-1)!);
  };

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'databricks-sdk-'));
    const tasks = [{ task_key: 'main', notebook_task: { notebook_path: '/live/models/train' } }];
    const trained = succeeded({ exitValue: 'stored 1.0.0' });
    workspace = await startWorkspace({
      folder,
      timing: { pending: 1, terminating: 1, cancel: 1 },
      scenario: { task: () => ({ outcome: trained }) },
    });
    const broken = failed({ error: 'ValueError: no rows', errorTrace: 'Traceback\nValueError: no rows' });
    workspace.createJob({ name: 'train', tasks });
    workspace.createJob({ name: 'broken', tasks }, { task: () => ({ outcome: broken }) });
    workspace.createJob({ name: 'third', tasks });
    seen = await use('databricks_sdk.py', workspace.url, workspace.token);
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

  it('tells who and where it is, and gives files as they are', () => {
    assert.equal(at('me', 'userName'), 'data.scientist@example.com');
    assert.equal(at('workspace id'), workspace.id);
    assert.equal(at('file'), '# Databricks notebook source\nprint(1)\n');
  });

  it('runs what is submitted, and forgets it', () => {
    assert.equal(at('submitted', 'run_name'), 'once');
    assert.equal(at('submitted', 'state', 'result_state'), 'SUCCESS');
    assert.equal(at('delete'), null);
    assert.equal(at('deleted run', 'error'), 'ResourceDoesNotExist');
  });

  it('changes settings, sorts them, and removes what is to go', () => {
    assert.equal(at('updated', 'settings', 'timeout_seconds'), 60);
    assert.equal((at('updated', 'settings') as Record<string, unknown>).description, undefined);
    assert.deepEqual(at('updated', 'settings', 'tasks', 2, 'depends_on'), [
      { task_key: 'a' },
      { task_key: 'b' },
    ]);
    assert.deepEqual(at('tasks'), ['a', 'b']);
  });

  it('keeps permissions', () => {
    assert.equal(at('permissions', 'object_type'), 'job');
    assert.deepEqual(
      at('permissions', 'access_control_list', 1, 'all_permissions', 0, 'permission_level'),
      'CAN_VIEW',
    );
    assert.equal((at('levels', 'permission_levels') as unknown[]).length, 4);
  });

  it('knows every setting of a job that the client knows, and by the same kinds', async () => {
    const known = (await use('databricks_settings.py')) as typeof SHAPES;
    for (const [shape, members] of Object.entries(known)) {
      assert.deepEqual({ ...members, ...SHAPES[shape] }, SHAPES[shape], shape);
      for (const [name, kind] of Object.entries(members)) assert.deepEqual(SHAPES[shape]?.[name], kind, name);
    }
  });
});
