import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, posix, win32 } from 'node:path';
import { isInside, realPath, statOf } from '../../../../tasks/common/files/paths';

describe('a path', () => {
  for (const [path, folder, inside, rules] of [
    ['/a', '/a', true, posix],
    ['/a/b/c', '/a', true, posix],
    ['/a/..b', '/a', true, posix],
    ['/a/b../c', '/a', true, posix],
    ['/a/b..\\c', '/a', true, posix],
    ['/', '/a', false, posix],
    ['/ab', '/a', false, posix],
    ['/a/../b', '/a', false, posix],
    ['/b/c', '/a', false, posix],
    ['C:\\a\\b', 'c:\\A', true, win32],
    ['C:\\ab', 'C:\\a', false, win32],
    ['C:\\', 'C:\\a', false, win32],
    ['D:\\a', 'C:\\a', false, win32],
    ['\\\\server\\share\\a', 'C:\\a', false, win32],
  ] as const) {
    it(`is ${inside ? 'inside' : 'outside'}: ${path} of ${folder}`, () => {
      assert.equal(isInside(path, folder, rules), inside);
    });
  }

  describe('on the disk', () => {
    let room: string;

    beforeEach(() => {
      room = realpathSync(mkdtempSync(join(tmpdir(), 'paths-')));
      mkdirSync(join(room, 'folder'));
      writeFileSync(join(room, 'folder/file'), 'content');
      symlinkSync('folder', join(room, 'link'));
      symlinkSync('circle', join(room, 'circle'));
    });
    afterEach(() => rmSync(room, { recursive: true }));

    it('leads through its links, and to what is not there yet', () => {
      assert.equal(realPath(join(room, 'link/file')), join(room, 'folder/file'));
      assert.equal(realPath(join(room, 'link/new/deep')), join(room, 'folder/new/deep'));
      assert.equal(realPath('/'), '/');
    });

    it('says what is there, and nothing where nothing can be', () => {
      assert.equal(statOf(join(room, 'link/file'))?.isFile(), true);
      for (const path of ['none', 'folder/file/x', 'circle'])
        assert.equal(statOf(join(room, path)), undefined);
      assert.throws(() => statOf(join(room, 'x'.repeat(300))), { code: 'ENAMETOOLONG' });
      assert.throws(() => statOf('\0'), { code: 'ERR_INVALID_ARG_VALUE' });
    });
  });
});
