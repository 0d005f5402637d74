import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { CancelledError } from '../../../tasks/common/errors';
import { rememberSecret } from '../../../tasks/common/secrets';
import { ended, RUN_PAGE, running, task, useRunJob, workspace } from './run-job-support';
import { answer, failure } from './support';

/** Of the notebook that these steps import. */
const SHA256 = createHash('sha256').update('# Databricks notebook source\n').digest('hex');

describe('DatabricksRunJob', () => {
  const run = useRunJob();

  it('imports the notebook, runs the job once and reports what the notebook returned', async () => {
    const fake = workspace();
    const { outcome, outputs, lines, summaries } = run(fake, { parameters: { version: '1.0.0' } });
    assert.deepEqual(await outcome, { result: 'Succeeded', message: "Run 77 of job 'train' succeeded." });
    assert.deepEqual(outputs, {
      jobId: '5',
      notebookSha256: SHA256,
      runId: '77',
      runUrl: RUN_PAGE,
      resultState: 'SUCCESS',
      notebookOutput: 'stored 1.0.0',
      notebookOutputTruncated: false,
    });
    assert.ok(lines.includes(`Run 77: ${RUN_PAGE}`));
    assert.ok(lines.includes('The notebook returned: stored 1.0.0'));
    assert.equal(fake.to('POST jobs/run-now').length, 1);
    assert.deepEqual(fake.to('POST jobs/run-now')[0]?.body.notebook_params, { version: '1.0.0' });
    const [summary] = summaries;
    assert.match(summary!, /^\*\*train: SUCCESS\*\*$/m);
    assert.match(summary!, /^\| version \| 1\.0\.0 \|$/m);
    assert.match(summary!, /^\| main \| SUCCESS \| 1 \| 1 min 5 s \| █{24} \|$/m);
    assert.ok(summary!.includes(`(${RUN_PAGE})`));
    assert.ok(summary!.includes('stored 1.0.0'));
  });

  it('masks secrets among the parameters, in the log and in the summary', async () => {
    const secret = 'p_q*r#of-this-test==';
    rememberSecret(secret);
    const { outcome, text, summaries } = run(workspace(), {
      parameters: { storage_key: secret, plain: 'shown' },
    });
    await outcome;
    assert.match(text(), /with storage_key=\*\*\*, plain=shown\./);
    assert.match(summaries[0]!, /^\| storage\\_key \| \\\*\\\*\\\* \|$/m);
    assert.match(summaries[0]!, /^\| plain \| shown \|$/m);
  });

  it('needs five requests until the run is started, and sets its outputs before the first look at it', async () => {
    const { outcome, order } = run(workspace());
    await outcome;
    assert.deepEqual(order.slice(0, 10), [
      'GET /api/2.2/jobs/list',
      'GET /api/2.2/jobs/get',
      'output jobId',
      'output notebookSha256',
      'GET /api/2.0/workspace/export',
      'POST /api/2.0/workspace/import',
      'POST /api/2.2/jobs/run-now',
      'output runId',
      'output runUrl',
      'GET /api/2.2/jobs/runs/get',
    ]);
  });

  it('tells a notebook the SHA-256 of its file, where it has a widget for that', async () => {
    const file = join(mkdtempSync(join(tmpdir(), 'notebook-')), 'train.py');
    const text = '# Databricks notebook source\ndbutils.widgets.text("notebook_sha256", "")\n';
    writeFileSync(file, text);
    try {
      const fake = workspace();
      const { outcome, outputs } = run(fake, { notebookFile: file, parameters: { version: '1.0.0' } });
      await outcome;
      const sha256 = createHash('sha256').update(text).digest('hex');
      assert.equal(outputs.notebookSha256, sha256);
      const sent = fake.to('POST jobs/run-now')[0]?.body.notebook_params;
      assert.deepEqual(sent, { version: '1.0.0', notebook_sha256: sha256 });
    } finally {
      rmSync(join(file, '..'), { recursive: true });
    }
  });

  it('says that an unchanged notebook was not written again', async () => {
    const fake = workspace()
      .on('GET workspace/export', {
        content: Buffer.from('# Databricks notebook source\n').toString('base64'),
      })
      .on('GET workspace/get-status', { object_type: 'NOTEBOOK', language: 'PYTHON' });
    const { outcome, text } = run(fake);
    await outcome;
    assert.match(text(), /^\/live\/train is the same as .*train\.py already, and was not written again\.$/m);
    assert.equal(fake.to('POST workspace/import').length, 0);
  });

  it('imports a folder, says what it left out and left alone, and takes what the last of its notebooks returned', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'run-job-folder-'));
    try {
      writeFileSync(join(folder, 'train.py'), '# Databricks notebook source\n');
      writeFileSync(join(folder, 'helpers.py'), 'a = 1\n');
      symlinkSync('helpers.py', join(folder, 'link.py'));
      const tasks = [
        { task_key: 'main', notebook_task: { notebook_path: '/live/x/train' } },
        { task_key: 'check', notebook_task: { notebook_path: '/live/x/train' } },
      ];
      const fake = workspace()
        .on('GET jobs/get', { job_id: 5, settings: { name: 'train', tasks } })
        .on('GET workspace/list', { objects: [{ path: '/live/x/old', object_type: 'NOTEBOOK' }] })
        .on(
          'GET runs/get',
          ended('SUCCESS', [
            task('main', 'SUCCESS', { notebook_task: { notebook_path: '/live/x/train' } }),
            task('last', 'SUCCESS', { notebook_task: { notebook_path: '/live/x/check' } }),
            task('other', 'SUCCESS', { notebook_task: { notebook_path: '/live/xy' } }),
          ]),
        )
        .on('GET runs/get-output', ({ query }) =>
          query.run_id === 'main-1' ? { notebook_output: { result: 'of the folder' } } : {},
        );
      const { outcome, outputs, text } = run(fake, { notebookFile: folder, notebookPath: '/live/x' });
      assert.equal((await outcome).result, 'Succeeded');
      assert.match(text(), /Imported 2 of 2 files of .* to \/live\/x: helpers\.py, train\.py\./);
      assert.match(text(), /Left out of the import, since links are not followed: link\.py\./);
      assert.match(text(), /In \/live\/x, but not in the sources, and left as they are: old\./);
      assert.equal(outputs.notebookOutput, 'of the folder');
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  it('passes parameters as the job’s where it declares any', async () => {
    const tasks = [{ task_key: 'main', notebook_task: { notebook_path: '/live/train' } }];
    const settings = { name: 'train', tasks, parameters: [{ name: 'version', default: '' }] };
    const fake = workspace().on('GET jobs/get', { job_id: 5, settings });
    await run(fake, { parameters: { version: '2' } }).outcome;
    const { body } = fake.to('POST jobs/run-now')[0]!;
    assert.deepEqual([body.job_parameters, body.notebook_params], [{ version: '2' }, undefined]);
  });

  describe('with a definition of the job', () => {
    const main = { task_key: 'main', notebook_task: { notebook_path: '/live/train' } };

    it('creates the job when it is missing, and runs it', async () => {
      const fake = workspace().on('GET jobs/list', {}).on('POST jobs/create', { job_id: 6 });
      const { outcome, outputs, text } = run(fake, {
        jobDefinition: { tasks: [main], max_concurrent_runs: 1 },
      });
      await outcome;
      assert.deepEqual(fake.to('POST jobs/create')[0]?.body, {
        tasks: [main],
        max_concurrent_runs: 1,
        name: 'train',
      });
      assert.equal(outputs.jobId, '6');
      assert.equal(fake.to('POST jobs/run-now')[0]?.body.job_id, 6);
      assert.match(text(), /^Created job 'train' \(6\)\.$/m);
    });

    it('takes the job that a request whose answer was lost has created', async () => {
      const fake = workspace();
      fake
        .on('GET jobs/list', () =>
          fake.to('POST jobs/create').length > 0
            ? { jobs: [{ job_id: 6, settings: { name: 'train' } }] }
            : {},
        )
        .on('POST jobs/create', failure(503, 'TEMPORARILY_UNAVAILABLE', 'Later'));
      const { outcome, outputs } = run(fake, { jobDefinition: { tasks: [main] } });
      await outcome;
      assert.equal(outputs.jobId, '6');
      assert.equal(fake.to('POST jobs/create').length, 1);
    });

    it('updates what differs, and shows the difference', async () => {
      const fake = workspace().on('POST jobs/update', {});
      const { outcome, text } = run(fake, { jobDefinition: { tasks: [{ ...main, timeout_seconds: 60 }] } });
      await outcome;
      assert.deepEqual(fake.to('POST jobs/update')[0]?.body, {
        job_id: 5,
        new_settings: { tasks: [{ ...main, timeout_seconds: 60 }] },
      });
      assert.match(text(), /^ {2}tasks\[main\]\.timeout_seconds: \(none\) → 60$/m);
    });

    it('changes nothing when nothing differs', async () => {
      const fake = workspace();
      await run(fake, { jobDefinition: { name: 'train', tasks: [main] } }).outcome;
      assert.equal(fake.to('POST jobs/update').length, 0);
    });

    it('changes nothing when the job would not run the notebook', async () => {
      const other = { task_key: 'main', notebook_task: { notebook_path: '/live/other' } };
      const fake = workspace();
      await assert.rejects(
        run(fake, { jobDefinition: { tasks: [other] } }).outcome,
        /does not run the notebook/,
      );
      fake.on('GET jobs/list', {});
      await assert.rejects(
        run(fake, { jobDefinition: { tasks: [other] } }).outcome,
        /does not run the notebook/,
      );
      assert.equal(fake.to('POST jobs/update').length + fake.to('POST jobs/create').length, 0);
    });
  });

  it('has the run queued, or skipped, when the job is busy', async () => {
    const fake = workspace();
    await run(fake, {}).outcome;
    assert.deepEqual(fake.to('POST jobs/run-now')[0]?.body.queue, { enabled: true });
    const skipped = {
      run_id: 77,
      state: { life_cycle_state: 'SKIPPED', result_state: 'MAXIMUM_CONCURRENT_RUNS_REACHED' },
    };
    const busy = workspace().on('GET runs/get', skipped);
    await assert.rejects(
      run(busy, { whenBusy: 'fail' }).outcome,
      /was skipped, since the job has as many runs going on as it may have/,
    );
    assert.deepEqual(busy.to('POST jobs/run-now')[0]?.body.queue, { enabled: false });
  });

  it('changes nothing in the workspace when the job does not fit the step', async () => {
    for (const [options, message] of [
      [{ notebookPath: '/live/other' }, /does not run the notebook/],
      [{ job: 'unknown' }, /no job named 'unknown'/],
      [{ parameters: { version: 'x'.repeat(10_000) } }, /10,000/],
    ] as const) {
      const fake = workspace();
      await assert.rejects(run(fake, options).outcome, message);
      assert.deepEqual(
        fake.received.filter(({ method }) => method !== 'GET'),
        [],
      );
    }
  });

  it('says of a job that is busy that it is, without waiting either', async () => {
    const skipped = {
      run_id: 77,
      state: { life_cycle_state: 'SKIPPED', result_state: 'MAXIMUM_CONCURRENT_RUNS_REACHED' },
    };
    const options = { waitForCompletion: false, whenBusy: 'fail' } as const;
    const fake = workspace().on('GET runs/get', skipped);
    await assert.rejects(run(fake, options).outcome, /was skipped, since the job has as many runs/);
    const free = workspace();
    assert.match((await run(free, options).outcome).message, /goes on/);
    assert.equal(free.to('GET runs/get').length, 1);
  });

  it('does not wait when it is told not to', async () => {
    const fake = workspace();
    const { outcome, outputs } = run(fake, { waitForCompletion: false });
    assert.equal((await outcome).message, `Run 77 of job 'train' goes on: ${RUN_PAGE}`);
    assert.deepEqual(outputs, { jobId: '5', notebookSha256: SHA256, runId: '77', runUrl: RUN_PAGE });
    assert.equal(fake.to('GET runs/get').length, 0);
  });

  describe('with a time limit', () => {
    it('cancels the run, waits for its end and says that it timed out', async () => {
      const fake = workspace();
      fake.on('GET runs/get', () =>
        fake.to('POST runs/cancel').length > 0 ? ended('CANCELED', []) : running,
      );
      const { outcome, outputs } = run(fake, { timeoutMinutes: 2 });
      await assert.rejects(
        outcome,
        /Run 77 of job 'train' timed out: it had not ended after 2 minutes and was canceled/,
      );
      assert.deepEqual(fake.to('POST runs/cancel')[0]?.body, { run_id: 77 });
      assert.equal(outputs.resultState, 'CANCELED');
      assert.match(String(outputs.errorMessage), /timed out/);
    });

    it('reports the run’s own failure when it failed at that moment', async () => {
      const fake = workspace();
      fake.on('GET runs/get', () => (fake.to('POST runs/cancel').length > 0 ? ended('FAILED') : running));
      fake.on('GET runs/get-output', { error: 'ValueError: no rows' });
      await assert.rejects(run(fake, { timeoutMinutes: 1 }).outcome, /failed: ValueError: no rows/);
    });

    it('says where the run is when it does not end after all', async () => {
      const fake = workspace()
        .on('GET runs/get', running)
        .on('POST runs/cancel', failure(403, '', 'No'));
      const { outcome, text } = run(fake, { timeoutMinutes: 1 });
      await assert.rejects(
        outcome,
        /timed out.*nor within a minute of being asked to stop.*\/jobs\/5\/runs\/77/,
      );
      assert.match(text(), /warning.*could not be canceled/);
    });

    it('succeeds when the run ended well at the last moment', async () => {
      const fake = workspace();
      fake.on('GET runs/get', () => (fake.to('POST runs/cancel').length > 0 ? ended('SUCCESS') : running));
      assert.equal((await run(fake, { timeoutMinutes: 1 }).outcome).result, 'Succeeded');
    });
  });

  describe('when the step is cancelled', () => {
    it('cancels the run', async () => {
      const fake = workspace();
      const { outcome, cancel, text } = run(fake);
      fake.on('GET runs/get', () => {
        cancel.abort();
        return running;
      });
      await assert.rejects(outcome, CancelledError);
      assert.deepEqual(fake.to('POST runs/cancel')[0]?.body, { run_id: 77 });
      assert.match(text(), /Run 77 is being canceled/);
    });

    it('cancels the run whose start was not answered yet, and sets its outputs', async () => {
      const fake = workspace();
      const { outcome, cancel, outputs, text } = run(fake);
      fake.on('POST jobs/run-now', () => {
        if (cancel.signal.aborted) return { run_id: 77 };
        cancel.abort();
        throw new CancelledError();
      });
      fake.on('POST runs/cancel', failure(403, '', 'No'));
      await assert.rejects(outcome, CancelledError);
      assert.deepEqual([outputs.runId, outputs.runUrl], ['77', RUN_PAGE]);
      assert.match(text(), /Run 77 could not be canceled\..* It may be going on: .*\/jobs\/5\/runs\/77/);
    });

    it('leaves the run going where it is told to, and says where it is', async () => {
      const fake = workspace();
      const { outcome, cancel, text } = run(fake, { onCancel: 'leaveRunning' });
      fake.on('GET runs/get', () => {
        cancel.abort();
        return running;
      });
      await assert.rejects(outcome, CancelledError);
      assert.equal(fake.to('POST runs/cancel').length, 0);
      assert.ok(text().includes(`Run 77 is left running: ${RUN_PAGE}`));
    });
  });

  describe('tried again by the agent', () => {
    /** A service whose clock says noon, and that knows the run of the try before. */
    const noon = Date.parse('2026-11-23T12:00:00Z');
    const atNoon = { date: new Date(noon).toUTCString() };

    function second(earlier: object, later: object = ended('SUCCESS', undefined, { run_id: 78 })) {
      let token: unknown;
      return workspace()
        .on('GET jobs/get', ({ query }) =>
          answer(
            200,
            {
              job_id: Number(query.job_id),
              settings: { name: 'train', tasks: [{ notebook_task: { notebook_path: '/live/train' } }] },
            },
            atNoon,
          ),
        )
        .on('POST jobs/run-now', ({ body }) => {
          token ??= body.idempotency_token;
          return answer(200, { run_id: body.idempotency_token === token ? 77 : 78 }, atNoon);
        })
        .on('GET runs/get', ({ query }) => answer(200, query.run_id === '77' ? earlier : later, atNoon));
    }

    it('starts another run when that of the try before had failed', async () => {
      const fake = second(ended('FAILED', [], { end_time: noon - 5_000 }));
      const { outcome, outputs } = run(fake);
      assert.equal((await outcome).message, "Run 78 of job 'train' succeeded.");
      assert.equal(outputs.runId, '78');
      assert.equal(fake.to('POST jobs/run-now').length, 2);
    });

    it('takes the run of the try before when that one succeeded', async () => {
      const fake = second(ended('SUCCESS', undefined, { end_time: noon - 5_000 }));
      assert.equal((await run(fake).outcome).message, "Run 77 of job 'train' succeeded.");
      assert.equal(fake.to('POST jobs/run-now').length, 1);
    });

    it('takes the run of the try before when it is good enough for the step', async () => {
      const partial = ended('SUCCESS_WITH_FAILURES', [], { end_time: noon - 5_000 });
      assert.equal((await run(second(partial)).outcome).result, 'SucceededWithIssues');
      const fake = second(partial);
      await run(fake, { onPartialSuccess: 'fail' }).outcome;
      assert.equal(fake.to('POST jobs/run-now').length, 2);
    });

    it('never starts more runs than the agent tries a step', async () => {
      const old = ended('FAILED', [], { end_time: noon - 5_000 });
      const fake = second(old, old);
      await assert.rejects(run(fake).outcome, /Run 78 of job 'train' failed/);
      assert.equal(fake.to('POST jobs/run-now').length, 11);
    });

    it('starts no second run when the service does not tell its time', async () => {
      const fake = workspace().on('GET runs/get', ended('FAILED', []));
      await assert.rejects(run(fake).outcome, /Run 77 of job 'train' failed/);
      assert.equal(fake.to('POST jobs/run-now').length, 1);
    });

    it('never starts a second run for one that failed in this try, however quickly', async () => {
      // The clock of runs may be behind that of the gateway.
      for (const start of [noon, noon - 2_000]) {
        const fake = second(ended('FAILED', [], { start_time: start, end_time: start }));
        await assert.rejects(run(fake).outcome, /Run 77 of job 'train' failed/);
        assert.equal(fake.to('POST jobs/run-now').length, 1);
      }
    });
  });
});
