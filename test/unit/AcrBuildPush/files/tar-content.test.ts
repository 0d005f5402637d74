import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { CHUNK, readTarPieces, type TarPiece } from '../../../../tasks/AcrBuildPush/files/tar-content';

const GIBIBYTE = 1024 ** 3;

describe('a tar of a large file', () => {
  const folder = mkdtempSync(join(tmpdir(), 'tar-content-'));
  const path = join(folder, 'model.bin');
  before(() => writeFileSync(path, ''));
  after(() => rmSync(folder, { recursive: true, force: true }));

  /** A header, a file of so many bytes without any content on the disk, and the end. */
  function tarOf(size: number): TarPiece[] {
    truncateSync(path, size);
    return [
      { size: 512, data: Buffer.alloc(512, 'h') },
      { size, path },
      { size: 1024, data: Buffer.alloc(1024, 'e') },
    ];
  }

  for (const gibibytes of [2, 3, 20]) {
    for (const rest of [1, 700_000, CHUNK, 5 * CHUNK]) {
      it(`of ${gibibytes} GiB is read in pieces from any place on, here the last ${rest} bytes of it`, async () => {
        const size = gibibytes * GIBIBYTE;
        let bytes = 0;
        let last: Buffer = Buffer.alloc(0);
        for await (const chunk of readTarPieces(tarOf(size), 512 + size - rest)) {
          bytes += chunk.length;
          last = chunk;
          assert.ok(chunk.buffer.byteLength <= 2 * CHUNK, `${chunk.buffer.byteLength} bytes are in memory`);
        }
        assert.equal(bytes, rest + 1024);
        assert.equal(last.at(-1), 'e'.charCodeAt(0));
      });
    }
  }
});
