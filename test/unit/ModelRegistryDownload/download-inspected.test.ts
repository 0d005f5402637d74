import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { TaskError } from '../../../tasks/common/errors';
import { MANIFEST, useDownload } from './download';

const ATTACK = "cposix\nsystem\n(S'true'\ntR.";
const OWN = 'c__main__\nScorer\n(tR.';

describe('a model that would do more when it is loaded', () => {
  const story = useDownload();
  const manifest = async () => JSON.parse(await readFile(join(story.destination, MANIFEST), 'utf8'));

  it('is downloaded with a warning, and marked so that the API does not load it', async () => {
    story.server.put('titanic', '1.0.0/model.pkl', ATTACK);
    await story.download();
    assert.match(
      story.step.text,
      /type=warning.*would do more than make a model.*calls posix\.system \(byte 0\)/,
    );
    assert.deepEqual((await manifest()).refused, ['model.pkl calls posix.system (byte 0)']);
    assert.match(story.step.summary, /Loading the model would do this/);
  });

  for (const [name, model, remedy] of [
    ['a name by which it could run anything', ATTACK, /No pickle of a library does that: find out who/],
    ['a class of its own', OWN, /If you know this name to be your own code.*'pickleAllow'/],
  ] as const) {
    it(`has only what can be allowed advised to be allowed: it calls ${name}`, async () => {
      story.server.put('titanic', '1.0.0/model.pkl', model);
      await story.download();
      assert.match(story.step.text, remedy);
    });
  }

  it('fails the step where that is asked for, and leaves the folder as it was', async () => {
    await story.download();
    story.server.put('titanic', '1.0.0/model.pkl', ATTACK);
    await assert.rejects(story.download({ pickleScan: 'fail' }), /would do more than make a model/);
    assert.equal(await readFile(join(story.destination, 'model.pkl'), 'utf8'), 'the model');
  });

  it('is refused also where it is in the folder already', async () => {
    story.server.put('titanic', '1.0.0/model.pkl', ATTACK);
    await story.download({ pickleScan: 'off' });
    assert.equal((await manifest()).refused, undefined);
    await assert.rejects(story.download({ pickleScan: 'fail' }), (error: TaskError) =>
      error.details.join().includes('posix.system'),
    );
  });

  it('is taken once its names are allowed, without another download', async () => {
    story.server.put('titanic', '1.0.0/model.pkl', OWN);
    await story.download();
    assert.deepEqual((await manifest()).refused, ['model.pkl calls __main__.Scorer (byte 0)']);
    await story.download({ pickleAllow: new Set(['__main__.Scorer']) });
    assert.equal((await manifest()).refused, undefined);
    assert.equal(story.step.outputs.downloadedBytes, 0);
  });
});
