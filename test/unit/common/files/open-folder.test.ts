import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  closeSync,
  constants,
  fstatSync,
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

  it('tells by a path that people know that its names can not be read', async function () {
    if (process.platform !== 'linux') this.skip();
    // A folder that is held open, and of which nothing is left.
    const child = spawn('sleep', ['60']);
    const folder = OpenFolder.open(`/proc/${child.pid}/fd`);
    assert.ok(folder.names().includes('0'));
    child.kill('SIGKILL');
    await once(child, 'close');
    assert.throws(
      () => folder.names(),
      ({ message }: Error) => {
        assert.match(message, new RegExp(`'/proc/${child.pid}/fd/?'`));
        return true;
      },
    );
    folder.close();
  });

  it('tells of both folders by paths that people know, however their numbers begin', async () => {
    const opened = Array.from({ length: 12 }, () => OpenFolder.open(path));
    const other = OpenFolder.open(victim);
    for (const folder of opened) {
      await assert.rejects(folder.rename('nothing', other, 'x'), (error: NodeJS.ErrnoException) => {
        assert.equal((error as { dest?: string }).dest, join(victim, 'x'));
        return error.message.endsWith(`'${path}/nothing' -> '${victim}/x'`);
      });
    }
    for (const folder of [...opened, other]) folder.close();
  });

  it('is made where there is none, and entered where there is one', () => {
    const folder = OpenFolder.open(path);
    assert.equal(folder.folderIfThere('new'), undefined);
    const made = folder.make('new', 0o700);
    assert.equal(Number(made.ownStats().mode) & 0o777, 0o700);
    assert.equal(made.path, join(path, 'new'));
    assert.throws(() => folder.make('new'), { code: 'EEXIST', path: join(path, 'new') });
    assert.equal(folder.enter('new').ownStats().ino, made.ownStats().ino);
    assert.equal(folder.enter('newer').path, join(path, 'newer'));
    writeFileSync(join(path, 'file'), '');
    assert.throws(() => folder.enter('file'), /is no folder/);
    assert.throws(() => folder.folderIfThere('file'), /is no folder/);
    assert.throws(() => folder.folder('none'), { code: 'ENOENT', path: join(path, 'none') });
    folder.close();
  });

  it('is closed', function () {
    if (process.platform !== 'linux') this.skip();
    const folder = OpenFolder.open(path);
    const descriptor = Number(folder.at('').split('/')[4]);
    fstatSync(descriptor);
    folder.close();
    assert.throws(() => fstatSync(descriptor), { code: 'EBADF' });
  });

  it('does to what is in it what it is told', async () => {
    const folder = OpenFolder.open(path);
    const sub = folder.folder('sub');
    closeSync(folder.openFile('a', WRITE, 0o600));
    assert.equal(Number(folder.stats('a')!.mode) & 0o777, 0o600);
    await folder.link('a', sub, 'hard');
    assert.equal(sub.stats('hard')!.ino, folder.stats('a')!.ino);
    await folder.copyFile('a', sub, 'copy');
    await assert.rejects(folder.copyFile('a', sub, 'copy'), { code: 'EEXIST' });
    await folder.symlink('a', 'soft');
    assert.equal(folder.readLink('soft'), 'a');
    await folder.chownFile('soft', process.getuid!(), process.getgid!());
    await sub.chown(process.getuid!(), process.getgid!());
    await sub.chmod(0o1750);
    assert.equal(Number(sub.ownStats().mode) & 0o7777, 0o1750);
    await folder.rename('a', sub, 'moved');
    assert.deepEqual((await folder.entries()).map(({ name }) => name).sort(), ['soft', 'sub']);
    assert.deepEqual((await sub.entries()).map(({ name }) => name).sort(), ['copy', 'hard', 'moved']);
    await folder.unlink('soft');
    assert.equal(folder.stats('soft'), undefined);
    await assert.rejects(folder.removeFolder('sub'), { code: 'ENOTEMPTY', path: join(path, 'sub') });
    for (const name of ['copy', 'hard', 'moved']) await sub.unlink(name);
    await folder.removeFolder('sub');
    assert.deepEqual(readdirSync(path), []);
    sub.close();
    folder.close();
  });

  it('leads to files below it, by folders that are made only where that is wanted', () => {
    const tree = new OpenTree(OpenFolder.open(path));
    assert.throws(() => tree.openFile('new/deep/file', WRITE), { code: 'ENOENT' });
    for (const file of ['new/deep/file', 'new/other/file', 'new/file', 'file']) {
      closeSync(tree.openFile(file, WRITE, { make: true }));
      assert.equal(tree.stats(file)?.isFile(), true);
    }
    for (const none of ['nothing', 'no/thing', 'file/x', 'new/file/x/y'])
      assert.equal(tree.stats(none), undefined);
    assert.throws(() => tree.stats('x'.repeat(300)), { code: 'ENAMETOOLONG' });
    tree.close();
    assert.deepEqual(readdirSync(path, { recursive: true }).sort(), [
      ...['file', 'new', 'new/deep', 'new/deep/file', 'new/file', 'new/other', 'new/other/file', 'sub'],
    ]);
  });

  it("is not emptied in silence where something in it can't be removed", async () => {
    const parent = OpenFolder.open(room);
    writeFileSync(join(path, 'sub/file'), '');
    const failure = Object.assign(new Error('held'), { code: 'EBUSY' });
    const stubborn = new Proxy(parent, {
      get: (folder, member) =>
        member === 'removeFolder' ? async () => Promise.reject(failure) : Reflect.get(folder, member),
    });
    await assert.rejects(removeTree(stubborn, 'folder'), failure);
    assert.deepEqual(readdirSync(path), []);
    parent.close();
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
