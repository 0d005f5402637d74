import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { Readable } from 'node:stream';
import { gunzipSync } from 'node:zlib';
import type { LocalLayer } from '../../../../tasks/AcrBuildPush/image/image';
import { chooseForm, type LineProbe } from '../../../../tasks/AcrBuildPush/publish/compression';
import { gzipMember } from '../../../../tasks/AcrBuildPush/publish/gzip';

const MEGABYTE = 1024 * 1024;

/** A layer of any size, of which there is no more than it takes to sample it. */
function layerOf(size: number, content: Buffer): LocalLayer {
  return { kind: 'local', diffId: 'sha256:x', size, open: () => Readable.from([content]) };
}

const numbers = Buffer.from(randomBytes(MEGABYTE / 2).toString('hex'));

describe('compression by auto', () => {
  let time: number;
  /** Milliseconds between two looks at the clock: three samples are compressed in ten. */
  let step: number;
  beforeEach(() => {
    time = 0;
    step = 10;
  });

  const clock = () => {
    time += step;
    return time;
  };

  async function probeOf(size = 200 * MEGABYTE): Promise<LineProbe> {
    const form = await chooseForm(layerOf(size, numbers), clock);
    assert.ok(form.kind === 'by line');
    return form.probe;
  }

  it('sends the beginning as it is, and compresses the rest on a slow line', async () => {
    const probe = await probeOf();
    probe.taken(MEGABYTE);
    assert.equal(probe.next(), 0);
    time += 2_000;
    probe.taken(MEGABYTE);
    assert.equal(probe.next(), 1);
    assert.ok(!probe.tooFast.aborted);
    assert.match(probe.reason, /^samples shrink to 5\d %, and the line takes [\d.]+ MB\/s$/);
  });

  it('stops as soon as the line has shown to be faster than this agent compresses', async () => {
    const probe = await probeOf();
    step = 1;
    for (let sent = 0; sent < 15; sent++) probe.taken(MEGABYTE);
    assert.ok(!probe.tooFast.aborted);
    probe.taken(MEGABYTE);
    assert.ok(probe.tooFast.aborted);
    assert.match(probe.reason, /^since the line takes .*\/s, and this agent compresses .*\/s$/);
  });

  it('is not misled by bytes that only fill the buffers of the systems at both ends', async () => {
    const probe = await probeOf();
    step = 1;
    for (let sent = 0; sent < 8; sent++) probe.taken(MEGABYTE);
    step = 10;
    for (let sent = 8; sent < 16; sent++) probe.taken(MEGABYTE);
    assert.equal(probe.next(), 1);
    assert.ok(!probe.tooFast.aborted);
  });

  it('does not take the end of a layer for a change of the line', async () => {
    const probe = await probeOf();
    probe.taken(MEGABYTE);
    time += 2_000;
    for (let sent = 0; sent < 100; sent++) probe.taken(MEGABYTE);
    assert.ok(!probe.tooFast.aborted);
  });

  it('stores what hardly shrinks as it is', async () => {
    const form = await chooseForm(layerOf(200 * MEGABYTE, randomBytes(MEGABYTE)), clock);
    assert.deepEqual(form, { kind: 'plain', reason: 'since samples shrink to 100 % only' });
  });

  it('compresses a small layer without looking at the line', async () => {
    const form = await chooseForm(layerOf(20 * MEGABYTE, numbers), clock);
    assert.equal(form.kind, 'gzip');
  });

  it('stores bytes in a form that gzip reads', async () => {
    const member = await gzipMember(numbers, 0);
    assert.ok(member.length >= numbers.length);
    assert.deepEqual(gunzipSync(member), numbers);
  });
});
