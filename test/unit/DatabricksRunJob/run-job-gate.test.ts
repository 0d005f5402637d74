import assert from 'node:assert/strict';
import type { Condition } from '../../../tasks/DatabricksRunJob/gate';
import { ended, task, useRunJob, workspace } from './run-job-support';
import { failure } from './support';

const FLOOR: Condition = {
  text: 'accuracy >= 0.8',
  metric: 'accuracy',
  operator: '>=',
  limit: { kind: 'number', number: 0.8 },
};
const PREVIOUS: Condition = {
  text: 'accuracy >= previous - 0.01',
  metric: 'accuracy',
  operator: '>=',
  limit: { kind: 'previous', sign: '-', number: 0.01 },
};

/** A workspace whose notebook returns one accuracy now and another in an earlier run. */
function returning(now: string, before = '{"accuracy": 0.9}') {
  return workspace()
    .on('GET runs/list', {
      runs: [
        ended('SUCCESS', [], { run_id: 77 }),
        ended('SUCCESS', [], { run_id: 90, start_time: 1_800_000_000_000 }),
        ended('FAILED', [], { run_id: 70, start_time: 3 }),
        ended('SUCCESS', [], { run_id: 60, start_time: 2 }),
        ended('SUCCESS', [], { run_id: 50, start_time: 1 }),
      ],
    })
    .on('GET runs/get', ({ query }) =>
      ended('SUCCESS', [task('main', 'SUCCESS', { run_id: `main-of-${query.run_id}` })], {
        run_id: query.run_id,
      }),
    )
    .on('GET runs/get-output', ({ query }) => ({
      notebook_output: { result: query.run_id === 'main-of-60' ? before : now },
    }));
}

describe('DatabricksRunJob with a gate of metrics', () => {
  const run = useRunJob();

  it('succeeds where every condition holds, and shows metrics old and new', async () => {
    const { outcome, summaries, text } = run(returning('{"accuracy": 0.95}'), {
      metricsGate: [FLOOR, PREVIOUS],
    });
    assert.equal((await outcome).result, 'Succeeded');
    assert.match(
      summaries[0]!,
      /^\| accuracy \| 0\.95 \| 0\.9 \| accuracy \\>= previous - 0\.01 \| holds \|$/m,
    );
    assert.match(text(), /compares with run 60\./);
  });

  it('sets its outputs before it fails the step, and says what the metric had to be', async () => {
    const { outcome, outputs, summaries } = run(returning('{"accuracy": 0.85}'), {
      metricsGate: [FLOOR, PREVIOUS],
    });
    await assert.rejects(
      outcome,
      /Run 77 of job 'train' succeeded, but did not pass the gate: accuracy is 0\.85, but must be >= 0\.89.* and 0\.9 before\. See https/,
    );
    assert.equal(outputs['notebookOutput.accuracy'], '0.85');
    assert.equal(outputs.resultState, 'SUCCESS');
    assert.match(String(outputs.errorMessage), /^accuracy is 0\.85/);
    assert.match(summaries[0]!, /does not hold/);
  });

  it('asks for no earlier run where no condition goes by it', async () => {
    const fake = returning('{"accuracy": 0.85}');
    await run(fake, { metricsGate: [FLOOR] }).outcome;
    assert.ok(!fake.received.some(({ query }) => query.run_id === '60'));
  });

  it('passes the first run of a job', async () => {
    const fake = returning('{"accuracy": 0.1}').on('GET runs/list', {});
    const { outcome, text } = run(fake, { metricsGate: [PREVIOUS] });
    assert.equal((await outcome).result, 'Succeeded');
    assert.match(text(), /there is no previous run, so 'accuracy >= previous - 0.01' holds/);
  });

  it('fails where the earlier run can’t be read, after all outputs', async () => {
    const fake = returning('{"accuracy": 0.95}').on('GET runs/list', failure(403, 'PERMISSION_DENIED', 'No'));
    const { outcome, outputs, summaries } = run(fake, { metricsGate: [PREVIOUS] });
    await assert.rejects(outcome, /'metricsGate' can't be judged.*'Can View' on the job/);
    assert.equal(outputs['notebookOutput.accuracy'], '0.95');
    assert.equal(summaries.length, 1);
  });

  it('does not judge a run that failed', async () => {
    const fake = returning('{"accuracy": 0.1}').on('GET runs/get', ended('FAILED'));
    await assert.rejects(run(fake, { metricsGate: [FLOOR] }).outcome, /Run 77 of job 'train' failed/);
  });
});

describe('DatabricksRunJob in its summary', () => {
  const run = useRunJob();

  it('compares the time with what is usual, and tells where each task’s time went', async () => {
    const lasting = (minutes: number, index: number) =>
      ended('SUCCESS', [], { run_id: index, start_time: 1, end_time: 1 + minutes * 60_000 });
    const parts = {
      queue_duration: 60_000,
      setup_duration: 240_000,
      execution_duration: 1_200_000,
      cluster_instance: { cluster_id: '1123-train' },
    };
    const fake = workspace()
      .on('GET runs/list', { runs: [ended('FAILED', []), ...[20, 25, 31, 24, 26].map(lasting)] })
      .on(
        'GET runs/get',
        ended('SUCCESS', [task('main', 'SUCCESS', parts)], { end_time: 1_700_000_000_000 + 41 * 60_000 }),
      );
    const { outcome, summaries } = run(fake);
    await outcome;
    assert.match(summaries[0]!, /^\| Time \| 41 min, usually 25 min \(the last 5 runs that succeeded\) \|$/m);
    assert.match(
      summaries[0]!,
      /^\| Task \| State \| Attempt \| Time \| Queue \| Set-up \| Execution \| Compute \| Timeline \|$/m,
    );
    assert.match(summaries[0]!, /^\| main \| SUCCESS .* \| 1 min \| 4 min \| 20 min \| 1123-train \|/m);
  });

  it('does without what is usual where that can’t be told', async () => {
    const { outcome, summaries } = run(workspace().on('GET runs/list', failure(503, '', 'Later')));
    assert.equal((await outcome).result, 'Succeeded');
    assert.doesNotMatch(summaries[0]!, /usually/);
  });
});

describe('DatabricksRunJob without a notebook', () => {
  const run = useRunJob();
  const none = { notebookFile: undefined, notebookPath: undefined };

  it('runs the job as it is, and changes nothing in the workspace', async () => {
    const fake = workspace().on('GET jobs/get', {
      settings: {
        name: 'train',
        git_source: { git_url: 'https://git' },
        tasks: [{ task_key: 'sql', sql_task: {} }],
      },
    });
    fake.on(
      'GET runs/get',
      ended('SUCCESS', [task('sql', 'SUCCESS', { notebook_task: undefined, sql_task: {} })]),
    );
    const { outcome, outputs, summaries } = run(fake, none);
    assert.equal((await outcome).result, 'Succeeded');
    assert.ok(!('notebookOutput' in outputs));
    assert.deepEqual(
      fake.received.filter(({ method }) => method !== 'GET').map(({ path }) => path),
      ['/api/2.2/jobs/run-now'],
    );
    assert.doesNotMatch(summaries[0]!, /Notebook/);
  });

  it('takes what the last notebook returned that returned anything', async () => {
    const fake = workspace().on(
      'GET runs/get',
      ended(
        'SUCCESS',
        ['a', 'b', 'c'].map((key, index) => task(key, 'SUCCESS', { start_time: 1 + index })),
      ),
    );
    fake.on('GET runs/get-output', ({ query }) =>
      query.run_id === 'c-1' ? {} : { notebook_output: { result: `of ${query.run_id}` } },
    );
    const { outcome, outputs } = run(fake, none);
    await outcome;
    assert.equal(outputs.notebookOutput, 'of b-1');
  });
});
