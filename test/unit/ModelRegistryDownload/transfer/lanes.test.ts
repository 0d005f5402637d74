import assert from 'node:assert/strict';
import { Lanes } from '../../../../tasks/ModelRegistryDownload/transfer/lanes';

/** Work whose end the test decides. */
class Job {
  started = false;
  finish!: () => void;
  fail!: (error: Error) => void;
  readonly ended: Promise<void>;

  constructor(lanes: Lanes) {
    const work = () =>
      new Promise<void>((resolve, reject) => {
        this.started = true;
        [this.finish, this.fail] = [resolve, reject];
      });
    this.ended = lanes.use(work, (error) => error.message === 'busy').catch(() => undefined);
  }
}

const settle = () => new Promise((resolve) => setImmediate(resolve));
const startedOf = (jobs: Job[]) => jobs.filter(({ started }) => started).length;

describe('lanes', () => {
  async function jobsOn(lanes: Lanes, count: number): Promise<Job[]> {
    const jobs = Array.from({ length: count }, () => new Job(lanes));
    await settle();
    return jobs;
  }

  async function finish(...jobs: Job[]) {
    for (const job of jobs) job.finish();
    await settle();
  }

  it('let so many through at a time, and the next when one has ended', async () => {
    const jobs = await jobsOn(new Lanes(3), 5);
    assert.equal(startedOf(jobs), 3);
    await finish(jobs[0]!);
    assert.equal(startedOf(jobs), 4);
  });

  it('become half as many when the service is busy, once for all that ran together', async () => {
    const lanes = new Lanes(8);
    const first = await jobsOn(lanes, 8);
    for (const job of first) job.fail(new Error('busy'));
    await settle();
    assert.equal(startedOf(await jobsOn(lanes, 8)), 4);
  });

  it('stay as many after other errors', async () => {
    const lanes = new Lanes(4);
    const first = await jobsOn(lanes, 4);
    for (const job of first) job.fail(new Error('broken'));
    await settle();
    assert.equal(startedOf(await jobsOn(lanes, 4)), 4);
  });

  it('never close altogether', async () => {
    const lanes = new Lanes(2);
    for (let n = 0; n < 5; n++) {
      const [job] = await jobsOn(lanes, 1);
      job!.fail(new Error('busy'));
      await settle();
    }
    assert.equal(startedOf(await jobsOn(lanes, 2)), 1);
  });

  it('open again one by one while all goes well', async () => {
    const lanes = new Lanes(4);
    const [job] = await jobsOn(lanes, 1);
    job!.fail(new Error('busy'));
    await settle();
    await finish(...(await jobsOn(lanes, 2)));
    const jobs = await jobsOn(lanes, 4);
    assert.equal(startedOf(jobs), 3);
  });
});
