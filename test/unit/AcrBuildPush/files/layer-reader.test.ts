import assert from 'node:assert/strict';
import { Readable } from 'node:stream';
import { lookThroughLayer, readLayer } from '../../../../tasks/AcrBuildPush/files/layer-reader';
import type { LocalLayer } from '../../../../tasks/AcrBuildPush/image/image';
import { CancelledError } from '../../../../tasks/common/errors';

const diffId = `sha256:${'0'.repeat(64)}`;

/** A layer that begins so and has no end, and the streams that were opened of it. */
function endless(begin: Buffer, onRead: () => void = () => undefined) {
  const opened: Readable[] = [];
  const layer: LocalLayer = {
    ...{ kind: 'local', diffId, size: 1_000_000 },
    open: () => {
      let isFirst = true;
      const stream = new Readable({
        read() {
          if (!isFirst) return;
          isFirst = false;
          onRead();
          this.push(begin);
        },
      });
      opened.push(stream);
      return stream;
    },
  };
  return { layer, opened };
}

describe('a layer that is not read to its end', () => {
  const { signal } = new AbortController();
  const areClosed = (opened: readonly Readable[]) =>
    assert.deepEqual(
      opened.map(({ destroyed }) => destroyed),
      [true],
    );

  for (const [what, begin] of [
    ['is no tar', Buffer.alloc(2_000, 'x')],
    // Which not every version of Node can unpack.
    ['is packed, and broken', Buffer.from('28b52ffdffffffffffff', 'hex')],
  ] as const) {
    it(`is closed where it ${what}`, async () => {
      const { layer, opened } = endless(begin);
      await assert.rejects(readLayer(layer, () => undefined, signal));
      areClosed(opened);
    });
  }

  it('is closed where it was to be looked through', async () => {
    const { layer, opened } = endless(Buffer.alloc(2_000, 'x'));
    await assert.rejects(
      lookThroughLayer(layer, () => undefined),
      /no tar/,
    );
    areClosed(opened);
  });

  it('is closed where the step is canceled at its first bytes', async () => {
    const cancel = new AbortController();
    const { layer, opened } = endless(Buffer.alloc(512), () => cancel.abort());
    await assert.rejects(
      readLayer(layer, () => undefined, cancel.signal),
      CancelledError,
    );
    areClosed(opened);
  });
});
