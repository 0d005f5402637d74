import assert from 'node:assert/strict';
import type { JsonObject } from '../../../local/databricks/json';
import { succeeded } from '../../../local/databricks/runs/outcome';
import { Client } from './client';

/** A job as version 2.0 knows it: its one task has no name, and stands among the job's own settings. */
const FLAT = {
  name: 'train titanic',
  existing_cluster_id: '1234-567890-abc',
  max_retries: 1,
  notebook_task: { notebook_path: '/live/scikit-titanic' },
};

describe('Version 2.0 of the Jobs API in the local Databricks workspace', () => {
  let client: Client;
  beforeEach(async () => {
    const scenario = { task: () => ({ outcome: succeeded({ exitValue: 'stored' }) }) };
    client = await Client.start({ timing: { pending: 0, terminating: 0 }, scenario });
  });
  afterEach(() => client.stop());

  const create = async (settings: JsonObject = FLAT, version = '2.0') =>
    (await client.ok(`POST /api/${version}/jobs/create`, settings)).job_id!;
  const settingsOf = async (job_id: NonNullable<JsonObject['job_id']>, version: string) =>
    (await client.ok(`GET /api/${version}/jobs/get`, { job_id })).settings as JsonObject;

  it('shows a job of one task as it was sent, and the later ones show it with a list of tasks', async () => {
    const job_id = await create();
    const old = await settingsOf(job_id, '2.0');
    assert.deepEqual(old.notebook_task, FLAT.notebook_task);
    assert.equal(old.existing_cluster_id, FLAT.existing_cluster_id);
    assert.equal(old.format, 'SINGLE_TASK');
    assert.equal(old.tasks, undefined);
    const { tasks, notebook_task } = await settingsOf(job_id, '2.2');
    assert.equal(notebook_task, undefined);
    const task = (tasks as JsonObject[])[0]!;
    assert.equal(task.task_key, 'train_titanic');
    assert.equal((task.notebook_task as JsonObject).notebook_path, '/live/scikit-titanic');
  });

  it('shows a job of several tasks with their list', async () => {
    const tasks = [{ task_key: 'train', notebook_task: { notebook_path: '/live/model' } }];
    const settings = await settingsOf(await create({ name: 'new', tasks }, '2.2'), '2.0');
    assert.equal((settings.tasks as JsonObject[])[0]?.task_key, 'train');
    assert.equal(settings.format, 'MULTI_TASK');
  });

  it('lists all jobs at once', async () => {
    for (let number = 1; number <= 30; number++) await create({ ...FLAT, name: `job ${number}` });
    const answer = await client.ok('GET /api/2.0/jobs/list');
    assert.deepEqual(Object.keys(answer), ['jobs']);
    assert.equal((answer.jobs as unknown[]).length, 30);
  });

  it('changes such a job in either form', async () => {
    const job_id = await create();
    const notebook_task = { notebook_path: '/live/other' };
    await client.ok('POST /api/2.0/jobs/update', { job_id, new_settings: { notebook_task } });
    assert.deepEqual((await settingsOf(job_id, '2.0')).notebook_task, notebook_task);
    await client.ok('POST /api/2.2/jobs/update', { job_id, new_settings: { name: 'renamed' } });
    const renamed = await settingsOf(job_id, '2.0');
    assert.deepEqual([renamed.name, renamed.format], ['renamed', 'SINGLE_TASK']);
  });

  it('runs a job, and tells of the run what such clients look for', async () => {
    const job_id = await create();
    const { run_id } = await client.ok('POST /api/2.0/jobs/run-now', {
      job_id,
      notebook_params: { model_version: '1.0.0' },
    });
    await client.clock.advance(0);
    const run = await client.ok('GET /api/2.0/jobs/runs/get', { run_id: run_id! });
    assert.deepEqual(run.task, { notebook_task: FLAT.notebook_task });
    assert.deepEqual(run.cluster_spec, { existing_cluster_id: FLAT.existing_cluster_id });
    assert.equal(run.tasks, undefined);
    const { runs, has_more, next_page_token } = await client.ok('GET /api/2.0/jobs/runs/list', {
      job_id,
      limit: 500,
    });
    const listed = (runs as JsonObject[])[0]!;
    assert.equal(listed.run_id, run_id);
    assert.equal((listed.state as JsonObject).result_state, 'SUCCESS');
    assert.deepEqual([has_more, next_page_token], [false, undefined]);
    const output = await client.ok('GET /api/2.0/jobs/runs/get-output', { run_id: run_id! });
    assert.equal((output.notebook_output as JsonObject).result, 'stored');
  });

  it('pages by offset, as version 2.1 does too', async () => {
    const job_id = await create({ ...FLAT, max_concurrent_runs: 10 });
    for (let run = 0; run < 3; run++) await client.ok('POST /api/2.0/jobs/run-now', { job_id });
    const page = await client.ok('GET /api/2.0/jobs/runs/list', { job_id, limit: 2, offset: 2 });
    assert.equal((page.runs as unknown[]).length, 1);
    const jobs = await client.ok('GET /api/2.1/jobs/list', { offset: 1 });
    assert.equal(jobs.jobs, undefined);
  });

  it('is the only one that knows a task among the settings of a job', async () => {
    const settings = await settingsOf(await create(FLAT, '2.2'), '2.2');
    assert.deepEqual([settings.tasks, settings.notebook_task], [undefined, undefined]);
  });
});
