import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { CancelledError } from '../../../tasks/common/errors';
import { rememberSecret } from '../../../tasks/common/secrets';
import type { RunJobOptions } from '../../../tasks/DatabricksRunJob/inputs';
import { runJob } from '../../../tasks/DatabricksRunJob/run-job';
import { ACCESS, answer, collectLog, FakeClock, FakeDatabricks, failure, inTurn, ORIGIN } from './support';

const RUN_PAGE = `${ORIGIN}/jobs/5/runs/77?o=42`;

const task = (key: string, result: string, more: object = {}) => ({
  run_id: `${key}-1`,
  task_key: key,
  state: { life_cycle_state: 'TERMINATED', result_state: result },
  notebook_task: { notebook_path: '/live/train' },
  start_time: 1_700_000_000_000,
  end_time: 1_700_000_065_000,
  ...more,
});

const ended = (result: string, tasks: object[] = [task('main', result)], more: object = {}) => ({
  run_id: 77,
  state: { life_cycle_state: 'TERMINATED', result_state: result, state_message: 'Said by the run.' },
  start_time: 1_700_000_000_000,
  end_time: 1_700_000_065_000,
  tasks,
  ...more,
});

const running = { run_id: 77, state: { life_cycle_state: 'RUNNING' } };

/** A workspace with one job, of which every run ends well. */
const workspace = () =>
  new FakeDatabricks()
    .on('GET workspace/export', failure(404, 'RESOURCE_DOES_NOT_EXIST', "Path (/live/train) doesn't exist."))
    .on('POST workspace/import', {})
    .on('GET jobs/list', { jobs: [{ job_id: 5, settings: { name: 'train' } }] })
    .on('GET jobs/get', {
      job_id: 5,
      settings: {
        name: 'train',
        tasks: [{ task_key: 'main', notebook_task: { notebook_path: '/live/train' } }],
      },
    })
    .on('POST jobs/run-now', { run_id: 77 })
    .on('GET runs/get', inTurn(running, ended('SUCCESS')))
    .on('GET runs/get-output', { notebook_output: { result: 'stored 1.0.0', truncated: false } })
    .on('POST runs/cancel', {});

describe('DatabricksRunJob', () => {
  let folder: string;
  before(() => {
    folder = mkdtempSync(join(tmpdir(), 'run-job-'));
    writeFileSync(join(folder, 'train.py'), '# Databricks notebook source\n');
  });
  after(() => rmSync(folder, { recursive: true }));

  function run(fake: FakeDatabricks, changes: Partial<RunJobOptions> = {}) {
    const { log, lines, text } = collectLog();
    const cancel = new AbortController();
    const outputs: Record<string, unknown> = {};
    const order: string[] = [];
    const summaries: string[] = [];
    const attachments: Record<string, string> = {};
    const options: RunJobOptions = {
      signIn: {
        workspace: { origin: ORIGIN, workspaceId: '42' },
        credential: { kind: 'token', token: 'dapi' },
        access: ACCESS,
      },
      notebookFile: join(folder, 'train.py'),
      notebookPath: '/live/train',
      job: 'train',
      jobDefinition: undefined,
      parameters: {},
      waitForCompletion: true,
      timeoutMinutes: 0,
      onCancel: 'cancelRun',
      whenBusy: 'queue',
      onPartialSuccess: 'warn',
      repairAttempts: 0,
      exportHtml: false,
      stepIdentity: ['pipeline', 'step'],
      ...changes,
    };
    const outcome = runJob(options, {
      log,
      signal: cancel.signal,
      http: {
        send: async (request) => {
          order.push(`${request.method} ${new URL(request.url).pathname}`);
          return fake.send({ signal: cancel.signal, ...request });
        },
      },
      clock: new FakeClock(),
      setOutput(name, value) {
        order.push(`output ${name}`);
        outputs[name] = value;
      },
      uploadSummary: (_title, summary) => summaries.push(summary.toString()),
      attach(name, text) {
        attachments[name] = text;
      },
      tempFolder: folder,
      oidcToken: async () => 'oidc',
    });
    return { outcome, outputs, attachments, order, summaries, lines, text, cancel };
  }

  it('imports the notebook, runs the job once and reports what the notebook returned', async () => {
    const fake = workspace();
    const { outcome, outputs, lines, summaries } = run(fake, { parameters: { version: '1.0.0' } });
    assert.deepEqual(await outcome, { result: 'Succeeded', message: "Run 77 of job 'train' succeeded." });
    assert.deepEqual(outputs, {
      jobId: '5',
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
    assert.match(summary!, /^## train: SUCCESS$/m);
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
    assert.deepEqual(order.slice(0, 9), [
      'GET /api/2.2/jobs/list',
      'GET /api/2.2/jobs/get',
      'output jobId',
      'GET /api/2.0/workspace/export',
      'POST /api/2.0/workspace/import',
      'POST /api/2.2/jobs/run-now',
      'output runId',
      'output runUrl',
      'GET /api/2.2/jobs/runs/get',
    ]);
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
    assert.deepEqual(outputs, { jobId: '5', runId: '77', runUrl: RUN_PAGE });
    assert.equal(fake.to('GET runs/get').length, 0);
  });

  describe('when the run fails', () => {
    const trace =
      '\u001b[0;31mValueError\u001b[0m: no rows\n##vso[task.complete result=Succeeded]\nValueError: no rows';

    it('fails with the notebook’s error, and shows its trace without obeying it', async () => {
      const fake = workspace()
        .on('GET runs/get', ended('FAILED'))
        .on('GET runs/get-output', { error: 'ValueError: no rows', error_trace: trace });
      const { outcome, outputs, text, summaries } = run(fake);
      await assert.rejects(outcome, {
        name: 'TaskError',
        message: `Run 77 of job 'train' failed: ValueError: no rows. See ${RUN_PAGE}`,
      });
      assert.equal(outputs.errorMessage, 'ValueError: no rows');
      assert.equal(outputs.resultState, 'FAILED');
      assert.match(
        text(),
        /^##\[group\]Trace of task 'main'\nValueError: no rows\n.*\nValueError: no rows\n##\[endgroup\]$/m,
      );
      assert.ok(!text().includes('##vso[task.complete'));
      assert.ok(!text().includes('\u001b'));
      assert.match(summaries[0]!, /^## train: FAILED$/m);
      assert.match(summaries[0]!, /Task main failed: ValueError: no rows/);
    });

    it('shows the end of a long trace, and attaches the whole of it', async () => {
      const long = `first\n${'x\n'.repeat(15_000)}last`;
      const fake = workspace()
        .on('GET runs/get', ended('FAILED'))
        .on('GET runs/get-output', { error: 'no rows', error_trace: `\u001b[31m${long}` });
      const { outcome, attachments, text, summaries } = run(fake);
      await assert.rejects(outcome);
      assert.deepEqual(attachments, { 'main-trace.txt': long });
      for (const shown of [text(), summaries[0]!]) {
        assert.ok(!/^first$/m.test(shown));
        assert.ok(/^\(15010 characters before this are in the attached file\)$/m.test(shown));
        assert.ok(/x\nlast$/m.test(shown));
      }
    });

    it('says what is known to help, by the code of the task’s end', async () => {
      const status = { state: 'TERMINATED', termination_details: { code: 'LIBRARY_INSTALLATION_ERROR' } };
      const fake = workspace()
        .on('GET runs/get', ended('FAILED', [task('main', 'FAILED', { status })]))
        .on('GET runs/get-output', { error: 'pip failed' });
      const { outcome, summaries } = run(fake);
      await assert.rejects(
        outcome,
        /failed: pip failed\. Check the names, versions and sources.*\. See https:/,
      );
      assert.match(summaries[0]!, /Check the names/);
    });

    it('reports the last attempt of a task that was tried again', async () => {
      const first = task('main', 'FAILED', { attempt_number: 0 });
      const last = task('main', 'FAILED', { run_id: 'main-2', attempt_number: 1 });
      const fake = workspace()
        .on('GET runs/get', ended('FAILED', [last, first]))
        .on('GET runs/get-output', ({ query }) => ({ error: `error of ${query.run_id}` }));
      const { outcome, text, summaries } = run(fake);
      await assert.rejects(outcome, /error of main-2/);
      assert.equal(fake.to('GET runs/get-output').length, 1);
      assert.match(text(), /^See .*\/runs\/main-2\?o=42$/m);
      assert.match(summaries[0]!, /\[Task main in Databricks\]\(.*\/runs\/main-2\?o=42\)/);
    });

    it('judges a failed task on serverless compute by its result, not as a broken platform', async () => {
      const status = { state: 'TERMINATED', termination_details: { code: 'RUN_EXECUTION_ERROR' } };
      const state = {
        life_cycle_state: 'INTERNAL_ERROR',
        result_state: 'FAILED',
        state_message: 'Task main failed',
      };
      const fake = workspace()
        .on('GET runs/get', ended('FAILED', [task('main', 'FAILED', { status })], { state }))
        .on('GET runs/get-output', { error: 'ValueError: no rows' });
      await assert.rejects(run(fake).outcome, /Run 77 of job 'train' failed: ValueError: no rows/);
    });

    it('tells of all failed tasks, and of what failed before what was cancelled for it', async () => {
      const at = (start: number) => ({ start_time: start });
      const tasks = [
        { ...task('slow', 'CANCELED'), ...at(1), run_id: 1 },
        ...Array.from({ length: 24 }, (_, n) => ({
          ...task(`t${n}`, 'FAILED'),
          ...at(n + 2),
          run_id: n + 2,
        })),
      ];
      const fake = workspace()
        .on('GET runs/get', ended('FAILED', tasks))
        .on('GET runs/get-output', ({ query }) => ({ error: `Error ${query.run_id}` }));
      const { outcome, text } = run(fake);
      await assert.rejects(outcome, /task 't0' \(and 24 more failed\): Error 2/);
      for (let n = 0; n < 24; n++)
        assert.match(text(), new RegExp(`Task 't${n}' failed: Error ${n + 2}$`, 'm'));
    });

    it('says that a run may have been started when no answer tells', async () => {
      const fake = workspace().on('POST jobs/run-now', failure(503, 'TEMPORARILY_UNAVAILABLE', 'Later'));
      await assert.rejects(
        run(fake).outcome,
        /may have been started all the same\. Look for it at .*\/jobs\/5/,
      );
    });

    it('names the first of several failed tasks, and leaves out those that never ran', async () => {
      const tasks = [
        task('load', 'FAILED'),
        task('check', 'FAILED', { start_time: 1_700_000_001_000 }),
        task('train', 'UPSTREAM_FAILED', { start_time: 0 }),
      ];
      const fake = workspace()
        .on('GET runs/get', ended('FAILED', tasks))
        .on('GET runs/get-output', ({ query }) => ({ error: `error of ${query.run_id}` }));
      await assert.rejects(run(fake).outcome, /failed: task 'load' \(and 1 more failed\): error of load-1/);
      assert.deepEqual(
        fake.to('GET runs/get-output').map(({ query }) => query.run_id),
        ['load-1', 'check-1'],
      );
    });

    it('still says how it ended when its output can’t be read', async () => {
      const fake = workspace()
        .on(
          'GET runs/get',
          ended('FAILED', [
            task('main', 'FAILED', {
              state: { life_cycle_state: 'INTERNAL_ERROR', state_message: 'Cluster gone' },
            }),
          ]),
        )
        .on('GET runs/get-output', failure(403, 'PERMISSION_DENIED', 'No view'));
      const { outcome, text } = run(fake);
      await assert.rejects(outcome, /Run 77 of job 'train' failed: Cluster gone/);
      assert.match(text(), /warning.*output of task 'main' could not be read.*No view/);
    });

    it('fails when it was skipped, without a result and without tasks', async () => {
      const skipped = {
        run_id: 77,
        state: { life_cycle_state: 'SKIPPED', state_message: 'A run is going on already.' },
        status: { state: 'TERMINATED', termination_details: { code: 'MAX_CONCURRENT_RUNS_EXCEEDED' } },
      };
      const { outcome, outputs } = run(workspace().on('GET runs/get', skipped));
      await assert.rejects(
        outcome,
        /was skipped, since the job has as many runs.*: A run is going on already\./,
      );
      assert.equal(outputs.resultState, 'MAX_CONCURRENT_RUNS_EXCEEDED');
    });

    it('says who ended it', async () => {
      await assert.rejects(
        run(workspace().on('GET runs/get', ended('CANCELED', []))).outcome,
        /was cancelled in Databricks/,
      );
      await assert.rejects(
        run(workspace().on('GET runs/get', ended('TIMEDOUT', []))).outcome,
        /time limit that the job sets/,
      );
    });
  });

  describe('when the run succeeds with failures', () => {
    const partial = () =>
      workspace()
        .on(
          'GET runs/get',
          ended('SUCCESS_WITH_FAILURES', [task('main', 'SUCCESS'), task('extra', 'FAILED')]),
        )
        .on('GET runs/get-output', ({ query }) =>
          query.run_id === 'main-1' ? { notebook_output: { result: 'stored' } } : { error: 'no disk' },
        );

    it('warns, succeeds or fails as it is told to', async () => {
      assert.equal((await run(partial()).outcome).result, 'SucceededWithIssues');
      assert.equal((await run(partial(), { onPartialSuccess: 'succeed' }).outcome).result, 'Succeeded');
      await assert.rejects(
        run(partial(), { onPartialSuccess: 'fail' }).outcome,
        /some of its tasks failed.*no disk/,
      );
    });

    it('reports both what failed and what the notebook returned', async () => {
      const { outcome, outputs } = run(partial());
      assert.match((await outcome).message, /task 'extra': no disk/);
      assert.equal(outputs.notebookOutput, 'stored');
      assert.match(String(outputs.errorMessage), /no disk/);
    });
  });

  describe('what the notebook returned', () => {
    const returning = (result: string, truncated = false) =>
      workspace().on('GET runs/get-output', { notebook_output: { result, truncated } });

    it('cannot give orders to the agent, neither in the log nor as an output', async () => {
      const { outcome, outputs, text } = run(returning('a\u001b[31m\n##vso[task.setvariable variable=x]y'));
      await outcome;
      assert.ok(!/##vso/i.test(text()));
      assert.ok(!/##vso|\u001b/i.test(String(outputs.notebookOutput)));
    });

    it('is marked as cut when Databricks cut it', async () => {
      const { outcome, outputs, text } = run(returning('begin', true));
      await outcome;
      assert.equal(outputs.notebookOutputTruncated, true);
      assert.match(text(), /warning.*only the beginning/);
    });

    it('is cut to what an environment variable may hold, and whole in a file', async () => {
      const value = `\u001b${'x'.repeat(40_000)}`;
      const { outcome, outputs, text } = run(returning(value));
      await outcome;
      assert.equal(String(outputs.notebookOutput).length, 32_000);
      assert.equal(readFileSync(String(outputs.notebookOutputFile), 'utf8'), value);
      assert.equal(outputs.notebookOutputTruncated, true);
      assert.match(text(), /warning.*first 32000 characters/);
    });

    it('becomes no more outputs than the environment of later steps can hold, and says which are missing', async () => {
      const many = Object.fromEntries(Array.from({ length: 103 }, (_, n) => [`m${n}`, n]));
      const first = run(returning(JSON.stringify({ Rows: 1, rows: 2, ...many })));
      await first.outcome;
      assert.equal(first.outputs['notebookOutput.Rows'], '1');
      assert.ok(!('notebookOutput.rows' in first.outputs));
      assert.match(first.text(), /warning.*these members of the exit value.*: rows, m99, m100, m101, m102\./);

      const large = Object.fromEntries(Array.from({ length: 9 }, (_, n) => [`m${n}`, 'x'.repeat(20_000)]));
      const second = run(returning(JSON.stringify(large)));
      await second.outcome;
      assert.match(second.text(), /: m3, m4, m5, m6, m7, m8\./);
    });

    it('has secrets masked before it is cut', async () => {
      const secret = 'a-secret-that-is-cut-in-two';
      rememberSecret(secret);
      const { outcome, text, summaries } = run(returning(`${'x'.repeat(19_990)}${secret}`));
      await outcome;
      assert.doesNotMatch(text(), /a-secret/);
      assert.doesNotMatch(summaries[0]!, /a-secret/);
    });

    it('becomes outputs, member by member, when it is a JSON object', async () => {
      const value =
        '{"rows":3, "rate":1.0, "id":8795400285113916203, "ok":true, "none":null, "path":"##vso[x]", ';
      const { outcome, outputs, text } = run(returning(`${value}"best":{"a":[1]}, "no/name":1}`));
      await outcome;
      const members = Object.entries(outputs).filter(([name]) => name.startsWith('notebookOutput.'));
      assert.deepEqual(Object.fromEntries(members), {
        'notebookOutput.rows': '3',
        'notebookOutput.rate': '1.0',
        'notebookOutput.id': '8795400285113916203',
        'notebookOutput.ok': 'true',
        'notebookOutput.none': '',
        'notebookOutput.path': '##_vso[x]',
        'notebookOutput.best': '{"a":[1]}',
      });
      assert.match(text(), /No output was made of these members of the exit value, .*: no\/name\./);
    });

    for (const value of ['[1]', '"x"', '{"cut":', 'stored']) {
      it(`has no members when it is ${value}`, async () => {
        const { outcome, outputs } = run(returning(value));
        await outcome;
        assert.deepEqual(
          Object.keys(outputs).filter((name) => name.includes('.')),
          [],
        );
      });
    }

    it('is left out when the notebook returned nothing', async () => {
      const { outcome, outputs } = run(workspace().on('GET runs/get-output', { notebook_output: {} }));
      await outcome;
      assert.ok(!('notebookOutput' in outputs));
    });

    it('is read from the last task that ran this notebook', async () => {
      const other = { notebook_task: { notebook_path: '/live/other' } };
      const path = { notebook_task: { notebook_path: '/Workspace/live/train' } };
      const tasks = [task('a', 'SUCCESS', path), task('b', 'SUCCESS', path), task('c', 'SUCCESS', other)];
      const fake = workspace().on('GET runs/get', ended('SUCCESS', tasks));
      await run(fake).outcome;
      assert.deepEqual(
        fake.to('GET runs/get-output').map(({ query }) => query.run_id),
        ['b-1'],
      );
    });
  });

  describe('with repairs allowed', () => {
    const broken = (code: string, more: object = {}) =>
      ended(
        'FAILED',
        [task('main', 'FAILED', { status: { state: 'TERMINATED', termination_details: { code } } })],
        more,
      );
    const repaired = ended('SUCCESS', [
      task('main', 'FAILED'),
      task('main', 'SUCCESS', { run_id: 'main-2', attempt_number: 1 }),
    ]);

    /** A run that shows these ends, one after each repair. */
    function repairable(...ends: object[]) {
      const fake = workspace().on('POST runs/repair', ({ body }) => ({
        repair_id: body.latest_repair_id ? 9 : 8,
      }));
      return fake.on('GET runs/get', ({ query }) => {
        const repairs = fake.to('POST runs/repair').length;
        if (query.include_history)
          return { repair_history: [{ type: 'ORIGINAL' }, { id: 8 }].slice(0, repairs + 1) };
        return ends[Math.min(repairs, ends.length - 1)]!;
      });
    }

    for (const code of [
      'CLUSTER_ERROR',
      'DRIVER_ERROR',
      'CLOUD_FAILURE',
      'INTERNAL_ERROR',
      'STORAGE_ACCESS_ERROR',
    ]) {
      it(`repairs a run that ended by ${code}, with the same parameters`, async () => {
        const fake = repairable(broken(code), repaired);
        const { outcome, text } = run(fake, { repairAttempts: 2, parameters: { version: '1' } });
        assert.equal((await outcome).result, 'Succeeded');
        assert.deepEqual(
          fake.to('POST runs/repair').map(({ body }) => body),
          [{ run_id: 77, rerun_all_failed_tasks: true, notebook_params: { version: '1' } }],
        );
        assert.match(text(), /Repairing it, 1 of 2 times at most/);
        assert.equal(fake.to('POST jobs/run-now').length, 1);
      });
    }

    it('names the repair before, and gives up after as many as it may make', async () => {
      const fake = repairable(
        broken('CLUSTER_ERROR'),
        broken('CLUSTER_ERROR', { end_time: 2 }),
        broken('CLUSTER_ERROR', { end_time: 3 }),
      );
      await assert.rejects(run(fake, { repairAttempts: 2 }).outcome, /failed: .*fault of the infrastructure/);
      assert.deepEqual(
        fake.to('POST runs/repair').map(({ body }) => body.latest_repair_id),
        [undefined, 8],
      );
    });

    for (const code of ['RUN_EXECUTION_ERROR', 'UNAUTHORIZED_ERROR', 'USER_CANCELED']) {
      it(`never repairs a run that ended by ${code}`, async () => {
        const fake = repairable(broken(code));
        await assert.rejects(run(fake, { repairAttempts: 2 }).outcome);
        assert.equal(fake.to('POST runs/repair').length, 0);
      });
    }

    it('never repairs a run in which a notebook failed as well, or one that shows INTERNAL_ERROR only', async () => {
      const status = { state: 'TERMINATED', termination_details: { code: 'CLUSTER_ERROR' } };
      const state = { life_cycle_state: 'INTERNAL_ERROR', result_state: 'FAILED' };
      const ends = [
        ended('FAILED', [task('a', 'FAILED', { status }), task('b', 'FAILED')]),
        ended('FAILED', [task('a', 'FAILED', { state })], { state }),
      ];
      for (const end of ends) {
        const fake = repairable(end);
        await assert.rejects(run(fake, { repairAttempts: 2 }).outcome);
        assert.equal(fake.to('POST runs/repair').length, 0);
      }
    });

    it('does not take the end before the repair for the one after it', async () => {
      const fake = repairable(broken('CLUSTER_ERROR'));
      const looks = inTurn(broken('CLUSTER_ERROR'), broken('CLUSTER_ERROR'), running, repaired);
      fake.on('GET runs/get', (received) => (received.query.include_history ? {} : looks(received)));
      assert.equal((await run(fake, { repairAttempts: 1 }).outcome).result, 'Succeeded');
      assert.equal(fake.to('POST runs/repair').length, 1);
    });

    it('cancels a repair that its time limit overtakes before it shows', async () => {
      const fake = repairable(broken('CLUSTER_ERROR'));
      let looks = 0;
      fake.on('GET runs/get', ({ query }) => {
        if (query.include_history) return {};
        if (fake.to('POST runs/cancel').length > 0) return ended('CANCELED', []);
        // It fails within its minute, and then looks so for the rest of it.
        return ++looks < 15 ? running : broken('CLUSTER_ERROR');
      });
      const { outcome } = run(fake, { repairAttempts: 1, timeoutMinutes: 1 });
      await assert.rejects(outcome, /timed out/);
      assert.equal(fake.to('POST runs/cancel').length, 1);
    });

    it('does not repair again what a request whose answer was lost has repaired', async () => {
      const fake = repairable(broken('CLUSTER_ERROR'), repaired);
      fake.on('POST runs/repair', failure(503, 'TEMPORARILY_UNAVAILABLE', 'Later'));
      assert.equal((await run(fake, { repairAttempts: 1 }).outcome).result, 'Succeeded');
      assert.equal(fake.to('POST runs/repair').length, 1);
    });

    it('reports the failure when the repair is refused', async () => {
      const fake = repairable(broken('CLUSTER_ERROR'));
      fake.on('POST runs/repair', failure(403, 'PERMISSION_DENIED', 'No'));
      const { outcome, text } = run(fake, { repairAttempts: 1 });
      await assert.rejects(outcome, /Run 77 of job 'train' failed/);
      assert.match(text(), /warning.*was not repaired.*may not repair run 77/);
    });
  });

  describe('with executed notebooks to keep', () => {
    const tasks = [
      task('a', 'SUCCESS'),
      task('b', 'FAILED'),
      task('c', 'UPSTREAM_FAILED'),
      task('d', 'SUCCESS', { notebook_task: undefined }),
    ];

    it('attaches the page of each task that ran a notebook, on failure too', async () => {
      const fake = workspace()
        .on('GET runs/get', ended('FAILED', tasks))
        .on('GET runs/export', ({ query }) => ({
          views: [
            { type: 'DASHBOARD', content: 'no' },
            { type: 'NOTEBOOK', content: `<p>${query.run_id}` },
          ],
        }));
      const { outcome, attachments } = run(fake, { exportHtml: true });
      await assert.rejects(outcome);
      assert.deepEqual(attachments, { 'a.html': '<p>a-1', 'b.html': '<p>b-1' });
    });

    it('succeeds with a warning when there is no page', async () => {
      const fake = workspace().on('GET runs/export', failure(400, 'INVALID_PARAMETER_VALUE', 'Too large'));
      const { outcome, text } = run(fake, { exportHtml: true });
      assert.equal((await outcome).result, 'Succeeded');
      assert.match(text(), /warning.*notebook of task 'main' could not be exported.*Too large/);
    });
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
        /Run 77 of job 'train' timed out: it had not ended after 2 minutes and was cancelled/,
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
      assert.match(text(), /warning.*could not be cancelled/);
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
      assert.match(text(), /Run 77 is being cancelled/);
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
      assert.match(text(), /Run 77 could not be cancelled\..* It may be going on: .*\/jobs\/5\/runs\/77/);
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
