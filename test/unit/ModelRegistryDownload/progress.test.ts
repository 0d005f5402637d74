import assert from 'node:assert/strict';
import { createLogger } from '../../../tasks/common/log';
import { Progress } from '../../../tasks/ModelRegistryDownload/progress';

describe('progress', () => {
  it('is told every five seconds, with rate and time left', () => {
    const lines: string[] = [];
    let now = 0;
    const progress = new Progress(
      100e6,
      createLogger((line) => lines.push(line)),
      () => now,
    );
    for (now = 1_000; now <= 11_000; now += 1_000) progress.add(5e6);
    assert.deepEqual(lines, [
      '25.0 MB of 100 MB (25 %), 5.0 MB/s, 15 s left',
      '##vso[task.setprogress value=25;]Downloading the model',
      '50.0 MB of 100 MB (50 %), 5.0 MB/s, 10 s left',
      '##vso[task.setprogress value=50;]Downloading the model',
    ]);
  });
});
