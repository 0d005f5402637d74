import assert from 'node:assert/strict';
import {
  link,
  mkdir,
  readdir,
  readFile,
  readlink,
  rename,
  rm,
  stat,
  symlink,
  utimes,
  writeFile,
} from 'node:fs/promises';
import { hostname } from 'node:os';
import { dirname, join } from 'node:path';
import { createLogger } from '../../../../tasks/common/log';
import { ModelFolder } from '../../../../tasks/ModelRegistryDownload/folder/folder';
import { createManifest } from '../../../../tasks/ModelRegistryDownload/folder/manifest';
import type { ModelFile } from '../../../../tasks/ModelRegistryDownload/registry/listing';
import { contentOf, temporaryFolder } from '../support';

const source = { account: 'a', container: 'titanic', prefix: '1.0.0/', endpoint: 'e' };

/** A blob as a listing tells of it. */
function blob(path: string, size: number, etag = '0x1'): ModelFile {
  return {
    ...{ path, name: `1.0.0/${path}`, size, etag, md5: null, lastModified: new Date(0) },
    ...{ tier: 'Hot', rehydration: undefined, isFolder: false },
  };
}

describe('the folder of a model', () => {
  let workspace: Awaited<ReturnType<typeof temporaryFolder>>;
  let path: string;
  let workshop: string;
  let lines: string[];

  beforeEach(async () => {
    workspace = await temporaryFolder();
    path = join(workspace.path, 'pickles');
    workshop = join(workspace.path, '.pickles.partial');
    lines = [];
  });

  afterEach(() => workspace.remove());

  const claim = () =>
    ModelFolder.claim(
      path,
      createLogger((line) => lines.push(line)),
    );

  function manifestOf(files: Record<string, string>) {
    return createManifest({
      name: 'titanic',
      version: '1.0.0',
      source,
      files: Object.entries(files).map(([file, content]) => ({
        path: file,
        size: content.length,
        sha256: 'f'.repeat(64),
        md5: null,
        etag: '0x1',
        lastModified: '2026-11-23T06:00:00.000Z',
      })),
    });
  }

  async function write(root: string, files: Record<string, string>) {
    for (const [file, content] of Object.entries(files)) {
      await mkdir(dirname(join(root, file)), { recursive: true });
      await writeFile(join(root, file), content);
    }
  }

  /** Does what a download does, and looks at the folder. */
  async function install(files: Record<string, string>) {
    const folder = await claim();
    try {
      await folder.refuseClashes(Object.keys(files));
      await folder.prepare([], source);
      await write(folder.staging, files);
      return await folder.swap(manifestOf(files));
    } finally {
      await folder.release();
    }
  }

  async function files(): Promise<Record<string, string>> {
    const { 'model-manifest.json': _, ...others } = await contentOf(path);
    return others;
  }

  it('is made when it is not there, with its parents', async () => {
    path = join(workspace.path, 'a', 'b', 'pickles');
    await install({ 'model.pkl': 'one' });
    assert.deepEqual(await files(), { 'model.pkl': 'one' });
  });

  it('loses the old model, with folders that only it used', async () => {
    await install({ 'model.pkl': 'one', 'data/a/b.csv': 'b' });
    await install({ 'model.pkl': 'two' });
    assert.deepEqual(await readdir(path), ['model-manifest.json', 'model.pkl']);
  });

  it("keeps what is not the task's: files, links, empty folders, at any depth", async () => {
    await install({ 'data/old.csv': 'old' });
    await write(path, { '.gitignore': '*', 'data/notes/todo.txt': 'by hand' });
    await mkdir(join(path, 'empty'));
    await symlink('nowhere', join(path, 'link'));
    const report = await install({ 'data/new.csv': 'new' });
    assert.deepEqual(await files(), {
      '.gitignore': '*',
      'data/new.csv': 'new',
      'data/notes/todo.txt': 'by hand',
    });
    assert.equal(await readlink(join(path, 'link')), 'nowhere');
    assert.ok((await stat(join(path, 'empty'))).isDirectory());
    assert.deepEqual(report, { kept: ['.gitignore', 'data/notes/todo.txt', 'link'], replaced: [] });
  });

  it('keeps everything of a folder that no model was in before, but what the model has too', async () => {
    await write(path, { 'model.pkl': 'by a script', 'other.pkl': 'by a script' });
    const report = await install({ 'model.pkl': 'one' });
    assert.deepEqual(await files(), { 'model.pkl': 'one', 'other.pkl': 'by a script' });
    assert.deepEqual(report, { kept: ['other.pkl'], replaced: ['model.pkl'] });
  });

  const clashes: [why: string, existing: string, model: string][] = [
    ['a file where the model needs a folder', 'data', 'data/a.csv'],
    ['a file in a folder where the model has a file', 'model.pkl/notes.txt', 'model.pkl'],
  ];
  for (const [why, existing, model] of clashes) {
    it(`refuses ${why}`, async () => {
      await write(path, { [existing]: 'by hand' });
      await assert.rejects(install({ [model]: 'x' }), /is in the way of the model/);
      assert.deepEqual(await files(), { [existing]: 'by hand' });
    });
  }

  it('refuses a link in place of a folder that the model needs', async () => {
    await mkdir(join(workspace.path, 'elsewhere'));
    await mkdir(path);
    await symlink('../elsewhere', join(path, 'data'));
    await assert.rejects(install({ 'data/a.csv': 'x' }), /'data' in .* is in the way/);
    assert.deepEqual(await readdir(join(workspace.path, 'elsewhere')), []);
  });

  it('may not be a link', async () => {
    await mkdir(join(workspace.path, 'elsewhere'));
    await symlink('elsewhere', path);
    await assert.rejects(claim(), /is a link.*'destinationFolder'/);
  });

  it('may not be a file', async () => {
    await writeFile(path, '');
    await assert.rejects(claim(), /is a file\. Give a folder/);
  });

  it('has nothing left beside it afterwards', async () => {
    await install({ 'model.pkl': 'one' });
    await install({ 'model.pkl': 'two' });
    const folder = await claim();
    const journal = await folder.prepare([], source);
    await write(folder.staging, { 'model.pkl': 'half a model' });
    journal.add(blob('model.pkl', 100), { offset: 0, length: 12 }, false);
    await folder.release();
    assert.deepEqual(await readdir(workspace.path), ['pickles']);
    assert.deepEqual(await files(), { 'model.pkl': 'two' });
  });

  it('cannot be claimed twice at the same time', async () => {
    const folder = await claim();
    await assert.rejects(claim(), /Another step is downloading to/);
    await folder.release();
    await (await claim()).release();
  });

  describe('that a killed step left behind', () => {
    /** No process has this id: it is above the highest that systems give. */
    const dead = JSON.stringify({ host: hostname(), pid: 2 ** 30 });

    it('is taken over, without the rest of its download', async () => {
      await install({ 'model.pkl': 'old' });
      await write(workshop, { lock: dead, 'model/model.pkl': 'half a mod' });
      await install({ 'other.pkl': 'new' });
      assert.deepEqual(await files(), { 'other.pkl': 'new' });
      assert.deepEqual(await readdir(workspace.path), ['pickles']);
    });

    describe('in the middle of a transfer', () => {
      // Smaller ones are written down only when there are enough of them.
      const begun = { offset: 0, length: 4 * 1024 * 1024 };

      /** Leaves behind what a step has there when it is killed; its lock is a dead one's. */
      async function killedAfter(...brought: ModelFile[]) {
        const folder = await claim();
        const journal = await folder.prepare(brought, source);
        for (const file of brought) {
          await write(folder.staging, { [file.path]: 'x'.repeat(file.size) });
          journal.add(file, begun, false);
        }
        await write(workshop, { lock: dead });
      }

      /** What the next step finds to go on with, as paths in the staging place. */
      async function foundFor(...wanted: ModelFile[]) {
        const folder = await claim();
        const journal = await folder.prepare(wanted, source);
        const inFolder = Object.keys(await contentOf(folder.staging));
        const inJournal = wanted.filter((file) => journal.has(file)).map(({ path: name }) => name);
        assert.deepEqual(inJournal.sort(), inFolder.sort(), 'journal and folder agree');
        await folder.release();
        return inFolder;
      }

      it('is gone on with', async () => {
        await killedAfter(blob('model.pkl', 8), blob('data/a.csv', 6));
        assert.deepEqual(await foundFor(blob('model.pkl', 8), blob('data/a.csv', 6), blob('new', 1)), [
          'data/a.csv',
          'model.pkl',
        ]);
      });

      it('is given up where the blob is another one by now', async () => {
        await killedAfter(blob('model.pkl', 8), blob('same.pkl', 8));
        assert.deepEqual(await foundFor(blob('model.pkl', 8, '0x2'), blob('same.pkl', 8)), ['same.pkl']);
      });

      it('is given up where the partial file is not what it was', async () => {
        await killedAfter(blob('model.pkl', 8), blob('lost.pkl', 8), blob('cut.pkl', 8), blob('linked', 8));
        const staging = join(workshop, 'model');
        await rm(join(staging, 'lost.pkl'));
        await writeFile(join(staging, 'cut.pkl'), 'short');
        await rm(join(staging, 'linked'));
        await writeFile(join(workspace.path, 'old'), 'the old!');
        await link(join(workspace.path, 'old'), join(staging, 'linked'));
        assert.deepEqual(
          await foundFor(...['model.pkl', 'lost.pkl', 'cut.pkl', 'linked'].map((name) => blob(name, 8))),
          ['model.pkl'],
        );
      });

      it('is gone on with after it was killed twice, and once over the journal', async () => {
        await killedAfter(blob('model.pkl', 8));
        const journal = join(workshop, 'journal');
        await writeFile(journal, `${await readFile(journal, 'utf8')}{"path":"mod`);
        const folder = await claim();
        const goneOn = await folder.prepare([blob('model.pkl', 8), blob('other.pkl', 8)], source);
        await write(folder.staging, { 'other.pkl': 'x'.repeat(8) });
        goneOn.add(blob('other.pkl', 8), begun, false);
        await write(workshop, { lock: dead });
        assert.deepEqual(await foundFor(blob('model.pkl', 8), blob('other.pkl', 8)), [
          'model.pkl',
          'other.pkl',
        ]);
      });

      it('is given up for another version', async () => {
        await killedAfter(blob('model.pkl', 8));
        const folder = await claim();
        const journal = await folder.prepare([blob('model.pkl', 8)], { ...source, prefix: '2.0.0/' });
        assert.ok(!journal.has(blob('model.pkl', 8)));
        assert.deepEqual(await readdir(folder.staging), []);
        await folder.release();
      });

      const journals: [what: string, change: (text: string) => string, found: string[]][] = [
        ['ends in the middle of a line', (text) => `${text}{"path":"mod`, ['model.pkl']],
        ['is none', () => 'something else', []],
        ['is empty', () => '', []],
        [
          'is older than the start of the machine',
          (text) => text.replace(/"bootedAt":\d+/, '"bootedAt":1000'),
          [],
        ],
      ];
      for (const [what, change, found] of journals) {
        it(`is ${found.length > 0 ? 'gone on with' : 'given up'} where its journal ${what}`, async () => {
          await killedAfter(blob('model.pkl', 8));
          const journal = join(workshop, 'journal');
          await writeFile(journal, change(await readFile(journal, 'utf8')));
          assert.deepEqual(await foundFor(blob('model.pkl', 8)), found);
        });
      }
    });

    it('is put back when it was killed in the middle of the swap', async () => {
      await install({ 'model.pkl': 'old' });
      await write(workshop, { lock: dead });
      await rename(path, join(workshop, 'old'));
      await (await claim()).release();
      assert.deepEqual(await files(), { 'model.pkl': 'old' });
      assert.match(lines.join('\n'), /It is put back/);
    });

    it('keeps the new model when it was killed right after the swap', async () => {
      await install({ 'model.pkl': 'new' });
      await write(workshop, { lock: dead, 'old/model.pkl': 'old' });
      await (await claim()).release();
      assert.deepEqual(await files(), { 'model.pkl': 'new' });
      assert.deepEqual(await readdir(workspace.path), ['pickles']);
    });

    it('is taken over from another machine only after a minute without a sign of life', async () => {
      const lock = join(workshop, 'lock');
      await write(workshop, { lock: JSON.stringify({ host: 'another-agent', pid: 1 }) });
      await assert.rejects(claim(), /Another step is downloading to/);
      const minutesAgo = new Date(Date.now() - 61_000);
      await utimes(lock, minutesAgo, minutesAgo);
      await (await claim()).release();
    });
  });
});
