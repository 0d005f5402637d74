import assert from 'node:assert/strict';
import {
  constants,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { OpenFolder } from '../../../../tasks/common/files/open-folder';
import { OpenTree } from '../../../../tasks/common/files/open-tree';
import { removeTree } from '../../../../tasks/common/files/remove';

describe('a folder that is held open', () => {
  let room: string;
  let path: string;
  let victim: string;

  beforeEach(() => {
    room = mkdtempSync(join(tmpdir(), 'open-folder-'));
    path = join(room, 'folder');
    victim = join(room, 'victim');
    mkdirSync(join(path, 'sub'), { recursive: true });
    mkdirSync(join(victim, 'sub'), { recursive: true });
    writeFileSync(join(victim, 'file'), 'precious');
    writeFileSync(join(victim, 'sub/file'), 'precious');
  });

  afterEach(() => rmSync(room, { recursive: true }));

  const WRITE = constants.O_CREAT | constants.O_TRUNC | constants.O_WRONLY;

  /** That nothing has become of what links lead to. */
  function checkVictim() {
    assert.deepEqual(readdirSync(victim, { recursive: true }).sort(), ['file', 'sub', 'sub/file']);
    assert.equal(readFileSync(join(victim, 'file'), 'utf8'), 'precious');
    assert.equal(readFileSync(join(victim, 'sub/file'), 'utf8'), 'precious');
  }

  it('is no link, and has none on the way to what is in it', () => {
    symlinkSync('victim', join(room, 'link'));
    symlinkSync('../victim', join(path, 'linked'));
    symlinkSync('../victim/file', join(path, 'file'));
    assert.throws(() => OpenFolder.open(join(room, 'link')), /is a link/);
    const tree = new OpenTree(OpenFolder.open(path));
    assert.throws(() => tree.openFile('linked/new', WRITE, { make: true }), /'.*\/folder\/linked' is a link/);
    assert.throws(() => tree.openFile('file', WRITE), { code: 'ELOOP' });
    assert.equal(tree.stats('linked/file'), undefined);
    tree.close();
    checkVictim();
  });

  it('stays the same when a link takes its place, and so do those in it', async function () {
    if (process.platform !== 'linux') this.skip();
    const tree = new OpenTree(OpenFolder.open(path));
    tree.parentOf('sub/file');
    renameSync(join(path, 'sub'), join(path, 'elsewhere'));
    symlinkSync('../victim/sub', join(path, 'sub'));
    renameSync(path, join(room, 'moved'));
    symlinkSync('victim', path);
    tree.openFile('sub/file', WRITE);
    tree.openFile('file', WRITE);
    await tree.root.rename('file', tree.root, 'renamed');
    await removeTree(tree.root, 'sub');
    tree.close();
    checkVictim();
    assert.deepEqual(readdirSync(join(room, 'moved'), { recursive: true }).sort(), [
      'elsewhere',
      'elsewhere/file',
      'renamed',
    ]);
  });

  it('tells of a failure by paths that people know', async () => {
    const folder = OpenFolder.open(path);
    await assert.rejects(folder.rename('nothing', folder, 'x'), (error: NodeJS.ErrnoException) => {
      assert.equal(error.path, join(path, 'nothing'));
      return error.message.includes(`'${path}/nothing' -> '${path}/x'`);
    });
    folder.close();
  });

  it('is emptied without a step through its links, and where it may not be written to', async () => {
    symlinkSync('../../victim', join(path, 'sub/link'));
    mkdirSync(join(path, 'sub/closed/deep'), { recursive: true, mode: 0o500 });
    const parent = OpenFolder.open(room);
    await removeTree(parent, 'folder');
    await removeTree(parent, 'folder');
    parent.close();
    assert.deepEqual(readdirSync(room), ['victim']);
    checkVictim();
  });
});
