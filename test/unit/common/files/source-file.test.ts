import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readSourceFile } from '../../../../tasks/common/files/source-file';

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
