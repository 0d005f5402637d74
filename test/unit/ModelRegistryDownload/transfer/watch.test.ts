import assert from 'node:assert/strict';
import sinon from 'sinon';
import { TaskError } from '../../../../tasks/common/errors';
import { createLogger } from '../../../../tasks/common/log';
import { connect } from '../../../../tasks/ModelRegistryDownload/registry/persist';
import { Watch, type Watched } from '../../../../tasks/ModelRegistryDownload/transfer/watch';
import { impatient } from '../support';

describe('the watch over the requests of a transfer', () => {
  let clock: sinon.SinonFakeTimers;
  let watch: Watch;
  const cancel = new AbortController();
  const patience = impatient();
  const log = createLogger(() => {});
  const connection = connect(log, cancel.signal, patience);

  beforeEach(() => {
    clock = sinon.useFakeTimers({ toFake: ['setInterval', 'clearInterval', 'performance'] });
    watch = new Watch(connection);
  });

  afterEach(() => clock.restore());

  /** A request that lives until it is given up or ended, and how it ended. */
  function start(silences = 0, trickles = 0) {
    const request = { watched: undefined as unknown as Watched, end: () => {}, outcome: 'under way' };
    const body = (watched: Watched) =>
      new Promise<void>((resolve, reject) => {
        Object.assign(request, { watched, end: resolve });
        watched.onStop = () => reject(new Error('aborted'));
      });
    watch.over({ silences, trickles }, body).then(
      () => Object.assign(request, { outcome: 'ended' }),
      (error) => Object.assign(request, { outcome: error.message }),
    );
    return request;
  }

  type Request = ReturnType<typeof start>;

  /** Lets time pass, in which so many bytes come for each of some requests every 10 milliseconds. */
  async function bring(milliseconds: number, requests: readonly [Request, bytes: number][]) {
    for (let passed = 0; passed < milliseconds; passed += 10) {
      await clock.tickAsync(10);
      for (const [{ watched }, bytes] of requests) watched.touch(bytes);
    }
  }

  /** Lets time pass, in which something comes for some requests every so many milliseconds. */
  async function pass(milliseconds: number, moving: readonly Request[], every = 10) {
    for (let passed = 0; passed < milliseconds; passed += every) {
      await clock.tickAsync(every);
      for (const { watched } of moving) watched.touch();
    }
  }

  it('gives a silent request up after a second, where others go on', async () => {
    const [silent, moving] = [start(), start()];
    await pass(500, [silent, moving]);
    await pass(900, [moving]);
    assert.equal(silent.outcome, 'under way');
    await pass(400, [moving]);
    assert.match(silent.outcome, /^nothing came for 1(\.\d)? s$/);
    assert.equal(moving.outcome, 'under way');
  });

  it('gives one up that never began, where others go on', async () => {
    const [silent, moving] = [start(), start()];
    await pass(1_500, [moving]);
    assert.match(silent.outcome, /^nothing came/);
  });

  it('gives each further try of a request twice as long', async () => {
    const [silent, moving] = [start(2), start()];
    await pass(3_500, [moving]);
    assert.equal(silent.outcome, 'under way');
    await pass(1_000, [moving]);
    assert.match(silent.outcome, /^nothing came for 4/);
  });

  it('is patient where the usual pace is slow', async () => {
    const [silent, moving] = [start(), start()];
    await pass(10_000, [silent, moving], 200);
    await pass(2_800, [moving], 200);
    assert.equal(silent.outcome, 'under way');
    await pass(800, [moving], 200);
    assert.match(silent.outcome, /^nothing came for 3/);
  });

  it('waits longer where all are silent: it is the network then', async () => {
    const all = [start(), start()];
    await pass(500, all);
    await pass(3_500, []);
    assert.deepEqual(
      all.map(({ outcome }) => outcome),
      ['under way', 'under way'],
    );
  });

  it('gives the last one up too, when it fell silent while others went on', async () => {
    const [silent, moving] = [start(), start()];
    await pass(500, [silent, moving]);
    await pass(300, [moving]);
    moving.end();
    await pass(1_000, []);
    assert.match(silent.outcome, /^nothing came for 1/);
  });

  it('waits the whole time while nothing is known of the usual pace', async () => {
    const silent = start();
    await pass(29_000, []);
    assert.equal(silent.outcome, 'under way');
    await pass(1_500, []);
    assert.match(silent.outcome, /^nothing came for 30/);
  });

  it('gives up one that trickles, where others have shown what the link can do', async () => {
    const [slow, ...usual] = Array.from({ length: 9 }, () => start()) as [Request, ...Request[]];
    await bring(6_000, [[slow, 1_000], ...usual.map((request): [Request, number] => [request, 100_000])]);
    for (const { end } of usual) end();
    await bring(3_000, [[slow, 1_000]]);
    assert.equal(slow.outcome, 'only 100 KB/s came');
  });

  it('lets each further try of a request trickle twice as slow', async () => {
    const [slow, ...usual] = Array.from({ length: 9 }, (_, index) => start(0, index === 0 ? 4 : 0)) as [
      Request,
      ...Request[],
    ];
    await bring(10_000, [[slow, 1_000], ...usual.map((request): [Request, number] => [request, 100_000])]);
    assert.equal(slow.outcome, 'under way');
  });

  it('lets all be slow, where the link is', async () => {
    const all = [start(), start(), start()];
    await bring(
      20_000,
      all.map((request): [Request, number] => [request, 1]),
    );
    assert.deepEqual(
      all.map(({ outcome }) => outcome),
      ['under way', 'under way', 'under way'],
    );
  });

  it('gives up one that has brought next to nothing in ten minutes', async () => {
    const trickle = start();
    await pass(599_000, [trickle], 1_000);
    assert.equal(trickle.outcome, 'under way');
    await pass(2_000, [trickle], 1_000);
    assert.match(trickle.outcome, /^only 0 B\/s came/);
  });

  it('blames nobody when this process was held up itself', async () => {
    const all = [start(), start()];
    await pass(500, all);
    // One timer comes an hour late: what is on its way to this process is seen only after it.
    sinon.stub(performance, 'now').returns(3_600_000);
    await clock.tickAsync(250);
    sinon.restore();
    assert.deepEqual(
      all.map(({ outcome }) => outcome),
      ['under way', 'under way'],
    );
  });

  it('says what signing in met, however long that took', async () => {
    const moving = start();
    const outcome = watch.over({ silences: 0, trickles: 0 }, async () => {
      await pass(5_000, [moving]);
      throw new TaskError('No answer from the sign-in.');
    });
    await assert.rejects(outcome, { message: 'No answer from the sign-in.' });
    moving.end();
  });

  it('leaves no timer behind', async () => {
    const requests = [start(), start()];
    for (const { end } of requests) end();
    await clock.tickAsync(0);
    assert.equal(clock.countTimers(), 0);
    assert.deepEqual(
      requests.map(({ outcome }) => outcome),
      ['ended', 'ended'],
    );
  });
});
