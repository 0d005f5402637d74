import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import {
  closeSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { checkoutFolders, readFrom, readSourceFile } from '../../../../tasks/common/files/source-file';
import { TemporaryFolder } from '../../../../tasks/common/files/temporary-folder';

describe('a file that a commit can have made', () => {
  let room: string;
  let sources: string;

  beforeEach(() => {
    room = mkdtempSync(join(tmpdir(), 'source-file-'));
    sources = join(room, 's');
    mkdirSync(join(sources, 'sub'), { recursive: true });
    mkdirSync(join(sources, '.git'));
    writeFileSync(join(room, 'secret'), 'secret');
    writeFileSync(join(sources, '.git/config'), 'secret');
    writeFileSync(join(sources, 'sub/file'), 'content');
  });

  afterEach(() => rmSync(room, { recursive: true }));

  const read = (path: string) => readSourceFile(join(sources, path), 100, [sources]).toString();

  it('is read, also through a link to another of the same checkout', () => {
    symlinkSync('sub/file', join(sources, 'link'));
    symlinkSync('sub', join(sources, 'folder'));
    assert.equal(read('sub/file'), 'content');
    assert.equal(read('link'), 'content');
    assert.equal(read('folder/file'), 'content');
  });

  it('is read where the checkout itself lies behind a link of the machine', () => {
    symlinkSync('s', join(room, 'work'));
    const path = join(room, 'work/sub/file');
    assert.equal(readSourceFile(path, 100, [join(room, 'work')]).toString(), 'content');
  });

  it('is read where it is just as large as may be', () => {
    writeFileSync(join(sources, 'x'), 'x'.repeat(100));
    assert.equal(read('x').length, 100);
    writeFileSync(join(sources, 'empty'), '');
    assert.equal(read('empty'), '');
  });

  it("is the machine's own affair outside of every checkout, and so are git's files where they are named", () => {
    assert.equal(readSourceFile(join(room, 'secret'), 100, [sources]).toString(), 'secret');
    assert.equal(read('.git/config'), 'secret');
  });

  it('lies in one of the folders that the agent tells', () => {
    const env = { BUILD_SOURCESDIRECTORY: '/w/1/s', PIPELINE_WORKSPACE: '/w/1', AGENT_BUILDDIRECTORY: '' };
    assert.deepEqual(checkoutFolders(env), ['/w/1/s', '/w/1']);
    assert.deepEqual(
      checkoutFolders({ SYSTEM_DEFAULTWORKINGDIRECTORY: '/d', BUILD_REPOSITORY_LOCALPATH: '/r' }),
      ['/d', '/r'],
    );
    assert.deepEqual(checkoutFolders({}), []);
  });

  it('is read from its beginning, as far as it goes or as is wanted', () => {
    const descriptor = openSync(join(sources, 'sub/file'), 'r');
    try {
      for (const [most, content] of [
        [100, 'content'],
        [7, 'content'],
        [3, 'con'],
        [0, ''],
      ] as const) {
        assert.equal(readFrom(descriptor, most).toString(), content);
      }
    } finally {
      closeSync(descriptor);
    }
  });

  const stray: [what: string, plant: () => void, path: string, why: RegExp][] = [
    [
      'a link out of the checkout',
      () => symlinkSync('../secret', join(sources, 'x')),
      'x',
      /leads by a link/,
    ],
    [
      'a link by an absolute path',
      () => symlinkSync(join(room, 'secret'), join(sources, 'x')),
      'x',
      /outside/,
    ],
    ['a folder that is a link', () => symlinkSync('..', join(sources, 'x')), 'x/secret', /leads by a link/],
    [
      'links that lead there one by one',
      () => {
        symlinkSync('y', join(sources, 'x'));
        symlinkSync('../secret', join(sources, 'y'));
      },
      'x',
      /leads by a link/,
    ],
    [
      "a link into git's own files",
      () => symlinkSync('.git/config', join(sources, 'x')),
      'x',
      /git's own files/,
    ],
    ['a pipe', () => void execFileSync('mkfifo', [join(sources, 'x')]), 'x', /which is no file/],
    [
      'a file too large',
      () => writeFileSync(join(sources, 'x'), 'x'.repeat(101)),
      'x',
      /at most 100 B are read/,
    ],
  ];
  for (const [what, plant, path, why] of stray) {
    it(`is not read through ${what}`, () => {
      plant();
      assert.throws(() => read(path), why);
    });
  }
});

describe('a temporary folder', () => {
  it("is the step's own until it is removed, and goes with the process", () => {
    const before = process.listeners('exit');
    const folder = new TemporaryFolder(tmpdir(), 'temporary-folder-test-');
    writeFileSync(join(folder.path, 'file'), '');
    assert.deepEqual(process.listeners('exit'), [...before, folder.remove]);
    folder.remove();
    assert.equal(existsSync(folder.path), false);
    assert.deepEqual(process.listeners('exit'), before);
    folder.remove();
  });
});
