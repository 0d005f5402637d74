import assert from 'node:assert/strict';
import {
  chmod,
  link,
  mkdir,
  readdir,
  readFile,
  readlink,
  rename,
  rm,
  stat,
  symlink,
  writeFile,
} from 'node:fs/promises';
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
  let lines: string[];
  let memory: string;

  beforeEach(async () => {
    workspace = await temporaryFolder();
    path = join(workspace.path, 'pickles');
    lines = [];
    memory = join(workspace.path, '../work/memory');
  });

  afterEach(() => workspace.remove());

  const claim = () =>
    ModelFolder.claim(path, {
      agent: { given: [], kept: [] },
      memory,
      signal: new AbortController().signal,
      log: createLogger((line) => lines.push(line)),
    });

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
      await write(folder.staging.root.path, files);
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
    ['a folder where its manifest goes', 'model-manifest.json/notes.txt', 'model.pkl'],
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
    await write(folder.staging.root.path, { 'model.pkl': 'half a model' });
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

  it("gives back the permissions of what it replaces: others' folders, the model's, and its own", async () => {
    await install({ 'data/a.csv': 'a' });
    await write(path, { 'private/key': 'k' });
    await chmod(join(path, 'private/key'), 0o600);
    const modes: Record<string, number> = { private: 0o700, data: 0o2750, '': 0o2770 };
    for (const [folder, mode] of Object.entries(modes)) await chmod(join(path, folder), mode);
    await install({ 'data/a.csv': 'b' });
    for (const [folder, mode] of Object.entries(modes)) {
      assert.equal((await stat(join(path, folder))).mode & 0o7777, mode, folder);
    }
    assert.equal((await stat(join(path, 'private/key'))).mode & 0o777, 0o600);
    assert.deepEqual(await files(), { 'data/a.csv': 'b', 'private/key': 'k' });
  });

  it('is replaced where it may not be written to, and may not afterwards', async () => {
    await install({ 'data/a.csv': 'a' });
    for (const folder of ['data', '']) await chmod(join(path, folder), 0o555);
    await install({ 'data/a.csv': 'b' });
    assert.equal((await stat(path)).mode & 0o777, 0o555);
    assert.equal((await stat(join(path, 'data'))).mode & 0o777, 0o555);
    assert.deepEqual(await files(), { 'data/a.csv': 'b' });
    assert.deepEqual(await readdir(workspace.path), ['pickles']);
  });

  it("keeps what a manifest names that is not this agent's own, unless it has just the stated content", async () => {
    await install({ 'model.pkl': 'one', 'other.pkl': 'two' });
    await rm(memory, { recursive: true });
    await write(path, { 'other.pkl': 'new' });
    const report = await install({ 'new.pkl': 'three' });
    assert.deepEqual(report.kept, ['model.pkl', 'other.pkl']);
  });

  for (const place of ['.git', 'sub/.git']) {
    it(`may not hold a git repository (${place})`, async () => {
      await write(path, { [`${place}/HEAD`]: 'ref: refs/heads/main' });
      await assert.rejects(install({ 'model.pkl': 'x' }), /git repository/);
      assert.deepEqual(await readdir(workspace.path), ['pickles']);
    });
  }

  it('is left as it is when something else takes its place meanwhile', async () => {
    await install({ 'model.pkl': 'old' });
    const folder = await claim();
    await folder.prepare([], source);
    await rename(path, join(workspace.path, 'elsewhere'));
    await mkdir(join(workspace.path, 'victim'));
    await symlink('victim', path);
    await assert.rejects(folder.swap(manifestOf({})), /is a link/);
    await folder.release();
    assert.deepEqual(await readdir(join(workspace.path, 'victim')), []);
    assert.equal(await readlink(path), 'victim');
  });

  it('is left as it is when somebody puts a folder where the model has a file meanwhile', async () => {
    await install({ 'model.pkl': 'old' });
    const folder = await claim();
    await folder.prepare([], source);
    await write(folder.staging.root.path, { 'data.csv': 'new' });
    await write(path, { 'data.csv/notes.txt': 'by hand' });
    const failure = await folder.swap(manifestOf({ 'data.csv': 'new' })).then(
      () => assert.fail('it took the place of what is by hand'),
      (error: unknown) => folder.explain(error),
    );
    assert.match(String(failure), /was changed by something else while the model was downloaded/);
    await folder.release();
    assert.deepEqual(await files(), { 'model.pkl': 'old', 'data.csv/notes.txt': 'by hand' });
  });

  describe('that a killed step left behind', () => {
    /** Has a step end as a kill ends it: all that tells of it is what it had on the disk. */
    async function kill(step: ModelFolder): Promise<void> {
      const lock = join(dirname(step.path), '.pickles.lock');
      // No process has this id: it is above the highest that systems give.
      const dead = (await readFile(lock, 'utf8')).replace(/"pid":\d+/, `"pid":${2 ** 30}`);
      await writeFile(lock, dead);
    }

    it('is taken over, without the rest of its download', async () => {
      await install({ 'model.pkl': 'old' });
      const killed = await claim();
      await killed.prepare([], source);
      await write(killed.staging.root.path, { 'model.pkl': 'half a mod' });
      await kill(killed);
      await install({ 'other.pkl': 'new' });
      assert.deepEqual(await files(), { 'other.pkl': 'new' });
      assert.deepEqual(await readdir(workspace.path), ['pickles']);
    });

    it('is taken over by an agent that remembers nothing of it', async () => {
      const killed = await claim();
      await killed.prepare([blob('model.pkl', 8)], source);
      await write(killed.staging.root.path, { 'model.pkl': 'half a mod' });
      await kill(killed);
      memory = join(workspace.path, '../work/other');
      await install({ 'other.pkl': 'new' });
      assert.deepEqual(await files(), { 'other.pkl': 'new' });
      assert.deepEqual(await readdir(workspace.path), ['pickles']);
    });

    it('is removed though it had no journal yet, and the step that took over its lock was killed too', async () => {
      const killed = await claim();
      await killed.prepare([], source);
      await rm(memory, { recursive: true });
      await kill(killed);
      await kill(await claim());
      await install({ 'model.pkl': 'new' });
      assert.deepEqual(await files(), { 'model.pkl': 'new' });
      assert.deepEqual(await readdir(workspace.path), ['pickles']);
    });

    describe('in the middle of a transfer', () => {
      // Smaller ones are written down only when there are enough of them.
      const begun = { offset: 0, length: 4 * 1024 * 1024 };
      let staging: string;

      /** Leaves behind what a step has there when it is killed. */
      async function killedAfter(...brought: ModelFile[]) {
        const folder = await claim();
        const journal = await folder.prepare(brought, source);
        staging = folder.staging.root.path;
        for (const file of brought) {
          await write(staging, { [file.path]: 'x'.repeat(file.size) });
          journal.add(file, begun, false);
        }
        await kill(folder);
      }

      /** What the next step finds to go on with, as paths in the staging place. */
      async function foundFor(...wanted: ModelFile[]) {
        const folder = await claim();
        const journal = await folder.prepare(wanted, source);
        const inFolder = Object.keys(await contentOf(folder.staging.root.path));
        const inJournal = wanted.filter((file) => journal.bytesOf(file) > 0).map(({ path: name }) => name);
        assert.deepEqual(inJournal.sort(), inFolder.sort(), 'journal and folder agree');
        await folder.release();
        return inFolder;
      }

      /** The journal that the killed step has left at the agent. */
      async function journalFile(): Promise<string> {
        const names = await readdir(memory, { recursive: true });
        return join(memory, names.find((name) => name.endsWith('.journal'))!);
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
        const names = ['model.pkl', 'lost.pkl', 'cut.pkl', 'second-name', 'link'];
        await killedAfter(...names.map((name) => blob(name, 8)));
        await rm(join(staging, 'lost.pkl'));
        await writeFile(join(staging, 'cut.pkl'), 'short');
        await writeFile(join(workspace.path, 'old'), 'the old!');
        for (const name of ['second-name', 'link']) await rm(join(staging, name));
        await link(join(workspace.path, 'old'), join(staging, 'second-name'));
        await symlink(join(workspace.path, 'old'), join(staging, 'link'));
        assert.deepEqual(await foundFor(...names.map((name) => blob(name, 8))), ['model.pkl']);
        assert.equal(await readFile(join(workspace.path, 'old'), 'utf8'), 'the old!');
      });

      it('is given up where another folder has its name', async () => {
        await killedAfter(blob('model.pkl', 8));
        const [name] = (await readdir(workspace.path)).filter((one) => one.endsWith('.partial'));
        await rename(join(workspace.path, name!), join(workspace.path, 'away'));
        await mkdir(join(workspace.path, name!), { mode: 0o700 });
        await write(join(workspace.path, name!, 'model'), { 'model.pkl': 'planted!' });
        assert.deepEqual(await foundFor(blob('model.pkl', 8)), []);
      });

      it('is gone on with after it was killed twice, and once over the journal', async () => {
        await killedAfter(blob('model.pkl', 8));
        const journal = await journalFile();
        await writeFile(journal, `${await readFile(journal, 'utf8')}{"path":"mod`);
        const folder = await claim();
        const goneOn = await folder.prepare([blob('model.pkl', 8), blob('other.pkl', 8)], source);
        await write(folder.staging.root.path, { 'other.pkl': 'x'.repeat(8) });
        goneOn.add(blob('other.pkl', 8), begun, false);
        await kill(folder);
        assert.deepEqual(await foundFor(blob('model.pkl', 8), blob('other.pkl', 8)), [
          'model.pkl',
          'other.pkl',
        ]);
      });

      it('is gone on with when the version changes under the step', async () => {
        await killedAfter(blob('model.pkl', 8), blob('data/a.csv', 6));
        const folder = await claim();
        await folder.prepare([blob('model.pkl', 8), blob('data/a.csv', 6)], source);
        const journal = await folder.prepare([blob('model.pkl', 8), blob('data/a.csv', 6, '0x2')], source);
        assert.ok(journal.bytesOf(blob('model.pkl', 8)) > 0);
        assert.deepEqual(await contentOf(folder.staging.root.path), { 'model.pkl': 'x'.repeat(8) });
        await folder.release();
        assert.deepEqual(await readdir(workspace.path), []);
      });

      it('is given up for another version', async () => {
        await killedAfter(blob('model.pkl', 8));
        const folder = await claim();
        const journal = await folder.prepare([blob('model.pkl', 8)], { ...source, prefix: '2.0.0/' });
        assert.equal(journal.bytesOf(blob('model.pkl', 8)), 0);
        assert.deepEqual(await readdir(folder.staging.root.path), []);
        await folder.release();
      });

      const journals: [what: string, change: (text: string) => string, found: string[]][] = [
        ['ends in the middle of a line', (text) => `${text}{"path":"mod`, ['model.pkl']],
        ['is none', () => 'something else', []],
        ['is empty', () => '', []],
        [
          'is older than the start of the machine',
          (text) => text.replace(/"boot":\{[^}]*\}/, '"boot":{"id":null,"at":1000}'),
          [],
        ],
      ];
      for (const [what, change, found] of journals) {
        it(`is ${found.length > 0 ? 'gone on with' : 'given up'} where its journal ${what}`, async () => {
          await killedAfter(blob('model.pkl', 8));
          const journal = await journalFile();
          await writeFile(journal, change(await readFile(journal, 'utf8')));
          assert.deepEqual(await foundFor(blob('model.pkl', 8)), found);
        });
      }
    });

    /** The only workshop that is there. */
    async function workshopOf(): Promise<string> {
      const name = (await readdir(workspace.path)).find((one) => one.endsWith('.partial'));
      return join(workspace.path, name!);
    }

    it('is put back when it was killed in the middle of the swap', async () => {
      await install({ 'model.pkl': 'old' });
      const killed = await claim();
      await killed.prepare([], source);
      await kill(killed);
      await rename(path, join(await workshopOf(), 'old'));
      await (await claim()).release();
      assert.deepEqual(await files(), { 'model.pkl': 'old' });
      assert.match(lines.join('\n'), /It is put back/);
      assert.deepEqual(await readdir(workspace.path), ['pickles']);
    });

    it('keeps the new model when it was killed right after the swap', async () => {
      await install({ 'model.pkl': 'new' });
      const killed = await claim();
      await killed.prepare([], source);
      await kill(killed);
      await write(await workshopOf(), { 'old/model.pkl': 'old' });
      await (await claim()).release();
      assert.deepEqual(await files(), { 'model.pkl': 'new' });
      assert.deepEqual(await readdir(workspace.path), ['pickles']);
    });

    it('is no danger when it wakes up: it puts nothing in place, and removes nothing of the next step', async () => {
      await install({ 'model.pkl': 'old' });
      const stopped = await claim();
      await stopped.prepare([], source);
      await write(stopped.staging.root.path, { 'model.pkl': 'late' });
      await kill(stopped);
      const next = await claim();
      await next.prepare([], source);
      await assert.rejects(stopped.swap(manifestOf({ 'model.pkl': 'late' })), /Another step has taken/);
      await stopped.release();
      await write(next.staging.root.path, { 'model.pkl': 'new' });
      await next.swap(manifestOf({ 'model.pkl': 'new' }));
      await next.release();
      assert.deepEqual(await files(), { 'model.pkl': 'new' });
      assert.deepEqual(await readdir(workspace.path), ['pickles']);
    });
  });
});
