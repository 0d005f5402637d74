import assert from 'node:assert/strict';
import type { Condition } from '../../../tasks/DatabricksRunJob/gate';
import { ended, task, useRunJob, workspace } from './run-job-support';
import { failure, ORIGIN } from './support';

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

  it('needs no earlier run where no condition goes by it', async () => {
    const fake = returning('{"accuracy": 0.85}').on('GET runs/list', failure(403, 'PERMISSION_DENIED', 'No'));
    assert.equal((await run(fake, { metricsGate: [FLOOR] }).outcome).result, 'Succeeded');
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

  it('shows what the notebook returned beside what the run before did', async () => {
    const now = {
      ...{ model: 'titanic', version: '1.1.0', accuracy: 0.95, metrics: { f1: 0.5 } },
      container: 'https://models.blob.core.windows.net/titanic',
    };
    const before = { model: 'titanic', version: '1.0.0', accuracy: 0.9, recall: 0.7 };
    const { outcome, summaries } = run(returning(JSON.stringify(now), JSON.stringify(before)));
    await outcome;
    const [summary] = summaries;
    for (const line of [
      '| Model | titanic 1.1.0 |',
      '| The notebook returned | Now | Before |',
      '| accuracy | 0.95 | 0.9 |',
      '| metrics.f1 | 0.5 |  |',
      '| recall |  | 0.7 |',
      '| version | 1.1.0 | 1.0.0 |',
      '| model | titanic |  |',
      '| container | [https://models.blob.core.windows.net/titanic](https://models.blob.core.windows.net/titanic) |  |',
      `[Run 60, the one before](${ORIGIN}/jobs/5/runs/60?o=42)`,
    ]) {
      assert.ok(summary!.includes(line), `${line}\n${summary}`);
    }
  });

  it('leads to the version of a model in Unity Catalog', async () => {
    const { outcome, summaries } = run(returning('{"model": "main.ml.titanic", "version": 3}'));
    await outcome;
    const page = `${ORIGIN}/explore/data/models/main/ml/titanic/version/3?o=42`;
    assert.ok(summaries[0]!.includes(`| Model | [main.ml.titanic 3](${page}) |`), summaries[0]);
  });

  it('links to nothing but pages of the web', async () => {
    for (const value of [
      'javascript:alert(1)',
      'https://a:b@host/',
      'see https://host/',
      'file:///etc/passwd',
    ]) {
      const { outcome, summaries } = run(returning(JSON.stringify({ page: value, accuracy: 1 })));
      await outcome;
      assert.doesNotMatch(summaries[0]!, /\| page \| \[/, value);
    }
    const hostile = 'https://host/a)b|c[x](https://evil/)';
    const { outcome, summaries } = run(returning(JSON.stringify({ page: hostile })));
    await outcome;
    assert.match(summaries[0]!, /\(https:\/\/host\/a%29b%7Cc%5Bx%5D%28https:\/\/evil\/%29\)/);
  });

  it('asks nothing about the runs before one that failed but how long they took', async () => {
    const fake = returning('{}').on('GET runs/get', ended('FAILED'));
    await assert.rejects(run(fake).outcome);
    assert.ok(!fake.received.some(({ query }) => query.run_id === '60'));
  });

  it('does without the run before where that can’t be read', async () => {
    for (const route of ['GET runs/get', 'GET runs/get-output']) {
      const whole = returning('{"accuracy": 0.95}');
      const fake = workspace()
        .on('GET runs/list', { runs: [ended('SUCCESS', [], { run_id: 60, start_time: 2 })] })
        .on('GET runs/get-output', { notebook_output: { result: '{"accuracy": 0.95}' } });
      for (const one of ['GET runs/get', 'GET runs/get-output']) {
        fake.on(one, async (received) => {
          const isOfBefore = ['60', 'main-of-60'].includes(received.query.run_id!);
          if (one === route && isOfBefore) return failure(503, '', 'Later');
          const { body } = await whole.send(received.request);
          return JSON.parse(body.toString());
        });
      }
      const { outcome, summaries } = run(fake);
      assert.equal((await outcome).result, 'Succeeded');
      assert.match(summaries[0]!, /^\| The notebook returned \| {2}\|$/m);
    }
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
