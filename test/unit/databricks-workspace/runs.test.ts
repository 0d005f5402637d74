import assert from 'node:assert/strict';
import type { Scenario } from '../../../local/databricks/jobs/scenario';
import type { JsonObject } from '../../../local/databricks/json';
import { failed, type Outcome, succeeded } from '../../../local/databricks/runs/outcome';
import { Client, type Run, stateOf } from './client';

const PENDING = 1_000;
const TERMINATING = 500;
const CANCEL = 200;
const timing = { pending: PENDING, terminating: TERMINATING, cancel: CANCEL };

const task = (key: string, more: JsonObject = {}) => ({
  task_key: key,
  notebook_task: { notebook_path: `/live/${key}` },
  ...more,
});
const following = (...keys: string[]) => ({ depends_on: keys.map((key) => ({ task_key: key })) });

const statesByKey = (run: Run) => Object.fromEntries(run.tasks.map((one) => [one.task_key, stateOf(one)]));

/** Every attempt at every task runs for a minute and ends so. */
const ends = (outcome: Outcome): Scenario => ({ task: () => ({ running: 60_000, outcome }) });
const FAILURE = failed({
  error: 'ValueError: no rows',
  errorTrace: '\u001b[0;31mValueError\u001b[0m: no rows',
});

describe('Runs in the local Databricks workspace', () => {
  let client: Client;
  beforeEach(async () => {
    client = await Client.start({ timing });
  });
  afterEach(() => client.stop());

  const start = (settings: JsonObject, scenario: Scenario, fields?: JsonObject) =>
    client.runNow(client.workspace.createJob({ tasks: [task('train')], ...settings }, scenario), fields);
  /** Far more time than any run here needs. */
  const finish = async (runId: bigint): Promise<Run> => {
    await client.clock.advance(3_600_000);
    return client.run(runId);
  };

  it('pass through the states of their life', async () => {
    const runId = await start({}, ends(succeeded({ exitValue: '{"rows":3}' })));
    const seen = [];
    for (const milliseconds of [0, PENDING, 60_000, TERMINATING]) {
      await client.clock.advance(milliseconds);
      const run = await client.run(runId);
      seen.push([stateOf(run), run.status.state, stateOf(run.tasks[0]!)]);
    }
    assert.deepEqual(seen, [
      ['PENDING', 'PENDING', 'PENDING'],
      ['RUNNING', 'RUNNING', 'RUNNING'],
      ['TERMINATING', 'TERMINATING', 'TERMINATED/SUCCESS'],
      ['TERMINATED/SUCCESS', 'TERMINATED', 'TERMINATED/SUCCESS'],
    ]);
    const { status } = await client.run(runId);
    assert.deepEqual(status.termination_details, { code: 'SUCCESS', type: 'SUCCESS', message: '' });
  });

  it('give out the exit value by the id of the task’s run', async () => {
    const run = await finish(await start({}, ends(succeeded({ exitValue: 'größer' }))));
    const { notebook_output } = await client.output(run.tasks[0]!.run_id);
    assert.deepEqual(notebook_output, { result: 'größer', truncated: false });
  });

  it('give out no result when the notebook has not exited with one', async () => {
    const run = await finish(await start({}, ends(succeeded())));
    assert.deepEqual((await client.output(run.tasks[0]!.run_id)).notebook_output, { truncated: false });
  });

  it('cut an exit value off at 5 MB', async () => {
    const run = await finish(
      await start({}, ends(succeeded({ exitValue: 'x'.repeat(5 * 1024 * 1024 + 1) }))),
    );
    const output = (await client.output(run.tasks[0]!.run_id)).notebook_output as {
      result: string;
      truncated: boolean;
    };
    assert.deepEqual([output.result.length, output.truncated], [5 * 1024 * 1024, true]);
  });

  it('show INTERNAL_ERROR for an ordinary failure on serverless compute', async () => {
    const run = await finish(await start({}, ends(FAILURE)));
    assert.equal(stateOf(run), 'INTERNAL_ERROR/FAILED');
    assert.equal(
      run.state.state_message,
      'Task train failed with message: Workload failed, see run output for details.',
    );
    assert.equal(stateOf(run.tasks[0]!), 'TERMINATED/FAILED');
    assert.equal(run.status.state, 'TERMINATED');
    assert.equal(run.status.termination_details?.code, 'RUN_EXECUTION_ERROR');

    const output = await client.output(run.tasks[0]!.run_id);
    assert.equal(output.error, 'ValueError: no rows');
    assert.equal(output.error_trace, '\u001b[0;31mValueError\u001b[0m: no rows');
  });

  it('show TERMINATED for the same failure on classic compute', async () => {
    const classic = await Client.start({ timing, compute: 'classic' });
    try {
      const runId = await classic.runNow(
        classic.workspace.createJob({ tasks: [task('train')] }, ends(FAILURE)),
      );
      await classic.clock.advance(3_600_000);
      assert.equal(stateOf(await classic.run(runId)), 'TERMINATED/FAILED');
    } finally {
      await classic.stop();
    }
  });

  it('can end with no result at all, and show states that nobody knows', async () => {
    const outcome: Outcome = { lifeCycleState: 'INTERNAL_ERROR', message: 'Unexpected failure' };
    const scenario = { ...ends(succeeded()), detours: [{ state: 'FROBBING', milliseconds: 100 }], outcome };
    const runId = await start({}, scenario);
    await client.clock.advance(0);
    assert.equal(stateOf(await client.run(runId)), 'FROBBING');
    const run = await finish(runId);
    assert.equal(stateOf(run), 'INTERNAL_ERROR');
    assert.equal(run.status.termination_details, undefined);
  });

  it('refuse to give the output of several tasks at once', async () => {
    const run = await finish(await start({ tasks: [task('a'), task('b')] }, ends(succeeded())));
    assert.match(
      await client.refused('GET /api/2.2/jobs/runs/get-output', { run_id: run.run_id }),
      /^400 INVALID_PARAMETER_VALUE: Retrieving the output of runs with multiple tasks is not supported/,
    );
  });

  it('block tasks until those before them are over, and leave them out when those failed', async () => {
    const tasks = [
      task('report', following('train')),
      task('train'),
      task('tidy', { ...following('train'), run_if: 'ALL_DONE' }),
    ];
    const runId = await start(
      { tasks },
      { task: ({ key }) => ({ outcome: key === 'train' ? FAILURE : succeeded() }) },
    );
    assert.deepEqual(statesByKey(await client.run(runId)), {
      report: 'BLOCKED',
      train: 'PENDING',
      tidy: 'BLOCKED',
    });
    const run = await finish(runId);
    assert.deepEqual(statesByKey(run), {
      report: 'SKIPPED/UPSTREAM_FAILED',
      train: 'TERMINATED/FAILED',
      tidy: 'TERMINATED/SUCCESS',
    });
    assert.match(run.state.state_message, /^Task train failed/);
  });

  it('succeed with failures when only tasks that others waited for have failed', async () => {
    const tasks = [task('try'), task('tidy', { ...following('try'), run_if: 'ALL_DONE' })];
    const run = await finish(
      await start({ tasks }, { task: ({ key }) => ({ outcome: key === 'try' ? FAILURE : succeeded() }) }),
    );
    assert.equal(stateOf(run), 'TERMINATED/SUCCESS_WITH_FAILURES');
  });

  it('try a task again, with a task run for each attempt', async () => {
    const tasks = [task('train', { max_retries: 1, min_retry_interval_millis: 5_000 })];
    const runId = await start(
      { tasks },
      { task: ({ attempt }) => ({ outcome: attempt === 0 ? FAILURE : succeeded() }) },
    );
    await client.clock.advance(PENDING);
    assert.deepEqual((await client.run(runId)).tasks.map(stateOf), [
      'TERMINATED/FAILED',
      'WAITING_FOR_RETRY',
    ]);
    const run = await finish(runId);
    assert.equal(stateOf(run), 'TERMINATED/SUCCESS');
    assert.deepEqual(
      run.tasks.map((attempt) => [attempt.attempt_number, stateOf(attempt)]),
      [
        [0, 'TERMINATED/FAILED'],
        [1, 'TERMINATED/SUCCESS'],
      ],
    );
  });

  it('show at most 100 tasks at a time', async () => {
    const tasks = Array.from({ length: 101 }, (_, number) => task(`task-${number}`));
    const run = await finish(await start({ tasks }, ends(succeeded())));
    assert.equal(run.tasks.length, 100);
    const rest = await client.ok('GET /api/2.2/jobs/runs/get', {
      run_id: run.run_id,
      page_token: run.next_page_token!,
    });
    assert.equal((rest.tasks as unknown[]).length, 1);
  });

  it('are cancelled some time after that was asked for', async () => {
    const runId = await start({}, ends(succeeded()));
    await client.clock.advance(PENDING);
    const cancel = await client.send('POST /api/2.2/jobs/runs/cancel', { run_id: runId });
    assert.deepEqual([cancel.status, cancel.text], [200, '']);
    assert.equal(stateOf(await client.run(runId)), 'RUNNING');
    await client.clock.advance(CANCEL);
    assert.equal(stateOf(await client.run(runId)), 'TERMINATING');
    await client.clock.advance(TERMINATING);
    const run = await client.run(runId);
    assert.equal(stateOf(run), 'TERMINATED/CANCELED');
    assert.equal(run.state.user_cancelled_or_timedout, true);
    assert.equal(run.status.termination_details?.code, 'USER_CANCELED');
    assert.equal(stateOf(run.tasks[0]!), 'TERMINATED/CANCELED');
  });

  it('are not changed by being cancelled when they are over', async () => {
    const run = await finish(await start({}, ends(succeeded())));
    await client.ok('POST /api/2.2/jobs/runs/cancel', { run_id: run.run_id });
    assert.deepEqual(await finish(run.run_id), run);
  });

  it('go on when only one of their tasks is cancelled', async () => {
    const runId = await start({ tasks: [task('a'), task('b')] }, ends(succeeded()));
    const [first] = (await client.run(runId)).tasks;
    await client.ok('POST /api/2.2/jobs/runs/cancel', { run_id: first!.run_id });
    assert.deepEqual((await finish(runId)).tasks.map(stateOf), ['TERMINATED/CANCELED', 'TERMINATED/SUCCESS']);
  });

  it('time out', async () => {
    const run = await finish(await start({ timeout_seconds: 30 }, ends(succeeded())));
    assert.equal(stateOf(run), 'TERMINATED/TIMEDOUT');
    assert.equal(run.status.termination_details?.code, 'CANCELED');
  });

  it('wait for their turn, and take it', async () => {
    const jobId = client.workspace.createJob({ tasks: [task('train')] }, ends(succeeded()));
    const first = await client.runNow(jobId);
    const second = await client.runNow(jobId);
    const queued = await client.run(second);
    assert.equal(stateOf(queued), 'QUEUED');
    assert.equal(queued.status.queue_details?.code, 'MAX_CONCURRENT_RUNS_REACHED');
    await client.clock.advance(PENDING + 60_000 + TERMINATING);
    assert.equal(stateOf(await client.run(first)), 'TERMINATED/SUCCESS');
    assert.equal(stateOf(await client.run(second)), 'PENDING');
    assert.equal(stateOf(await finish(second)), 'TERMINATED/SUCCESS');
  });

  it('can hide that they are queued, as has been seen', async () => {
    const scenario = { ...ends(succeeded()), hidesQueuedState: true };
    const jobId = client.workspace.createJob({ tasks: [task('train')] }, scenario);
    await client.runNow(jobId);
    const { state, status } = await client.run(await client.runNow(jobId));
    assert.deepEqual([state.life_cycle_state, status.state], [undefined, 'QUEUED']);
  });

  it('are cancelled while they wait', async () => {
    const jobId = client.workspace.createJob({ tasks: [task('train')] }, ends(succeeded()));
    await client.runNow(jobId);
    const second = await client.runNow(jobId);
    await client.ok('POST /api/2.2/jobs/runs/cancel-all', { all_queued_runs: true });
    await client.clock.advance(CANCEL);
    assert.equal(stateOf(await client.run(second)), 'TERMINATED/CANCELED');
  });

  it('are skipped at once where nothing queues', async () => {
    const jobId = client.workspace.createJob(
      { queue: { enabled: false }, tasks: [task('train')] },
      ends(succeeded()),
    );
    await client.runNow(jobId);
    const run = await client.run(await client.runNow(jobId));
    assert.equal(stateOf(run), 'SKIPPED/MAXIMUM_CONCURRENT_RUNS_REACHED');
    assert.equal(run.status.termination_details?.code, 'MAX_CONCURRENT_RUNS_EXCEEDED');
    assert.equal(
      stateOf(await client.run(await client.runNow(jobId, { queue: { enabled: true } }))),
      'QUEUED',
    );
  });

  it('are repaired by running what failed again, under the same id', async () => {
    let broken = true;
    const tasks = [task('prepare'), task('train', following('prepare'))];
    const runId = await start(
      { tasks },
      { task: ({ key }) => ({ outcome: key === 'train' && broken ? FAILURE : succeeded() }) },
    );
    await finish(runId);
    broken = false;
    const repair = { run_id: runId, rerun_all_failed_tasks: true };
    const { repair_id } = await client.ok('POST /api/2.2/jobs/runs/repair', repair);
    const run = await finish(runId);
    assert.equal(stateOf(run), 'TERMINATED/SUCCESS');
    assert.deepEqual(
      run.tasks.map((one) => [one.task_key, one.attempt_number]),
      [
        ['prepare', 0],
        ['train', 0],
        ['train', 1],
      ],
    );
    assert.match(await client.refused('POST /api/2.2/jobs/runs/repair', repair), /latest_repair_id must be/);
    const { repair_history } = await client.ok('GET /api/2.2/jobs/runs/get', {
      run_id: runId,
      include_history: true,
    });
    assert.deepEqual(
      (repair_history as JsonObject[]).map((one) => one.id),
      [undefined, repair_id],
    );
  });

  it('are exported as a page on which nothing of a notebook is taken for HTML', async () => {
    const cells = [{ number: 1, kind: 'python', source: 'print("<b>")', output: '<b>\n' }];
    const run = await finish(await start({}, ends(succeeded({ exitValue: '<i>', cells }))));
    const { views } = await client.ok('GET /api/2.2/jobs/runs/export', { run_id: run.tasks[0]!.run_id });
    const [view] = views as { name: string; type: string; content: string }[];
    assert.deepEqual([view?.name, view?.type], ['train', 'NOTEBOOK']);
    assert.match(view!.content, /print\("&lt;b&gt;"\)/);
    assert.doesNotMatch(view!.content, /<[bi]>/);
  });

  it('have a page of the job in the workspace', async () => {
    const jobId = client.workspace.createJob({ tasks: [task('train')] }, ends(succeeded()));
    const runId = await client.runNow(jobId);
    const { run_page_url } = await client.run(runId);
    assert.match(run_page_url, new RegExp(`^${client.workspace.url}/jobs/${jobId}/runs/${runId}\\?o=\\d+$`));
  });

  it('are found again by their job while they go on', async () => {
    const jobId = client.workspace.createJob(
      { tasks: [task('train')], max_concurrent_runs: 9 },
      ends(succeeded()),
    );
    const first = await client.runNow(jobId);
    await finish(first);
    const second = await client.runNow(jobId);
    await start({}, ends(succeeded()));
    const ids = async (fields: JsonObject) =>
      ((await client.ok('GET /api/2.2/jobs/runs/list', fields)).runs as { run_id: bigint }[]).map(
        (run) => run.run_id,
      );
    assert.deepEqual(await ids({ job_id: jobId }), [second, first]);
    assert.deepEqual(await ids({ job_id: jobId, active_only: true }), [second]);
    assert.match(await client.refused('GET /api/2.2/jobs/runs/list', { limit: 26 }), /^400/);
  });

  it('answer 400, not 404, when they do not exist', async () => {
    assert.equal(
      await client.refused('GET /api/2.2/jobs/runs/get', { run_id: 1 }),
      '400 INVALID_PARAMETER_VALUE: Run 1 does not exist.',
    );
  });
});
