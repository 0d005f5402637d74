import assert from 'node:assert/strict';
import { ended, running, task, useRunJob, workspace } from './run-job-support';
import { failure, inTurn } from './support';

describe('DatabricksRunJob', () => {
  const run = useRunJob();

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
      await assert.rejects(
        run(fake, { repairAttempts: 2 }).outcome,
        /failed: .*fault of the infrastructure.*repaired as often as input 'repairAttempts' allows/,
      );
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

    it('goes by whom the service blames, where it says so', async () => {
      const blaming = (code: string, type: string) =>
        ended('FAILED', [
          task('main', 'FAILED', { status: { state: 'TERMINATED', termination_details: { code, type } } }),
        ]);
      const job = repairable(blaming('CLUSTER_ERROR', 'CLIENT_ERROR'));
      await assert.rejects(run(job, { repairAttempts: 2 }).outcome, (error: Error) => {
        assert.doesNotMatch(error.message, /fault of the infrastructure/);
        return true;
      });
      assert.equal(job.to('POST runs/repair').length, 0);
      const cloud = repairable(blaming('CLUSTER_ERROR', 'CLOUD_FAILURE'), repaired);
      assert.equal((await run(cloud, { repairAttempts: 1 }).outcome).result, 'Succeeded');
    });

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
});
