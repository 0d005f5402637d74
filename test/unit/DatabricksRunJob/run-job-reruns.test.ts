import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ended, running, useRunJob, workspace } from './run-job-support';
import { answer, failure } from './support';

const NOON = Date.parse('2026-11-23T12:00:00Z');
const AT_NOON = { date: new Date(NOON).toUTCString() };

/** A service whose clock says noon, with a run for each token; `runs` are what they look like, from run 77 on. */
function serviceWith(runs: object[]) {
  const tokens: unknown[] = [];
  return workspace()
    .on('GET jobs/get', () =>
      answer(
        200,
        { settings: { name: 'train', tasks: [{ notebook_task: { notebook_path: '/live/train' } }] } },
        AT_NOON,
      ),
    )
    .on('POST jobs/run-now', ({ body }) => {
      if (!tokens.includes(body.idempotency_token)) tokens.push(body.idempotency_token);
      return answer(200, { run_id: 77 + tokens.indexOf(body.idempotency_token) }, AT_NOON);
    })
    .on('GET runs/get', ({ query }) => {
      const look = runs[Number(query.run_id) - 77];
      return typeof look === 'function' ? look() : look!;
    });
}

const earlier = (result: string) => ended(result, [], { start_time: NOON - 60_000, end_time: NOON - 30_000 });
const fresh = ended('SUCCESS', undefined, { start_time: NOON, end_time: NOON + 1 });

describe('DatabricksRunJob, when its job is run again', () => {
  const run = useRunJob();

  it('takes over the run of an earlier attempt that goes on', async () => {
    const going = { ...running, start_time: NOON - 3_600_000 };
    let looks = 0;
    const fake = serviceWith([() => (++looks < 5 ? going : earlier('SUCCESS'))]);
    const { outcome, text } = run(fake, { attempt: 2 });
    assert.equal((await outcome).message, "Run 77 of job 'train' succeeded.");
    assert.match(text(), /Run 77 is of an earlier try of this step\. Taking it over\./);
    assert.equal(fake.to('POST jobs/run-now').length, 1);
  });

  it('reports the failure of a run that fails while it is taken over, and pays for no other', async () => {
    const going = { ...running, start_time: NOON - 3_600_000 };
    let looks = 0;
    const fake = serviceWith([() => (++looks < 5 ? going : earlier('FAILED'))]);
    await assert.rejects(run(fake, { attempt: 2 }).outcome, /Run 77 of job 'train' failed/);
    assert.equal(fake.to('POST jobs/run-now').length, 1);
  });

  it('starts another run after one that an earlier attempt was cancelling', async () => {
    let looks = 0;
    const ending = { run_id: 77, state: { life_cycle_state: 'TERMINATING' }, start_time: NOON - 60_000 };
    const fake = serviceWith([() => (++looks < 3 ? ending : earlier('CANCELED')), fresh]);
    assert.equal((await run(fake, { attempt: 2 }).outcome).message, "Run 78 of job 'train' succeeded.");
  });

  it('does not wait for a run that goes on, but passes over one that has failed', async () => {
    const fake = serviceWith([earlier('FAILED'), { ...running, start_time: NOON }]);
    const { outcome, outputs } = run(fake, { attempt: 2, waitForCompletion: false });
    assert.match((await outcome).message, /Run 78.*goes on/);
    assert.equal(outputs.runId, '78');
  });

  for (const [title, deleted] of [
    ['at its start', failure(400, 'INVALID_PARAMETER_VALUE', 'The run 77 has been deleted.')],
    ['at its start, by a 404', failure(404, 'RESOURCE_DOES_NOT_EXIST', 'Run 77 was deleted')],
  ] as const) {
    it(`starts another run after one that was deleted, as shows ${title}`, async () => {
      const fake = serviceWith([{}, fresh]);
      let starts = 0;
      fake.on('POST jobs/run-now', () => (++starts === 1 ? deleted : answer(200, { run_id: 78 }, AT_NOON)));
      const { outcome, text } = run(fake);
      assert.equal((await outcome).message, "Run 78 of job 'train' succeeded.");
      assert.match(text(), /was deleted\. Starting another one/);
      assert.doesNotMatch(text(), /may be going on/);
    });
  }

  for (const reason of [
    'The cluster 1123-train has been deleted.',
    'Job 5 was deleted.',
    'The secret scope of this run is gone: it was deleted.',
    'The policy that new runs need has been deleted.',
  ]) {
    it(`takes nothing else for a deleted run: ${reason}`, async () => {
      const fake = serviceWith([]);
      fake.on('POST jobs/run-now', failure(400, 'INVALID_PARAMETER_VALUE', reason));
      const { outcome, text } = run(fake);
      await assert.rejects(outcome, { message: new RegExp(reason.replace(/\.$/, '')) });
      assert.equal(fake.to('POST jobs/run-now').length, 1);
      assert.doesNotMatch(text(), /Starting another one/);
    });
  }

  it('starts no other run where something on the way answers 404 in place of Databricks', async () => {
    const fake = workspace();
    let starts = 0;
    fake.on('POST jobs/run-now', () => answer(200, { run_id: 76 + ++starts }, AT_NOON));
    fake.on('GET runs/get', () => answer(404, {}, AT_NOON));
    await assert.rejects(run(fake).outcome, /does not know it any more/);
    assert.equal(starts, 1);
  });

  it('starts another run after one that was deleted, as shows at the first looks', async () => {
    const gone = failure(400, 'INVALID_PARAMETER_VALUE', 'Run 77 does not exist.');
    const { outcome, text, outputs } = run(serviceWith([gone, fresh]));
    assert.equal((await outcome).message, "Run 78 of job 'train' succeeded.");
    assert.doesNotMatch(text(), /may be going on/);
    assert.equal(outputs.runId, '78');
  });

  it('never starts a second run for one that vanished while it was followed', async () => {
    let looks = 0;
    const fake = serviceWith([
      () => (++looks < 3 ? running : failure(400, 'INVALID_PARAMETER_VALUE', 'Run 77 does not exist.')),
      fresh,
    ]);
    await assert.rejects(run(fake).outcome, /Run 77 was deleted in Databricks while the step followed it/);
    assert.equal(fake.to('POST jobs/run-now').length, 1);
  });

  it('gives up on a job whose runs all are gone', async () => {
    const fake = serviceWith([]);
    fake.on('POST jobs/run-now', failure(400, 'INVALID_PARAMETER_VALUE', 'The run has been deleted.'));
    await assert.rejects(run(fake).outcome, /has been deleted/);
    assert.equal(fake.to('POST jobs/run-now').length, 11);
  });

  it('starts another run at once after one that it has reported as failed, however quickly that went', async () => {
    const jobFolder = mkdtempSync(join(tmpdir(), 'job-'));
    const quick = ended('FAILED', [], { start_time: NOON, end_time: NOON });
    const fake = serviceWith([quick, fresh]);
    await assert.rejects(run(fake, {}, { jobFolder }).outcome, /Run 77 of job 'train' failed/);
    assert.equal((await run(fake, {}, { jobFolder }).outcome).message, "Run 78 of job 'train' succeeded.");
    rmSync(jobFolder, { recursive: true });
  });
});
