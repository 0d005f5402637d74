import assert from 'node:assert/strict';
import sinon from 'sinon';
import { phase } from '../../../local/demo/console';
import { stopAll } from '../../../local/stop';

describe('a phase of the demo', () => {
  beforeEach(() => {
    sinon.stub(console, 'log');
  });
  afterEach(() => sinon.restore());

  it('hands over what it has started, also where it was canceled meanwhile, so that somebody can stop it', async () => {
    const cancel = new AbortController();
    const started = await phase('Starting', cancel.signal, async () => {
      cancel.abort();
      return 'the services';
    });
    assert.equal(started, 'the services');
  });

  it('does not begin once the demo was canceled', async () => {
    const work = sinon.stub().resolves();
    await assert.rejects(phase('Starting', AbortSignal.abort(), work), { name: 'AbortError' });
    assert.equal(work.callCount, 0);
  });
});

describe('the stopping of services', () => {
  it('goes on with the others where one fails, waits for all, and says what failed', async () => {
    const stopped: string[] = [];
    const one = (name: string, error?: Error) => ({
      stop: async () => {
        await Promise.resolve();
        stopped.push(name);
        if (error) throw error;
      },
    });
    const failing = one('engine', new Error('The engine is gone.'));
    await assert.rejects(stopAll([one('api'), undefined, failing, one('stack')]), /The engine is gone/);
    assert.deepEqual(stopped, ['api', 'engine', 'stack']);
    const broken = {
      stop: (): Promise<void> => {
        throw new Error('broken');
      },
    };
    await assert.rejects(stopAll([broken, one('storage')]), /broken/);
    assert.equal(stopped.at(-1), 'storage');
    await stopAll([]);
  });
});
