import assert from 'node:assert/strict';
import { openSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { CancelledError } from '../../../tasks/common/errors';
import type { ModelFolder } from '../../../tasks/ModelRegistryDownload/folder/folder';
import type { ModelManifest } from '../../../tasks/ModelRegistryDownload/folder/manifest';
import { inspectModel } from '../../../tasks/ModelRegistryDownload/inspect-model';
import { temporaryFolder } from './support';

describe('the inspection of many small files', () => {
  let folder: Awaited<ReturnType<typeof temporaryFolder>>;
  beforeEach(async () => {
    folder = await temporaryFolder();
  });
  afterEach(() => folder.remove());

  it('ends with the step that is cancelled meanwhile', async () => {
    const file = join(folder.path, 'small.txt');
    writeFileSync(file, 'no pickle');
    const cancel = new AbortController();
    let opened = 0;
    const open = () => {
      opened += 1;
      if (opened === 1) setImmediate(() => cancel.abort());
      return openSync(file, 'r');
    };
    const files = Array.from({ length: 2_000 }, (_, n) => ({ path: `${n}.txt` }));
    const inspected = inspectModel(
      { files } as unknown as ModelManifest,
      { open } as unknown as ModelFolder,
      { pickleScan: 'warn', pickleAllow: new Set() },
      cancel.signal,
    );
    await assert.rejects(inspected, CancelledError);
    assert.ok(opened < files.length / 2);
  });
});
