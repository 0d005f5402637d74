import assert from 'node:assert/strict';
import { statfsSync } from 'node:fs';
import { DockerCli } from '../../../../tasks/AcrBuildPush/docker/cli';
import { checkIsWorthReading } from '../../../../tasks/AcrBuildPush/docker/worth-reading';
import { capturedLog, fakeDocker, temporaryFolder } from '../support';

describe('reading an image out of an engine', () => {
  const folder = temporaryFolder();
  after(() => folder.remove());

  /** @param share of what the disk has left, for an image that was built here whole */
  function check(share: number): Promise<void> {
    const { bavail, bsize } = statfsSync(folder.path);
    const size = Math.floor(bavail * bsize * share);
    const env = fakeDocker(folder.path, `echo ${size}`);
    const docker = new DockerCli({ env, signal: new AbortController().signal, log: capturedLog().log });
    const image = { docker, id: 'sha256:1', ownInstructions: 1 };
    return checkIsWorthReading(image, { diffIds: [], size, os: 'linux' }, folder.path);
  }

  it('takes twice its size on the disk, since the engine makes a copy first', async () => {
    await check(0.4);
    await assert.rejects(check(0.6), { message: /^The disk has only .* would pass through it/ });
  });
});
