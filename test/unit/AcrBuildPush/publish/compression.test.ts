import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { Readable } from 'node:stream';
import type { LocalLayer } from '../../../../tasks/AcrBuildPush/image/image';
import { FormChooser, type FormKind } from '../../../../tasks/AcrBuildPush/publish/compression';

const MEGABYTE = 1024 * 1024;

/** A layer of any size, of which there is no more than it takes to sample it. */
function layerOf(size: number, content: Buffer): LocalLayer {
  return { kind: 'local', diffId: 'sha256:x', size, open: () => Readable.from([content]) };
}

const numbers = Buffer.from(randomBytes(10 * MEGABYTE).toString('hex'));
const large = layerOf(200 * MEGABYTE, numbers);

describe('compression by auto', () => {
  /** As fast as an agent compresses, while it sends and alone. */
  const SPEED = 100e6;
  const ALONE = SPEED / 0.7;

  /** What is chosen for layers of an image on a line whose looks see so many bytes a second, and what they sent. */
  async function choose(
    layers: readonly LocalLayer[],
    line: { gzip?: number; plain?: number },
    head = MEGABYTE,
  ) {
    const started: [FormKind, number][] = [];
    const forms = new FormChooser('auto');
    const chosen = await Promise.all(
      layers.map((layer) =>
        forms.choose(layer, {
          compressHead: async () => ({ content: Buffer.alloc(head), speed: ALONE }),
          async start(kind, { length }) {
            started.push([kind, length]);
            return line[kind];
          },
        }),
      ),
    );
    return { chosen, started, kind: chosen[0]!.kind, reason: chosen[0]!.reason };
  }

  it('goes on with what it has compressed on a line that is clearly slower, and says so', async () => {
    const { kind, reason, started } = await choose([large], { gzip: SPEED / 2 });
    assert.equal(kind, 'gzip');
    assert.match(reason, /^samples shrink to 5\d %, and the line takes 50\.0 MB\/s$/);
    assert.deepEqual(started, [['gzip', MEGABYTE]]);
  });

  it('stores a layer as it is on a line that is clearly faster, and says so', async () => {
    const { kind, reason, started } = await choose([large], { gzip: SPEED * 4 });
    assert.equal(kind, 'plain');
    assert.equal(reason, 'since the line takes 400 MB/s, and this agent compresses 100 MB/s');
    assert.deepEqual(started, [['gzip', MEGABYTE]]);
  });

  for (const [first, second, kind] of [
    [0.8, 0.9, 'gzip'],
    [0.8, 1.1, 'plain'],
    [2, 0.9, 'gzip'],
    [2, 1.5, 'plain'],
  ] as const) {
    it(`looks closer at a line that seems ${first} times as fast, and believes ${second} times: ${kind}`, async () => {
      const form = await choose([large], { gzip: first * SPEED, plain: second * SPEED });
      assert.equal(form.kind, kind);
      assert.match(form.reason, new RegExp(`the line takes ${Math.round(second * 100)}(?:\\.0)? MB/s`));
      assert.deepEqual(
        form.started.map(([one]) => one),
        ['gzip', 'plain'],
      );
    });
  }

  for (const [megabytes, most] of [
    [64, 2],
    [300, 10],
    [20_000, 16],
  ] as const) {
    it(`takes no more than ${most} MB of ${megabytes} MB for the closer look`, async () => {
      const { started } = await choose([layerOf(megabytes * MEGABYTE, numbers)], {
        gzip: SPEED,
        plain: SPEED,
      });
      const [, [, length]] = started as [unknown, [string, number]];
      assert.ok(length >= 2 * MEGABYTE && length <= most * MEGABYTE, `${length} bytes`);
    });
  }

  it('looks at the line once for all large layers of an image', async () => {
    const { chosen, started } = await choose([large, large, large], { gzip: 4 * SPEED });
    assert.deepEqual(
      chosen.map(({ kind }) => kind),
      ['plain', 'plain', 'plain'],
    );
    assert.equal(started.length, 1);
  });

  it('compresses where nothing is known of the line', async () => {
    for (const line of [{}, { gzip: SPEED }]) {
      const { kind, reason } = await choose([large], line);
      assert.equal(kind, 'gzip');
      assert.match(reason, /^samples shrink to 5\d %$/);
    }
  });

  it('compresses what shrinks to nearly nothing without a look at the line', async () => {
    const { kind, started } = await choose([layerOf(200 * MEGABYTE, Buffer.alloc(MEGABYTE))], {}, 9_000);
    assert.equal(kind, 'gzip');
    assert.deepEqual(started, []);
  });

  it('stores what hardly shrinks as it is, without a look at the line', async () => {
    const { chosen, started } = await choose([layerOf(200 * MEGABYTE, randomBytes(MEGABYTE))], {});
    assert.deepEqual(chosen, [{ kind: 'plain', reason: 'since samples shrink to 100 % only' }]);
    assert.deepEqual(started, []);
  });

  it('compresses a small layer without a look at the line', async () => {
    const { kind, started } = await choose([layerOf(20 * MEGABYTE, numbers)], {});
    assert.equal(kind, 'gzip');
    assert.deepEqual(started, []);
  });
});
