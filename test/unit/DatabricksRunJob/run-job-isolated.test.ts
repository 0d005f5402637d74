import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ended, running, task, useRunJob, workspace } from './run-job-support';
import { answer, failure, inTurn } from './support';

const COPY = '/live/train-isolated-0123456789abcdef';
const ISOLATED = { copyPath: COPY };

const onCopy = (result: string, more: object = {}) =>
  ended(result, [task('main', result, { notebook_task: { notebook_path: COPY } })], { job_id: 900, ...more });
const NOT_THERE = failure(404, 'RESOURCE_DOES_NOT_EXIST', "Path doesn't exist.");
const going = { ...running, job_id: 900 };

const service = () =>
  workspace()
    .on('POST runs/submit', { run_id: 77 })
    .on('POST workspace/delete', {})
    .on('GET workspace/get-status', NOT_THERE)
    .on('GET runs/list', {})
    .on('GET runs/get', inTurn(going, going, onCopy('SUCCESS')));

describe('DatabricksRunJob, isolated', () => {
  const run = useRunJob();
  const removed = (fake: ReturnType<typeof service>) =>
    fake.to('POST workspace/delete').map(({ body }) => body);

  it('imports a copy, runs the job’s settings on it, reports, and removes it at the end', async () => {
    const fake = service();
    const { outcome, outputs, order, summaries } = run(fake, { ...ISOLATED, parameters: { version: '1' } });
    assert.equal((await outcome).message, "Run 77 of job 'train' succeeded.");
    assert.deepEqual(
      fake.to('POST workspace/import').map(({ body }) => body.path),
      [COPY],
    );
    const [submitted] = fake.to('POST runs/submit');
    assert.equal(submitted!.body.run_name, 'train');
    assert.match(String(submitted!.body.idempotency_token), /^[0-9a-f]{64}$/);
    assert.deepEqual(submitted!.body.tasks, [
      { task_key: 'main', notebook_task: { notebook_path: COPY, base_parameters: { version: '1' } } },
    ]);
    assert.deepEqual(fake.to('POST jobs/run-now'), []);
    assert.deepEqual(removed(fake), [{ path: COPY, recursive: true }]);
    assert.ok(order.indexOf('output notebookOutput') < order.lastIndexOf('POST /api/2.0/workspace/delete'));
    assert.equal(outputs.notebookOutput, 'stored 1.0.0');
    assert.equal(outputs.jobId, '5');
    assert.match(String(outputs.runUrl), /\/jobs\/900\/runs\/77\?o=42$/);
    assert.match(summaries[0]!, /\/live\/train, by a copy/);
  });

  it('removes the copy of a run that failed, and says why it failed', async () => {
    const fake = service().on('GET runs/get', inTurn(going, onCopy('FAILED')));
    const { outcome, text } = run(fake, ISOLATED);
    await assert.rejects(outcome, /Run 77 of job 'train' failed/);
    assert.equal(removed(fake).length, 1);
    assert.match(text(), /jobs\/900\/runs\/main-1/);
  });

  it('removes a copy that the service did not want to run', async () => {
    const fake = service().on(
      'POST runs/submit',
      failure(400, 'INVALID_PARAMETER_VALUE', 'No such cluster.'),
    );
    await assert.rejects(run(fake, ISOLATED).outcome, /No such cluster/);
    assert.equal(removed(fake).length, 1);
  });

  it('removes what it has imported when the import fails in the middle', async () => {
    const fake = service().on('POST workspace/import', failure(403, 'PERMISSION_DENIED', 'No.'));
    await assert.rejects(run(fake, ISOLATED).outcome, /may not import/);
    assert.equal(removed(fake).length, 1);
  });

  it('leaves a copy to the run of an earlier try as long as it has not come to that run', async () => {
    for (const route of ['POST workspace/import', 'POST runs/submit']) {
      const fake = service()
        .on('GET workspace/get-status', { object_type: 'NOTEBOOK' })
        .on(route, failure(403, 'PERMISSION_DENIED', 'No.'));
      const { outcome, text } = run(fake, ISOLATED);
      await assert.rejects(outcome, /may not/);
      assert.deepEqual(removed(fake), [], route);
      assert.match(text(), /stays for a run that may go on/);
    }
  });

  it('cancels the run and removes the copy when the step is cancelled', async () => {
    const fake = service();
    const step = run(fake, ISOLATED);
    fake.on('GET runs/get', () => {
      if (fake.to('GET runs/get').length > 2) step.cancel.abort();
      return going;
    });
    await assert.rejects(step.outcome, { name: 'CancelledError' });
    assert.equal(fake.to('POST runs/cancel').length, 1);
    assert.equal(removed(fake).length, 1);
  });

  it('removes the copy when the run was cancelled for its time', async () => {
    const fake = service().on('GET runs/get', () =>
      fake.to('POST runs/cancel').length > 0 ? onCopy('CANCELED') : going,
    );
    await assert.rejects(run(fake, { ...ISOLATED, timeoutMinutes: 1 }).outcome, /timed out.*was canceled/);
    assert.equal(removed(fake).length, 1);
  });

  it('leaves the copy to a run that can’t be cancelled, for its time or with the step', async () => {
    const stubborn = () => service().on('POST runs/cancel', failure(403, 'PERMISSION_DENIED', 'No.'));
    const late = stubborn().on('GET runs/get', going);
    await assert.rejects(run(late, { ...ISOLATED, timeoutMinutes: 1 }).outcome, /may be going on/);
    const fake = stubborn();
    const step = run(fake, ISOLATED);
    fake.on('GET runs/get', () => {
      if (fake.to('GET runs/get').length > 2) step.cancel.abort();
      return going;
    });
    await assert.rejects(step.outcome, { name: 'CancelledError' });
    assert.deepEqual([removed(late), removed(fake)], [[], []]);
    assert.match(step.text(), /stays for a run that may go on/);
  });

  it('leaves the copy to a run that it lost sight of, and says who removes it', async () => {
    const fake = service().on('GET runs/get', inTurn(going, going, failure(403, 'PERMISSION_DENIED', 'No.')));
    const { outcome, text } = run(fake, ISOLATED);
    await assert.rejects(outcome, /Lost sight of the run/);
    assert.deepEqual(removed(fake), []);
    assert.match(text(), new RegExp(`##vso.*type=warning.*${COPY} stays.*rerun`));
  });

  it('takes over the run of an earlier attempt, and removes its copy', async () => {
    const at = Date.parse('2026-11-23T12:00:00Z');
    const earlier = onCopy('SUCCESS', { start_time: at - 60_000, end_time: at - 1 });
    const date = { date: new Date(at).toUTCString() };
    const fake = service().on('GET runs/get', () => answer(200, earlier, date));
    const jobs = {
      settings: {
        name: 'train',
        tasks: [{ task_key: 'main', notebook_task: { notebook_path: '/live/train' } }],
      },
    };
    fake.on('GET jobs/get', () => answer(200, jobs, date));
    const { outcome, text } = run(fake, { ...ISOLATED, attempt: 2 });
    assert.equal((await outcome).message, "Run 77 of job 'train' succeeded.");
    assert.match(text(), /Taking it over/);
    assert.equal(fake.to('POST runs/submit').length, 1);
    assert.equal(removed(fake).length, 1);
  });

  it('asks for another run with another token after one that has failed, on the same copy', async () => {
    const jobFolder = mkdtempSync(join(tmpdir(), 'job-'));
    const tokens = new Set<unknown>();
    const fake = service()
      .on('POST runs/submit', ({ body }) => ({ run_id: 76 + tokens.add(body.idempotency_token).size }))
      .on('GET runs/get', ({ query }) => onCopy(query.run_id === '77' ? 'FAILED' : 'SUCCESS'));
    await assert.rejects(run(fake, ISOLATED, { jobFolder }).outcome, /Run 77 of job 'train' failed/);
    assert.equal(
      (await run(fake, ISOLATED, { jobFolder }).outcome).message,
      "Run 78 of job 'train' succeeded.",
    );
    assert.equal(removed(fake).length, 2);
    rmSync(jobFolder, { recursive: true });
  });

  it('never takes a run of the job itself for its own', async () => {
    const fake = service();
    await run(fake, {}).outcome;
    fake.on('GET runs/get', inTurn(going, going, onCopy('SUCCESS')));
    await run(fake, ISOLATED).outcome;
    const tokens = [...fake.to('POST jobs/run-now'), ...fake.to('POST runs/submit')].map(
      ({ body }) => body.idempotency_token,
    );
    assert.equal(new Set(tokens).size, 2);
  });

  it('applies a definition to its run alone', async () => {
    const fake = service();
    const jobDefinition = { tasks: [{ task_key: 'main', max_retries: 3 }] };
    await run(fake, { ...ISOLATED, jobDefinition }).outcome;
    assert.deepEqual([fake.to('POST jobs/update'), fake.to('POST jobs/create')], [[], []]);
    const [submitted] = fake.to('POST runs/submit');
    assert.equal((submitted!.body.tasks as { max_retries: number }[])[0]!.max_retries, 3);
  });

  it('creates no job, and says what to do', async () => {
    const fake = service().on('GET jobs/list', {});
    const jobDefinition = { tasks: [{ task_key: 'main', notebook_task: { notebook_path: '/live/train' } }] };
    await assert.rejects(
      run(fake, { ...ISOLATED, jobDefinition }).outcome,
      /no job named 'train'.*without 'isolate'/,
    );
    assert.deepEqual(fake.to('POST workspace/import'), []);
  });

  it('reads the gate’s metrics before from the runs of the job', async () => {
    const fake = service()
      .on('GET runs/get-output', ({ query }) => ({
        notebook_output: { result: query.run_id === 'before-1' ? '{"a":1}' : '{"a":0.5}' },
      }))
      .on('GET runs/list', ({ query }) => {
        assert.equal(query.job_id, '5');
        return { runs: [{ ...ended('SUCCESS'), run_id: 60, job_id: 5, start_time: 1 }] };
      })
      .on('GET runs/get', ({ query }) =>
        query.run_id === '60'
          ? { ...ended('SUCCESS', [task('before', 'SUCCESS')]), run_id: 60 }
          : onCopy('SUCCESS'),
      );
    const gate = [
      {
        text: 'a >= previous',
        metric: 'a',
        operator: '>=',
        limit: { kind: 'previous', sign: '+', number: 0 },
      },
    ] as const;
    await assert.rejects(run(fake, { ...ISOLATED, metricsGate: gate }).outcome, /a is 0.5, but must be >= 1/);
    assert.equal(removed(fake).length, 1);
  });

  for (const [what, refusal, words] of [
    ['is gone already', NOT_THERE, undefined],
    [
      'may not be removed',
      failure(403, 'PERMISSION_DENIED', 'No.'),
      /could not be removed.*Delete it in Databricks/,
    ],
  ] as const) {
    it(`succeeds with its run where the copy ${what}`, async () => {
      const { outcome, text } = run(service().on('POST workspace/delete', refusal), ISOLATED);
      assert.equal((await outcome).result, 'Succeeded');
      if (words) assert.match(text(), words);
      else assert.doesNotMatch(text(), /could not be removed/);
    });
  }

  it('says where the runs are when the page of its own can’t be told', async () => {
    const fake = service().on(
      'GET runs/get',
      inTurn(failure(400, 'INVALID_PARAMETER_VALUE', 'Run 77 does not exist.'), going, onCopy('SUCCESS')),
    );
    const { outcome, outputs } = run(fake, ISOLATED);
    await outcome;
    assert.match(String(outputs.runUrl), /\/jobs\/runs\?o=42$/);
  });
});

describe('DatabricksRunJob, isolated and started anew', () => {
  const run = useRunJob();
  const OWN = `${COPY}-2`;
  const ANEW = { copiesPath: COPY, copyPath: OWN, attempt: 2 };
  const onOwn = (result: string) =>
    ended(result, [task('main', result, { notebook_task: { notebook_path: OWN } })], { job_id: 900 });
  const removed = (fake: ReturnType<typeof service>) =>
    fake.to('POST workspace/delete').map(({ body }) => body.path);

  /** Earlier attempts have left two copies, of which one is read by a run that goes on. */
  const afterOthers = (result = 'SUCCESS') =>
    service()
      .on('GET runs/get', inTurn(going, onOwn(result)))
      .on('GET workspace/list', ({ query }) => {
        assert.equal(query.path, '/live');
        const names = ['train', 'train-isolated-0123456789abcdef-0', 'train-isolated-0123456789abcdef-1'];
        return {
          objects: [...names, 'train-isolated-fedcba9876543210-1', 'train-isolated-0123456789abcdef'].map(
            (name) => ({ path: `/Workspace/live/${name}`, object_type: 'NOTEBOOK' }),
          ),
        };
      })
      .on('GET runs/list', ({ query }) => {
        if (query.active_only !== 'true') return {};
        assert.equal(query.expand_tasks, 'true');
        if (query.page_token === undefined) return { next_page_token: 'more' };
        const file = { python_file: `/Workspace${COPY}-1` };
        return { runs: [{ run_id: 12345678901234567890n.toString(), tasks: [{ spark_python_task: file }] }] };
      });

  for (const result of ['SUCCESS', 'FAILED']) {
    it(`removes the copies of earlier attempts whose runs have ended, after its own ${result}`, async () => {
      const fake = afterOthers(result);
      const { outcome, text } = run(fake, ANEW);
      await outcome.catch(() => undefined);
      assert.deepEqual(removed(fake), [OWN, `${COPY}-0`]);
      assert.match(text(), /train-isolated-0123456789abcdef-1 of an earlier attempt stays for its run/);
    });
  }

  it('asks for no other copies in the first attempt, nor where attempts share one', async () => {
    for (const inputs of [
      { ...ANEW, attempt: 1 },
      { ...ISOLATED, copiesPath: COPY, attempt: 2 },
    ]) {
      const fake = afterOthers();
      await run(fake, inputs).outcome;
      assert.deepEqual(fake.to('GET workspace/list'), []);
    }
  });

  it('succeeds with its run where others may not be looked for, and says so', async () => {
    for (const route of ['GET workspace/list', 'POST workspace/delete']) {
      const fake = afterOthers().on(route, failure(403, 'PERMISSION_DENIED', 'No.'));
      const { outcome, text } = run(fake, ANEW);
      assert.equal((await outcome).result, 'Succeeded');
      assert.match(text(), /Whether earlier attempts have left copies/);
    }
  });
});
