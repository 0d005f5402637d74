import assert from 'node:assert/strict';
import type { JsonObject } from '../../../local/databricks/json';
import { Client } from './client';

interface JobList {
  readonly jobs?: readonly { job_id: bigint; settings: { name: string; tasks?: readonly unknown[] } }[];
  readonly next_page_token?: string;
  readonly has_more?: boolean;
}

const NOTEBOOK_TASK = { task_key: 'train', notebook_task: { notebook_path: '/live/model' } };

describe('Jobs in the local Databricks workspace', () => {
  let client: Client;
  beforeEach(async () => {
    client = await Client.start();
  });
  afterEach(() => client.stop());

  const list = async (fields: JsonObject = {}, version = '2.2') =>
    (await client.ok(`GET /api/${version}/jobs/list`, fields)) as unknown as JobList;
  const names = ({ jobs = [] }: JobList) => jobs.map((job) => job.settings.name);

  it('have ids that do not fit into a JavaScript number', async () => {
    const { job_id } = await client.ok('POST /api/2.2/jobs/create', { name: 'big', tasks: [NOTEBOOK_TASK] });
    assert.equal(typeof job_id, 'bigint');
    assert.ok((job_id as bigint) > BigInt(Number.MAX_SAFE_INTEGER));
    const { settings } = await client.ok('GET /api/2.2/jobs/get', { job_id: job_id! });
    assert.equal((settings as JsonObject).name, 'big');
  });

  it('are listed a page at a time, until there is no token', async () => {
    for (let number = 1; number <= 5; number++) client.workspace.createJob({ name: `job ${number}` });
    const found = [];
    for (let token: string | undefined = ''; token !== undefined; ) {
      const page: JobList = await list({ limit: 2, ...(token && { page_token: token }) });
      assert.equal(page.has_more, undefined);
      found.push(...names(page));
      token = page.next_page_token;
    }
    assert.deepEqual(found.sort(), ['job 1', 'job 2', 'job 3', 'job 4', 'job 5']);
  });

  it('are listed with has_more by version 2.1 alone', async () => {
    client.workspace.createJob({ name: 'only' });
    assert.equal((await list({}, '2.1')).has_more, false);
  });

  it('are found by name whatever its case, and names need not be unique', async () => {
    for (const name of ['Train', 'train', 'train', 'train more']) client.workspace.createJob({ name });
    assert.deepEqual(names(await list({ name: 'TRAIN' })).sort(), ['Train', 'train', 'train']);
  });

  it('leave the list without a jobs field when there are none', async () => {
    assert.deepEqual(await list({ name: 'none' }), {});
  });

  it('show their tasks in a list only when asked for', async () => {
    client.workspace.createJob({ name: 'tasks', tasks: [NOTEBOOK_TASK] });
    const tasksIn = ({ jobs }: JobList) => jobs![0]!.settings.tasks;
    assert.equal(tasksIn(await list()), undefined);
    assert.equal(tasksIn(await list({ expand_tasks: true }))!.length, 1);
  });

  it('show at most 100 tasks at a time', async () => {
    const tasks = Array.from({ length: 101 }, (_, number) => ({
      ...NOTEBOOK_TASK,
      task_key: `task-${number}`,
    }));
    const job_id = client.workspace.createJob({
      name: 'many',
      tasks,
      parameters: [{ name: 'a', default: '1' }],
    });
    const first = await client.ok('GET /api/2.2/jobs/get', { job_id });
    const second = await client.ok('GET /api/2.2/jobs/get', { job_id, page_token: first.next_page_token! });
    const lengths = [first, second].map(({ settings }) => {
      const arrays = settings as { tasks: unknown[]; parameters: unknown[] };
      return [arrays.tasks.length, arrays.parameters.length];
    });
    assert.deepEqual(lengths, [
      [100, 1],
      [1, 0],
    ]);
    assert.equal(second.next_page_token, undefined);
  });

  it('get defaults for what was not said', async () => {
    const job_id = client.workspace.createJob({ tasks: [NOTEBOOK_TASK] });
    const settings = (await client.ok('GET /api/2.2/jobs/get', { job_id })).settings as JsonObject;
    assert.equal(settings.name, 'Untitled');
    assert.equal(settings.max_concurrent_runs, 1);
    assert.deepEqual(settings.queue, { enabled: true });
    const [task] = settings.tasks as { notebook_task: JsonObject; run_if: string }[];
    assert.equal(task?.notebook_task.source, 'WORKSPACE');
    assert.equal(task?.run_if, 'ALL_SUCCESS');
  });

  it('do not queue when version 2.1 creates them', async () => {
    const { job_id } = await client.ok('POST /api/2.1/jobs/create', { name: 'old' });
    const settings = (await client.ok('GET /api/2.2/jobs/get', { job_id: job_id! })).settings as JsonObject;
    assert.equal(settings.queue, undefined);
  });

  it('are changed task by task by an update, and as a whole by a reset', async () => {
    const job_id = client.workspace.createJob({
      name: 'before',
      timeout_seconds: 60,
      tasks: [NOTEBOOK_TASK, { ...NOTEBOOK_TASK, task_key: 'check' }],
    });
    const changed = { ...NOTEBOOK_TASK, notebook_task: { notebook_path: '/live/other' } };
    const update = await client.send('POST /api/2.2/jobs/update', {
      job_id,
      new_settings: { tasks: [changed] },
    });
    assert.deepEqual([update.status, update.text], [200, '']);
    const updated = (await client.ok('GET /api/2.2/jobs/get', { job_id })).settings as JsonObject;
    assert.equal(updated.timeout_seconds, 60);
    assert.match(JSON.stringify(updated.tasks), /check.*\/live\/model.*train.*\/live\/other/);

    await client.ok('POST /api/2.2/jobs/reset', { job_id, new_settings: { name: 'after' } });
    const reset = (await client.ok('GET /api/2.2/jobs/get', { job_id })).settings as JsonObject;
    assert.deepEqual([reset.name, reset.timeout_seconds, reset.tasks], ['after', 0, undefined]);
  });

  it('answer 400, not 404, when they do not exist', async () => {
    const job_id = client.workspace.createJob({});
    await client.ok('POST /api/2.2/jobs/delete', { job_id });
    const message = `400 INVALID_PARAMETER_VALUE: Job ${job_id} does not exist.`;
    assert.equal(await client.refused('GET /api/2.2/jobs/get', { job_id }), message);
    assert.equal(await client.refused('POST /api/2.2/jobs/run-now', { job_id }), message);
  });

  it('lose tasks and clusters that an update names, and keep the others', async () => {
    const cluster = { new_cluster: { spark_version: '15.4.x-scala2.12', num_workers: 1 } };
    const job_id = client.workspace.createJob({
      name: 'train',
      description: 'to go',
      job_clusters: [
        { job_cluster_key: 'small', ...cluster },
        { job_cluster_key: 'large', ...cluster },
      ],
      tasks: [NOTEBOOK_TASK, { ...NOTEBOOK_TASK, task_key: 'check' }],
    });
    const update = (...fields_to_remove: string[]) => ({ job_id, fields_to_remove });
    await client.ok('POST /api/2.2/jobs/update', update('description', 'tasks/check', 'job_clusters/large'));
    const settings = (await client.ok('GET /api/2.2/jobs/get', { job_id })).settings as JsonObject;
    assert.equal(settings.description, undefined);
    const keys = (name: string, key: string) => (settings[name] as JsonObject[]).map((one) => one[key]);
    assert.deepEqual(keys('tasks', 'task_key'), ['train']);
    assert.deepEqual(keys('job_clusters', 'job_cluster_key'), ['small']);
    assert.match(
      await client.refused('POST /api/2.2/jobs/update', update('tasks/train/max_retries')),
      /^400 INVALID_PARAMETER_VALUE: Removing nested fields is not supported/,
    );
  });

  const refusals = [
    ['two tasks with one key', { tasks: [NOTEBOOK_TASK, NOTEBOOK_TASK] }, /Task keys must be unique/],
    [
      'a task after one that is missing',
      { tasks: [{ ...NOTEBOOK_TASK, task_key: 'a', depends_on: [{ task_key: 'b' }] }] },
      /'a' depends/,
    ],
    ['a notebook task without a path', { tasks: [{ task_key: 'a', notebook_task: {} }] }, /notebook_path/],
    ['tasks that are no list', { tasks: 'train' }, /Expected array for field 'tasks', found STRING/],
  ] as const;
  for (const [what, settings, expected] of refusals) {
    it(`are not created with ${what}`, async () => {
      assert.match(
        await client.refused('POST /api/2.2/jobs/create', settings as unknown as JsonObject),
        expected,
      );
    });
  }
});
