import assert from 'node:assert/strict';
import { closeSync, openSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import sinon from 'sinon';
import { ThreadDigester } from '../../../../tasks/ModelRegistryDownload/transfer/digester';
import { temporaryFolder } from '../support';

describe('the thread that digests', () => {
  let folder: Awaited<ReturnType<typeof temporaryFolder>>;

  beforeEach(async () => {
    folder = await temporaryFolder();
  });
  afterEach(async () => {
    sinon.restore();
    await folder.remove();
  });

  it('fails the next file, rather than never answering, where it ended while nobody waited', async () => {
    const program = join(folder.path, 'thread.js');
    await writeFile(program, "throw new Error('out of memory');");
    const on = sinon.spy(Worker.prototype, 'on');
    const digester = new ThreadDigester(program);
    const file = openSync(program, 'r');
    try {
      const thread = on.firstCall.thisValue as Worker;
      await new Promise((resolve) => thread.on('exit', resolve));
      await assert.rejects(digester.finish(file, false, 10, new AbortController().signal), /out of memory/);
    } finally {
      closeSync(file);
      await digester.close();
    }
  });
});
