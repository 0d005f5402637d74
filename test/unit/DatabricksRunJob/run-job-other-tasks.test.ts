import assert from 'node:assert/strict';
import { renderNotebookPage } from '../../../local/databricks/runs/page';
import { ended, task, useRunJob, workspace } from './run-job-support';
import { failure, ORIGIN } from './support';

const AS_IT_IS = { notebookFile: undefined, notebookPath: undefined };

describe('DatabricksRunJob reports failed tasks', () => {
  const run = useRunJob();
  const other = (key: string, more: object) => task(key, 'FAILED', { notebook_task: undefined, ...more });

  it('of a loop with the errors of its iterations, the most frequent first', async () => {
    const stats = {
      error_message_stats: [
        { error_message: 'KeyError:\n fare', count: 1 },
        { error_message: '##vso[task.complete]no rows', count: 12 },
      ],
    };
    const fake = workspace()
      .on('GET runs/get', ended('FAILED', [other('loop', { for_each_task: { stats } })]))
      .on('GET runs/get-output', failure(400, 'INVALID_PARAMETER_VALUE', 'Not supported for this task'));
    const { outcome, lines, text, summaries } = run(fake, AS_IT_IS);
    await assert.rejects(outcome, /Run 77 of job 'train' failed/);
    const errors = lines.filter((line) => line.includes('iteration'));
    assert.equal(errors.length, 2);
    assert.match(errors[0]!, /^ {2}12 iterations: .*no rows$/);
    assert.equal(errors[1], '  1 iteration: KeyError: fare');
    assert.ok(!text().includes('##vso[task.complete'));
    assert.match(summaries[0]!, /12 iterations: .*no rows/);
  });

  it('of a job within the job with its page, and its own failed tasks with their errors', async () => {
    const child = {
      run_id: 88,
      state: { life_cycle_state: 'TERMINATED', result_state: 'FAILED' },
      tasks: [task('fine', 'SUCCESS'), task('inner', 'FAILED')],
    };
    const parent = ended('FAILED', [other('outer', { run_job_task: { job_id: 9 } })]);
    const fake = workspace()
      .on('GET runs/get', ({ query }) => (query.run_id === '88' ? child : parent))
      .on('GET runs/get-output', ({ query }) =>
        query.run_id === 'inner-1' ? { error: 'ValueError: no rows' } : { run_job_output: { run_id: 88 } },
      );
    const { outcome, text, summaries } = run(fake, AS_IT_IS);
    await assert.rejects(outcome);
    assert.match(text(), /^ {2}task 'inner' of run 88: ValueError: no rows$/m);
    assert.ok(text().includes(`The job that it ran: ${ORIGIN}/jobs/9/runs/88?o=42`));
    assert.ok(!text().includes("task 'fine'"));
    assert.ok(summaries[0]!.includes(`(${ORIGIN}/jobs/9/runs/88?o=42)`));
    assert.ok(summaries[0]!.includes('no rows'));
  });

  it('of a job within the job that may not be looked at, and says so', async () => {
    const parent = ended('FAILED', [other('outer', { run_job_task: { job_id: 9 } })]);
    const fake = workspace()
      .on('GET runs/get', ({ query }) =>
        query.run_id === '88' ? failure(403, 'PERMISSION_DENIED', 'No view') : parent,
      )
      .on('GET runs/get-output', { error: 'Run 88 failed', run_job_output: { run_id: 88 } });
    const { outcome, text } = run(fake, AS_IT_IS);
    await assert.rejects(outcome, /failed: Run 88 failed/);
    assert.match(text(), /warning.*Run 88, of a job within this job, could not be looked at.*No view/);
  });

  it('of notebooks with what their cells printed, from the executed notebook', async () => {
    const cells = [
      { number: 1, kind: 'python', source: '', output: 'read 891 rows\n##vso[task.complete]\n' },
    ];
    const fake = workspace()
      .on('GET runs/get', ended('FAILED'))
      .on('GET runs/get-output', { error: 'ValueError: no rows' })
      .on('GET runs/export', {
        views: [{ type: 'NOTEBOOK', content: renderNotebookPage('train', { cells }) }],
      });
    const { outcome, attachments, text, summaries } = run(fake);
    await assert.rejects(outcome, /failed: ValueError: no rows/);
    assert.match(text(), /^##\[group\]Output of task 'main'\nread 891 rows\n/m);
    assert.ok(!text().includes('##vso[task.complete'));
    assert.match(attachments['main-output.txt']!, /^read 891 rows\n/);
    assert.ok(summaries[0]!.includes('read 891 rows'));
  });

  it('of notebooks whose page can’t be had or read, and says why it shows no output', async () => {
    const failed = () =>
      workspace().on('GET runs/get', ended('FAILED')).on('GET runs/get-output', { error: 'no rows' });
    for (const [page, why] of [
      [failure(400, 'INVALID_PARAMETER_VALUE', 'Too large'), /not shown: .*Too large/],
      [{ views: [{ type: 'NOTEBOOK', content: '<html></html>' }] }, /not shown: .*no page of it in a form/],
    ] as const) {
      const { outcome, text } = run(failed().on('GET runs/export', page));
      await assert.rejects(outcome, /failed: no rows/);
      assert.match(text(), why);
    }
  });

  it('of Python, wheels and dbt with what they printed, whole in an attachment', async () => {
    const printed = `first\n${'x\n'.repeat(15_000)}\u001b[31m##vso[task.complete]\nlast`;
    const fake = workspace()
      .on('GET runs/get', ended('FAILED', [other('script', { spark_python_task: { python_file: '/a.py' } })]))
      .on('GET runs/get-output', { error: 'SystemExit: 1', logs: printed });
    const { outcome, attachments, text, summaries } = run(fake, AS_IT_IS);
    await assert.rejects(outcome, /failed: SystemExit: 1/);
    assert.ok(attachments['script-output.txt']!.startsWith('first\n'));
    assert.ok(attachments['script-output.txt']!.endsWith('\nlast'));
    for (const shown of [text(), summaries[0]!]) {
      assert.ok(!/^first$/m.test(shown));
      assert.ok(/^last$/m.test(shown));
      assert.ok(!shown.includes('\u001b'));
    }
    assert.match(text(), /^##\[group\]Output of task 'script'$/m);
    assert.ok(!text().includes('##vso[task.complete'));
  });
});
