import assert from 'node:assert/strict';
import {
  chownSync,
  lchownSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  openDestination,
  openParent,
  refuseKept,
} from '../../../../tasks/ModelRegistryDownload/folder/destination';
import { refuseMounts } from '../../../../tasks/ModelRegistryDownload/folder/mounts';

describe('the place of a destination', () => {
  let room: string;
  let sources: string;

  beforeEach(() => {
    room = mkdtempSync(join(tmpdir(), 'destination-'));
    sources = join(room, 'work/1/s');
    mkdirSync(sources, { recursive: true });
    mkdirSync(join(room, 'victim'));
  });

  afterEach(() => rmSync(room, { recursive: true }));

  const open = (path: string, given = [sources, join(room, 'work/1')]) =>
    openParent(path, { given, kept: [] }).close();

  it('is made where it is missing', () => {
    open(join(sources, 'a/b/model'));
    assert.deepEqual(readdirSync(sources, { recursive: true }), ['a', 'a/b']);
  });

  for (const [what, link] of [
    ['at the top of the sources', 'link'],
    ['deeper', 'a/link'],
  ] as const) {
    it(`is not reached through a link ${what}, which is named`, () => {
      mkdirSync(join(sources, 'a'));
      symlinkSync(join(room, 'victim'), join(sources, link));
      assert.throws(
        () => open(join(sources, link, 'x/model')),
        (error: Error) =>
          error.message.includes(join(sources, link)) && error.message.includes(join(room, 'victim')),
      );
      assert.deepEqual(readdirSync(join(room, 'victim')), []);
    });
  }

  it('may lie behind a link that leads to what the agent gives to jobs', () => {
    symlinkSync('work', join(room, 'linked'));
    open(join(room, 'linked/1/s/x/model'), [join(room, 'linked/1/s')]);
    assert.deepEqual(readdirSync(sources), ['x']);
  });

  it('outside of all of these, is not reached through a link of the agent’s own user', () => {
    symlinkSync('victim', join(room, 'disk'));
    if (process.getuid?.() === 0) {
      lchownSync(join(room, 'disk'), 12345, 12345);
      chownSync(join(room, 'victim'), 12345, 12345);
    }
    assert.throws(() => open(join(room, 'disk/model')), /disk' is a link/);
  });

  it('is not below a file', () => {
    writeFileSync(join(sources, 'file'), '');
    assert.throws(() => open(join(sources, 'file/model')), /a part of its path is a file/);
  });

  it('by its real path, holds nothing of the agent’s, and is none of git’s', () => {
    symlinkSync('work', join(room, 'linked'));
    const kept = [join(room, 'linked/1/s')];
    assert.throws(() => refuseKept(join(room, 'work'), { given: [], kept }), /which holds '.*linked\/1\/s'/);
    assert.throws(() => refuseKept(join(room, 'x/.git/y'), { given: [], kept }), /git keeps its own files/);
    refuseKept(join(sources, 'model'), { given: [], kept });
  });

  const mounts: [what: string, point: string, message: RegExp][] = [
    ['is no mount point', 'model', /is a mount point.*inside it/],
    ['has no other disk mounted in it', 'model/cache', /Another disk is mounted at/],
  ];
  for (const [what, point, message] of mounts) {
    it(what, () => {
      const name = 'my model';
      mkdirSync(join(room, name));
      const parent = openParent(join(room, name), { given: [], kept: [] });
      const folder = openDestination(parent, name)!;
      const at = join(room, point.replace('model', name));
      const table = (path: string) => `36 35 98:0 / ${path.replaceAll(' ', '\\040')} rw - ext4 /dev/x rw\n`;
      assert.throws(() => refuseMounts(parent, folder, join(room, name), table(at)), message);
      refuseMounts(parent, folder, join(room, name), table(`${room}/my modelx`) + table(room));
      folder.close();
      parent.close();
    });
  }
});
