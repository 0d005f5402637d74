import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { rememberSecret } from '../../../tasks/common/secrets';
import { ended, RUN_PAGE, task, useRunJob, workspace } from './run-job-support';
import { failure } from './support';

describe('DatabricksRunJob reports', () => {
  const run = useRunJob();

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
      assert.match(summaries[0]!, /^\*\*train: FAILED\*\*$/m);
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

    it('advises a step that was skipped to do what it does not do already', async () => {
      const skipped = (code?: string) => ({
        run_id: 77,
        state: { life_cycle_state: 'SKIPPED', state_message: 'Skipped' },
        ...(code && { status: { state: 'TERMINATED', termination_details: { code } } }),
      });
      for (const code of ['MAX_CONCURRENT_RUNS_EXCEEDED', 'MAXIMUM_CONCURRENT_RUNS_REACHED', undefined]) {
        const fake = () => workspace().on('GET runs/get', skipped(code));
        await assert.rejects(run(fake(), { whenBusy: 'fail' }).outcome, /set input 'whenBusy' to queue/i);
        await assert.rejects(run(fake(), { whenBusy: 'queue' }).outcome, (error: Error) => {
          assert.match(error.message, /raise the job's maximum of concurrent runs/);
          assert.doesNotMatch(error.message, /whenBusy/);
          return true;
        });
      }
      await assert.rejects(
        run(workspace().on('GET runs/get', skipped())).outcome,
        /does not say why; mostly, the job has/,
      );
    });

    it('says who ended it', async () => {
      await assert.rejects(
        run(workspace().on('GET runs/get', ended('CANCELED', []))).outcome,
        /was canceled in Databricks/,
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
});
