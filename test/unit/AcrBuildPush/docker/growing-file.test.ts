import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { GrowingFile } from '../../../../tasks/AcrBuildPush/docker/growing-file';

describe('a file that is read while it is written', () => {
  let folder: string;
  let file: GrowingFile;

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'growing-'));
    file = new GrowingFile(join(folder, 'layer'));
  });

  afterEach(async () => {
    await file.close();
    rmSync(folder, { recursive: true });
  });

  it('gives all of it to readers that began before it was whole, from where they began', async () => {
    const readers = [buffer(file.open()), buffer(file.open(3))];
    const content = Buffer.alloc(2_500_000, 'abc');
    await file.append(content.subarray(0, 1_500_000));
    await file.append(content.subarray(1_500_000));
    await file.end();
    const [all, rest] = await Promise.all(readers);
    assert.ok(all!.equals(content));
    assert.ok(rest!.equals(content.subarray(3)));
  });

  for (const isWhole of [false, true]) {
    it(`ends its readers with the reason when it fails ${isWhole ? 'after' : 'before'} it was whole`, async () => {
      await file.append(Buffer.alloc(2_500_000));
      if (isWhole) await file.end();
      const reader = file.open();
      await reader.iterator({ destroyOnReturn: false }).next();
      file.fail(new Error('docker failed'));
      await file.close();
      await assert.rejects(buffer(reader), /^Error: docker failed$/);
    });
  }
});
