import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { Readable } from 'node:stream';
import type { LocalLayer } from '../../../../tasks/AcrBuildPush/image/image';
import { chooseForm } from '../../../../tasks/AcrBuildPush/publish/compression';

const MEGABYTE = 1024 * 1024;

/** A layer of any size, of which there is no more than it takes to sample it. */
function layerOf(size: number, content: Buffer): LocalLayer {
  return { kind: 'local', diffId: 'sha256:x', size, open: () => Readable.from([content]) };
}

const numbers = Buffer.from(randomBytes(MEGABYTE / 2).toString('hex'));

describe('compression by auto', () => {
  const RATE = 200 * MEGABYTE;

  /** What is chosen where four samples of half a megabyte are compressed in ten milliseconds. */
  async function choose(layer: LocalLayer, line?: number) {
    const probed: number[] = [];
    let time = 0;
    const form = await chooseForm(layer, {
      now: () => {
        time += 10;
        return time;
      },
      measureLine: async ({ length }) => {
        probed.push(length);
        return line;
      },
    });
    return { ...form, probed };
  }

  it('compresses on a line that is slower than compression, and says so', async () => {
    const form = await choose(layerOf(200 * MEGABYTE, numbers), RATE - 1);
    assert.equal(form.kind, 'gzip');
    assert.match(form.reason, /^samples shrink to 5\d %, and the line takes 210 MB\/s$/);
  });

  it('stores a layer as it is where the line is faster than compression, and says so', async () => {
    const form = await choose(layerOf(200 * MEGABYTE, numbers), RATE + 1);
    assert.equal(form.kind, 'plain');
    assert.equal(form.reason, 'since the line takes 210 MB/s, and this agent compresses 210 MB/s');
  });

  it('compresses where nothing is known of the line', async () => {
    const form = await choose(layerOf(200 * MEGABYTE, numbers));
    assert.equal(form.kind, 'gzip');
    assert.match(form.reason, /^samples shrink to 5\d %$/);
  });

  for (const [megabytes, most] of [
    [64, MEGABYTE / 2],
    [300, 2.5 * MEGABYTE],
    [20_000, 8 * MEGABYTE],
  ] as const) {
    it(`sends little of ${megabytes} MB to look at the line, and counts it`, async () => {
      const size = megabytes * MEGABYTE;
      const form = await choose(layerOf(size, Buffer.concat(Array.from({ length: 8 }, () => numbers))), RATE);
      assert.deepEqual(form.probed, [form.sentBytes]);
      assert.ok(form.sentBytes > 0 && form.sentBytes <= most, `${form.sentBytes} bytes`);
    });
  }

  it('stores what hardly shrinks as it is, without a look at the line', async () => {
    const form = await choose(layerOf(200 * MEGABYTE, randomBytes(MEGABYTE)));
    assert.deepEqual(form, {
      kind: 'plain',
      reason: 'since samples shrink to 100 % only',
      sentBytes: 0,
      probed: [],
    });
  });

  it('compresses a small layer without a look at the line', async () => {
    const form = await choose(layerOf(20 * MEGABYTE, numbers));
    assert.equal(form.kind, 'gzip');
    assert.deepEqual(form.probed, []);
  });
});
