import assert from 'node:assert/strict';
import { setImmediate } from 'node:timers/promises';
import type { RegistryClient } from '../../../../tasks/AcrBuildPush/registry/client';
import { EarlierImages } from '../../../../tasks/AcrBuildPush/registry/earlier-images';
import { CancelledError } from '../../../../tasks/common/errors';

describe('The images of a repository', () => {
  it('may be asked for in advance: only who awaits them hears that the step was cancelled', async () => {
    const unheard: unknown[] = [];
    const listen = (error: unknown) => unheard.push(error);
    process.on('unhandledRejection', listen);
    try {
      const signIn = () => Promise.reject(new CancelledError());
      const earlier = new EarlierImages({ signIn } as unknown as RegistryClient, ['1.0.0']);
      void earlier.all();
      await setImmediate();
      assert.deepEqual(unheard, []);
      await assert.rejects(earlier.all(), CancelledError);
    } finally {
      process.off('unhandledRejection', listen);
    }
  });
});
