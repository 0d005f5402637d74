import assert from 'node:assert/strict';
import type { JsonObject } from '../../../local/databricks/json';
import { succeeded } from '../../../local/databricks/runs/outcome';
import { Client, stateOf } from './client';

const NOTEBOOK = { notebook_path: '/live/model' };
const TASK = { task_key: 'train', notebook_task: NOTEBOOK };
const SUBMIT = 'POST /api/2.2/jobs/runs/submit';

describe('Runs in the local Databricks workspace', () => {
  let client: Client;
  beforeEach(async () => {
    const scenario = { task: () => ({ running: 1000, outcome: succeeded() }) };
    client = await Client.start({ timing: { pending: 0, terminating: 0 }, scenario });
  });
  afterEach(() => client.stop());

  describe('that are submitted without a job', () => {
    it('run, and show in no list of jobs', async () => {
      const { run_id } = await client.ok(SUBMIT, { run_name: 'once', tasks: [TASK] });
      await client.clock.advance(1000);
      const run = await client.run(run_id as bigint);
      assert.equal(stateOf(run), 'TERMINATED/SUCCESS');
      const { run_name, run_type } = run as unknown as JsonObject;
      assert.deepEqual([run_name, run_type], ['once', 'SUBMIT_RUN']);
      assert.deepEqual(await client.ok('GET /api/2.2/jobs/list'), {});
      const listed = await client.ok('GET /api/2.2/jobs/runs/list', { run_type: 'SUBMIT_RUN' });
      assert.equal((listed.runs as unknown[]).length, 1);
      assert.deepEqual(await client.ok('GET /api/2.2/jobs/runs/list', { run_type: 'JOB_RUN' }), {});
    });

    it('run once for a token', async () => {
      const sent = { tasks: [TASK], idempotency_token: 'once' };
      assert.deepEqual(await client.ok(SUBMIT, sent), await client.ok(SUBMIT, sent));
    });

    it('are refused as jobs are', async () => {
      assert.match(await client.refused(SUBMIT, { tasks: [TASK, TASK] }), /Task keys must be unique/);
    });

    it('share no clusters', async () => {
      const job_clusters = [
        { job_cluster_key: 'small', new_cluster: { num_workers: 1, spark_version: '15.4' } },
      ];
      assert.match(
        await client.refused(SUBMIT, { job_clusters, tasks: [{ ...TASK, job_cluster_key: 'small' }] }),
        /^400 INVALID_PARAMETER_VALUE: Shared job cluster feature is not supported in runs\/submit API\.$/,
      );
    });

    it('drop without a word what only jobs have', async () => {
      const parameters = [{ name: 'version', default: '1' }];
      const { run_id } = await client.ok(SUBMIT, {
        ...{ parameters, tags: { team: 'a' }, max_concurrent_runs: 5 },
        tasks: [{ ...TASK, disabled: true }],
      });
      await client.clock.advance(1000);
      const run = (await client.run(run_id as bigint)) as unknown as JsonObject;
      const [task] = run.tasks as JsonObject[];
      assert.deepEqual((task!.notebook_task as JsonObject).base_parameters, {});
      assert.deepEqual([run.job_parameters ?? [], task!.disabled], [[], undefined]);
    });

    it('may be of the form of version 2.0', async () => {
      const { run_id } = await client.ok('POST /api/2.0/jobs/runs/submit', { notebook_task: NOTEBOOK });
      const run = await client.ok('GET /api/2.0/jobs/runs/get', { run_id: run_id! });
      assert.deepEqual(run.task, { notebook_task: NOTEBOOK });
    });
  });

  describe('that are deleted', () => {
    const runNow = (job_id: string) =>
      client.ok('POST /api/2.2/jobs/run-now', { job_id, idempotency_token: 'token' });

    it('are not there any more, and neither is their token', async () => {
      const job = client.workspace.createJob({ tasks: [TASK] });
      const { run_id } = await runNow(job);
      await client.clock.advance(1000);
      await client.ok('POST /api/2.2/jobs/runs/delete', { run_id });
      assert.match(
        await client.refused('GET /api/2.2/jobs/runs/get', { run_id: run_id! }),
        /^400 INVALID_PARAMETER_VALUE: Run \d+ does not exist\.$/,
      );
      assert.match(
        await client.refused('POST /api/2.2/jobs/run-now', { job_id: job, idempotency_token: 'token' }),
        /^400 .* has been deleted/,
      );
    });

    it('have to be over', async () => {
      const { run_id } = await runNow(client.workspace.createJob({ tasks: [TASK] }));
      assert.match(
        await client.refused('POST /api/2.2/jobs/runs/delete', { run_id: run_id! }),
        /^400 INVALID_STATE: Run \d+ is still active/,
      );
    });
  });

  describe('of some of a job’s tasks', () => {
    const taskAfter = (task_key: string, ...others: string[]) => ({
      ...TASK,
      task_key,
      depends_on: others.map((other) => ({ task_key: other })),
    });
    const cases: [string[], string[]][] = [
      [['train'], ['train']],
      [['+train'], ['load', 'train']],
      [['train+'], ['train', 'publish']],
      [['+train+'], ['load', 'train', 'publish']],
      [
        ['load', 'check'],
        ['load', 'check'],
      ],
    ];
    for (const [only, expected] of cases) {
      it(`are ${expected.join(', ')} for ${only.join(', ')}`, async () => {
        const job_id = client.workspace.createJob({
          tasks: [
            taskAfter('load'),
            taskAfter('train', 'load'),
            taskAfter('publish', 'train'),
            taskAfter('check', 'load'),
          ],
        });
        const run_id = await client.runNow(job_id, { only });
        await client.clock.advance(5000);
        const run = await client.run(run_id);
        assert.equal(stateOf(run), 'TERMINATED/SUCCESS');
        assert.deepEqual(run.tasks.map((task) => task.task_key).sort(), expected.sort());
      });
    }

    it('are refused when there is none of such a name', async () => {
      const job_id = client.workspace.createJob({ tasks: [TASK] });
      assert.match(
        await client.refused('POST /api/2.2/jobs/run-now', { job_id, only: ['tran'] }),
        /Task 'tran' in field 'only' does not exist/,
      );
    });
  });

  it('tell of what kind their tasks are, and what is left of them', async () => {
    const spark_python_task = { python_file: '/live/train.py' };
    const outcome = { ...succeeded({ other: { logs: 'epoch 1' } }), shown: { for_each_task: { stats: {} } } };
    const job_id = client.workspace.createJob(
      { tasks: [{ task_key: 'script', spark_python_task }] },
      { task: () => ({ outcome }) },
    );
    const run_id = await client.runNow(job_id);
    await client.clock.advance(0);
    const [task] = (await client.run(run_id)).tasks as unknown as JsonObject[];
    assert.deepEqual(task?.spark_python_task, { ...spark_python_task, source: 'WORKSPACE' });
    assert.deepEqual(task?.for_each_task, { stats: {} });
    const output = await client.output(task?.run_id as bigint);
    assert.deepEqual([output.logs, output.notebook_output], ['epoch 1', undefined]);
  });
});
