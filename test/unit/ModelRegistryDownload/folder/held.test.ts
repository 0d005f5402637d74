import assert from 'node:assert/strict';
import { whileHeld } from '../../../../tasks/ModelRegistryDownload/folder/held';

describe('something that another process holds', () => {
  /** Fails so many times with a code; tells how often it was tried, and how long it was waited for in all. */
  async function tryWith(code: string, failures: number, platform: NodeJS.Platform) {
    let tries = 0;
    let waited = 0;
    const action = async () => {
      if (tries++ < failures) throw Object.assign(new Error(code), { code });
      return 'done';
    };
    const sleep = async (milliseconds: number) => {
      waited += milliseconds;
    };
    const result = await whileHeld(action, { platform, sleep }).catch((error) => error.code as string);
    return { result, tries, waited };
  }

  for (const code of ['EPERM', 'EACCES', 'EBUSY']) {
    it(`is waited for on Windows (${code})`, async () => {
      const { result, tries } = await tryWith(code, 2, 'win32');
      assert.deepEqual({ result, tries }, { result: 'done', tries: 3 });
    });
  }

  it('is given up after some seconds', async () => {
    const { result, waited } = await tryWith('EBUSY', 1000, 'win32');
    assert.equal(result, 'EBUSY');
    assert.ok(waited >= 5_000 && waited <= 11_000, String(waited));
  });

  it('is tried often, since somebody may let go for a moment only', async () => {
    assert.ok((await tryWith('EBUSY', 1000, 'win32')).tries >= 50);
  });

  it('is not waited for where it says something else', async () => {
    assert.equal((await tryWith('ENOSPC', 1, 'win32')).tries, 1);
    assert.equal((await tryWith('EBUSY', 1, 'linux')).tries, 1);
  });
});
