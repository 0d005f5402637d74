import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { BlobServer } from '../support/blob-server';
import { PackedTask } from '../support/packed-task';
import { PeakMemory } from '../support/peak-memory';

/**
 * 10,000 small files take 128 to 148 MB, of which 150 are promised: too near for a test on a busy machine, and too long.
 * So many take 109 to 113, on a busy machine as on a quiet one; 6 KB more of each, which is more than all that a step knows
 * of a file, are too much.
 */
const FILES = 2_000;
const MEMORY = 125 * 1000 ** 2;

describe('ModelRegistryDownload, packed, with thousands of small files', function () {
  this.timeout(120_000);
  let server: BlobServer;
  let folder: string;
  let task: PackedTask;

  before(async () => {
    server = await BlobServer.start();
    folder = mkdtempSync(join(tmpdir(), 'download-memory-'));
    task = PackedTask.unpack('ModelRegistryDownload');
    for (let n = 0; n < FILES; n++) server.put('titanic', `1.0.0/part-${n}.bin`, `part ${n}`);
  });

  after(async () => {
    await server.stop();
    task.remove();
    rmSync(folder, { recursive: true });
  });

  it('holds little more than with a few', async () => {
    const memory = new PeakMemory(join(folder, 'memory'));
    const inputs = {
      authType: 'accountKey',
      storageAccount: server.account,
      storageKey: server.key,
      blobEndpoint: server.endpoint,
      modelName: 'titanic',
      modelVersion: '1.0.0',
      destinationFolder: 'pickles',
    };
    const { ended } = task.start(join(folder, 'agent'), inputs, { env: memory.environment });
    const { result, output } = await ended;
    assert.equal(result, 'Succeeded', output);
    const peak = memory.read()!;
    assert.ok(peak < MEMORY, `the step held ${Math.round(peak / 1000 ** 2)} MB`);
  });
});
