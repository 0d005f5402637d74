import assert from 'node:assert/strict';
import {
  type BaseContents,
  decodeContents,
  encodeContents,
} from '../../../../tasks/AcrBuildPush/base-notes/contents';
import { takeInventory } from '../../../../tasks/AcrBuildPush/bill-of-materials/inventory';
import { LayerPackages } from '../../../../tasks/AcrBuildPush/bill-of-materials/layer-packages';
import { readLayerFiles } from '../../../../tasks/AcrBuildPush/build/direct/layer-files';
import { FileTree } from '../../../../tasks/AcrBuildPush/files/file-tree';
import { BrokenNote } from '../../../../tasks/AcrBuildPush/files/noted-file';
import { debian, type LayerEntry, localLayer, python } from '../bill-of-materials/support';
import { capturedLog } from '../support';

const { signal } = new AbortController();

/** What is in an image of these layers, as a build reads it. */
async function contentsOf(...layers: Readonly<Record<string, LayerEntry>>[]): Promise<BaseContents> {
  const packages = new LayerPackages(capturedLog().log);
  const local = layers.map(localLayer);
  const files = await readLayerFiles(local, signal, packages);
  const diffIds = local.map(({ diffId }) => diffId);
  return { files, packages: takeInventory(diffIds, packages.known, []) };
}

const everythingIn = (tree: FileTree) => ['', ...tree.paths().sort()].map((path) => [path, tree.get(path)]);

const BASE = {
  'etc/passwd': 'api:x:42:43::/:\n',
  'etc/os-release': 'ID=debian\nVERSION_ID=13\n',
  'var/lib/dpkg/status': debian('libc6', '2.41', 'Source: glibc (2.41-1)\n'),
  'usr/lib/python3/dist-packages/pip-25.0.dist-info/METADATA': python('pip', '25.0'),
  'usr/lib/sysimage/rpm/rpmdb.sqlite': 'not read',
  models: { link: 'srv/models' },
  'srv/models': undefined,
  'srv/same': { hardlink: 'etc/os-release' },
  'srv/__proto__/constructor': 'x',
  'srv/7': 'x',
  'srv/Ünïcode "quoted"\\ and\nmore': 'x',
};

describe('what is noted about a base image', () => {
  it('is read as it was written: files, links, owners, users and packages', async () => {
    const contents = await contentsOf(BASE, { 'srv/.wh.7': '', 'etc/group': 'api:x:43:\n' });
    const { files, packages } = decodeContents(encodeContents(contents)!, contents.packages.layers);
    assert.deepEqual(everythingIn(files), everythingIn(contents.files));
    assert.deepEqual(files.list('srv'), contents.files.list('srv'));
    assert.deepEqual(
      { ...packages, files: new Map([...packages.files].sort()) },
      { ...contents.packages, files: new Map([...contents.packages.files].sort()) },
    );
    assert.equal(files.resolve('models/x'), 'srv/models/x');
  });

  it('is the same in every byte, in whatever order the layers name their files', async () => {
    const one = await contentsOf(BASE);
    const reversed = await contentsOf(Object.fromEntries(Object.entries(BASE).reverse()));
    const { layers } = one.packages;
    const other = { ...reversed, packages: { ...reversed.packages, layers } };
    // A hard link before its file is a link to nothing.
    other.files.set('srv/same', one.files.get('srv/same')!);
    assert.deepEqual(encodeContents(other), encodeContents(one));
  });

  it('takes less than a megabyte for an image of 30,000 files', async () => {
    const files = new FileTree();
    const plain = { mode: 0o644, uid: 0, gid: 0 };
    for (let number = 0; number < 30_000; number++) {
      const folder = `usr/lib/python3/library${number % 300}`;
      files.set(folder, { kind: 'directory', ...plain });
      files.set(`${folder}/test_module_${number}.py`, { kind: 'file', ...plain, content: { kind: 'base' } });
    }
    for (const folder of ['usr', 'usr/lib', 'usr/lib/python3'])
      files.set(folder, { kind: 'directory', ...plain });
    const packages = takeInventory([], new Map(), []);
    const note = encodeContents({ files, packages })!;
    assert.ok(note.length < 1_000_000, `${note.length} bytes`);
    assert.equal(decodeContents(note, []).files.paths().length, 30_303);
  });

  it('is nothing for an image of so many files that reading it would hold up a step', () => {
    const files = new FileTree();
    for (let number = 0; number < 400_001; number++) {
      files.set(`file${number}`, { kind: 'special', mode: 0, uid: 0, gid: 0 });
    }
    assert.equal(encodeContents({ files, packages: takeInventory([], new Map(), []) }), undefined);
  });

  describe('is not believed where it', () => {
    // biome-ignore lint/suspicious/noExplicitAny: a note with anything in it
    type Any = any;
    let honest: string;
    let layers: readonly string[];

    before(async () => {
      const contents = await contentsOf(BASE);
      layers = contents.packages.layers;
      honest = encodeContents(contents)!.toString();
    });

    const attributesOf = (note: Any, kind: string) =>
      note.attributes.findIndex((one: Any) => one.kind === kind);
    const dpkg = (note: Any) => note.packages.files['var/lib/dpkg/status'];

    const TEXTS = {
      'is no JSON': '{"layers":',
      'is null': 'null',
      'nests deep': '['.repeat(100_000),
      'has very many values': `[${'0,'.repeat(2_000_000)}0]`,
    };
    for (const [what, text] of Object.entries(TEXTS)) {
      it(what, () => assert.throws(() => decodeContents(Buffer.from(text), layers), BrokenNote));
    }

    const CHANGES: Record<string, (note: Any) => unknown> = {
      'has nothing but the layers': (note) => {
        for (const name of Object.keys(note)) if (name !== 'layers') delete note[name];
      },
      'is about other layers': (note) => (note.layers = [`sha256:${'0'.repeat(64)}`]),
      'is about more layers': (note) => note.layers.push(note.layers[0]),
      'has a root that is a file': (note) => (note.root = attributesOf(note, 'file')),
      'has a path that leads up': (note) => (note.folders['']['..'] = 0),
      'has a name with a slash': (note) => (note.folders['']['a/../b'] = 0),
      'has a name of nothing': (note) => (note.folders.srv[''] = 0),
      'has a name that ends early': (note) => (note.folders['']['a\0b'] = 0),
      'has files in a folder that is not there': (note) => (note.folders['no/where'] = { a: 0 }),
      'has files in a folder that leads up': (note) => (note.folders['srv/..'] = { a: 0 }),
      'has files in a link': (note) => (note.folders.models = { a: 0 }),
      'has a path that is too long': (note) => (note.folders['']['x'.repeat(5_000)] = 0),
      'has files of no kind': (note) => (note.attributes[0].kind = 'socket'),
      'has a folder that is a text': (note) => (note.folders.srv = 'x'),
      'has files without attributes': (note) => (note.folders[''].more = 99),
      'has files of half attributes': (note) => (note.folders[''].more = 0.5),
      'has attributes of nothing': (note) => (note.attributes[0] = { kind: 'file' }),
      'has permissions that are none': (note) => (note.attributes[0].mode = 0o10000),
      'has an owner below zero': (note) => (note.attributes[0].uid = -1),
      'has an owner that is half': (note) => (note.attributes[0].gid = 0.5),
      'has a link that leads nowhere': (note) => delete note.texts.models,
      'has a link that is too long': (note) => (note.texts.models = 'x/'.repeat(5_000)),
      'has packages of no layer': (note) => (dpkg(note).layer = 7),
      'has packages of no kind': (note) => (dpkg(note).finding.packages[0].type = 'exe'),
      'has packages without a name': (note) => (dpkg(note).finding.packages[0].name = null),
      'finds something that is none': (note) => (dpkg(note).finding = { kind: 'x' }),
      'hides by layers that are not there': (note) => (note.packages.hiding = [3]),
      'knows less than nothing': (note) => (note.packages.unknown = 2),
      'has no packages at all': (note) => delete note.packages,
    };

    for (const [what, change] of Object.entries(CHANGES)) {
      it(what, () => {
        const note = JSON.parse(honest);
        const decode = () => decodeContents(Buffer.from(JSON.stringify(note)), layers);
        decode();
        change(note);
        assert.throws(decode, BrokenNote);
      });
    }

    it('says what is in a file, of those that do not name users', () => {
      const note = JSON.parse(honest);
      note.texts['srv/7'] = 'planted';
      const { files } = decodeContents(Buffer.from(JSON.stringify(note)), layers);
      assert.deepEqual((files.get('srv/7') as Any).content, { kind: 'base' });
    });
  });
});
