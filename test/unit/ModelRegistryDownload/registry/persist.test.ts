import assert from 'node:assert/strict';
import sinon from 'sinon';
import { TaskError } from '../../../../tasks/common/errors';
import { createLogger } from '../../../../tasks/common/log';
import { BrokenAnswerError, RestError } from '../../../../tasks/ModelRegistryDownload/registry/errors';
import { connect, limitSilence, persist } from '../../../../tasks/ModelRegistryDownload/registry/persist';
import { impatient } from '../support';

describe('a request to the registry', () => {
  const broken = () => new BrokenAnswerError('the connection broke', 'ECONNRESET');
  const busy = () => new RestError('', 503, 'ServerBusy', new Map());
  const refused = (status = 403) => new RestError('', status, 'AuthenticationFailed', new Map());
  const patience = impatient();
  const { waits } = patience;
  const begin = () =>
    connect(
      createLogger(() => {}),
      new AbortController().signal,
      patience,
    );
  const waited = () => waits.reduce((sum, wait) => sum + wait, 0);

  beforeEach(() => {
    waits.length = 0;
  });

  /** Fails so many times and then succeeds. */
  function failing(times: number, error: () => Error) {
    let left = times;
    return async () => {
      if (left-- > 0) throw error();
      return 'done';
    };
  }

  it('is made again for five minutes', async () => {
    await assert.rejects(persist('x', failing(Number.POSITIVE_INFINITY, busy), begin()), {
      code: 'ServerBusy',
    });
    assert.ok(waited() > 290_000 && waited() <= 300_000, `${waited()}`);
  });

  it('outlives a registry that is busy for a minute and a half', async () => {
    assert.equal(await persist('x', failing(12, busy), begin()), 'done');
    assert.ok(waited() > 90_000, `${waited()}`);
  });

  it('has all its patience again once it got on', async () => {
    let tries = 0;
    const request = failing(60, busy);
    const counted = async () => {
      tries += 1;
      return request();
    };
    assert.equal(await persist('x', counted, begin(), () => tries % 8 === 0), 'done');
    assert.ok(waited() > 300_000, `${waited()}`);
    // After each eighth try the waits begin anew.
    assert.ok(waits.filter((wait) => wait <= 500).length >= 7);
  });

  it('waits for nothing after a connection that broke and brought something', async () => {
    assert.equal(await persist('x', failing(500, broken), begin(), () => true), 'done');
    assert.deepEqual(waits, []);
  });

  it('waits after a connection that broke and brought nothing', async () => {
    assert.equal(await persist('x', failing(3, broken), begin(), () => false), 'done');
    assert.equal(waits.length, 3);
  });

  for (const status of [401, 403]) {
    it(`is not made again after HTTP ${status} from a registry that never let the step in`, async () => {
      await assert.rejects(
        persist(
          'x',
          failing(1, () => refused(status)),
          begin(),
        ),
        { statusCode: status },
      );
      assert.deepEqual(waits, []);
    });

    it(`outlives one HTTP ${status} from a registry that has let the step in, and not half a minute of them`, async () => {
      const connection = begin();
      await persist('x', failing(0, busy), connection);
      assert.equal(
        await persist(
          'x',
          failing(3, () => refused(status)),
          connection,
        ),
        'done',
      );
      waits.length = 0;
      const always = failing(Number.POSITIVE_INFINITY, () => refused(status));
      await assert.rejects(persist('x', always, connection), { statusCode: status });
      assert.ok(waited() > 25_000 && waited() <= 30_000, `${waited()}`);
    });
  }

  it('says what signing in met, however long that took', async () => {
    const clock = sinon.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    try {
      let tries = 0;
      const signIn = () => {
        tries += 1;
        return new Promise((_, reject) => {
          setTimeout(() => reject(new TaskError('No answer from the sign-in.')), 10 * patience.idle);
        });
      };
      const connection = begin();
      const request = persist('x', () => limitSilence(signIn, connection), connection);
      const failed = assert.rejects(request, { message: 'No answer from the sign-in.' });
      await clock.runAllAsync();
      await failed;
      assert.equal(tries, 1);
    } finally {
      clock.restore();
    }
  });

  it('is given up after five minutes, though a little comes all the time', async () => {
    const clock = sinon.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    try {
      const outcome = limitSilence(
        ({ signal, touch }) =>
          new Promise((_, reject) => {
            const trickle = () => {
              touch();
              setTimeout(trickle, 10_000);
            };
            trickle();
            signal.addEventListener('abort', () => reject(broken()));
          }),
        begin(),
      );
      const settled = outcome.catch(({ message }) => message);
      await clock.tickAsync(299_000);
      assert.equal(await Promise.race([settled, 'under way']), 'under way');
      await clock.tickAsync(2_000);
      assert.equal(await settled, 'it was not done in 5 min');
    } finally {
      clock.restore();
    }
  });

  for (const [what, signs, isAnswered] of [
    ['silent from the start', 0, false],
    ['silent after it had begun', 1, true],
  ] as const) {
    it(`tells whether there was an answer at all, where it is ${what}`, async () => {
      const clock = sinon.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
      try {
        const outcome = limitSilence(
          ({ signal, touch }) =>
            new Promise((_, reject) => {
              for (let sign = 0; sign < signs; sign++) touch();
              signal.addEventListener('abort', () => reject(broken()));
            }),
          begin(),
        );
        const failure = assert.rejects(outcome, { message: 'nothing came for 30 s', isAnswered });
        await clock.tickAsync(31_000);
        await failure;
      } finally {
        clock.restore();
      }
    });
  }
});
