import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { Readable } from 'node:stream';
import { gunzipSync } from 'node:zlib';
import type { LocalLayer } from '../../../../tasks/AcrBuildPush/image/image';
import { chooseLevels } from '../../../../tasks/AcrBuildPush/publish/compression';
import { gzipMember } from '../../../../tasks/AcrBuildPush/publish/gzip';

const MEGABYTE = 1024 * 1024;

/** A layer of any size, of which there is no more than it takes to sample it. */
function layerOf(size: number, content: Buffer): LocalLayer {
  return { kind: 'local', diffId: 'sha256:x', size, open: () => Readable.from([content]) };
}

const numbers = Buffer.from(randomBytes(MEGABYTE / 2).toString('hex'));

describe('compression by auto', () => {
  let time: number;
  beforeEach(() => {
    time = 0;
  });

  /** Each look at the clock finds it ten milliseconds later: three samples are compressed in those. */
  const clock = () => {
    time += 10;
    return time;
  };

  for (const [line, milliseconds, level, reason] of [
    ['slow', 2_000, 1, /^samples shrink to 5\d %, and the line takes [\d.]+ MB\/s$/],
    ['much faster than this agent compresses', 20, 0, /^stored as it is: the line takes .*, and this agent/],
  ] as const) {
    it(`sends the beginning as it is, and goes by a line that is ${line}`, async () => {
      const levels = await chooseLevels('auto', layerOf(200 * MEGABYTE, numbers), clock);
      assert.equal(levels.next(), 0);
      levels.taken(MEGABYTE);
      time += milliseconds;
      for (let sent = 0; sent < 16; sent++) levels.taken(MEGABYTE);
      assert.equal(levels.next(), level);
      assert.match(levels.reason(), reason);
    });
  }

  it('stores what hardly shrinks as it is', async () => {
    const levels = await chooseLevels('auto', layerOf(200 * MEGABYTE, randomBytes(MEGABYTE)), clock);
    assert.equal(levels.next(), 0);
    assert.match(levels.reason(), /samples shrink to 100 % only/);
  });

  it('compresses a small layer without looking at the line', async () => {
    const levels = await chooseLevels('auto', layerOf(20 * MEGABYTE, numbers), clock);
    assert.equal(levels.next(), 1);
  });

  it('gives way to what was asked for', async () => {
    const levels = await chooseLevels('gzip', layerOf(200 * MEGABYTE, randomBytes(10)), clock);
    assert.equal(levels.next(), 1);
    assert.equal(levels.reason(), '');
  });

  it('stores bytes in a form that gzip reads', async () => {
    const member = await gzipMember(numbers, 0);
    assert.ok(member.length >= numbers.length);
    assert.deepEqual(gunzipSync(member), numbers);
  });
});
