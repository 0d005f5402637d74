import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { rulesOf } from '../../../tasks/ModelRegistryDownload/registry/names';
import { skip } from '../../support/skip';
import { MANIFEST, METADATA, useDownload } from './download';
import { contentOf } from './support';

describe('downloading a model', () => {
  const story = useDownload();

  describe('that is new here', () => {
    it('brings exactly the files of that version', async () => {
      const outcome = await story.download();
      assert.deepEqual(await story.modelFiles(), {
        'data/flags.pkl': 'the flags',
        'lookup.pkl': 'the lookup',
        'metadata.json': METADATA,
        'model.pkl': 'the model',
      });
      assert.equal(outcome.result, 'Succeeded');
    });

    it('says in its outputs what came, and where it is', async () => {
      await story.download();
      const manifest = JSON.parse(await readFile(join(story.destination, MANIFEST), 'utf8'));
      const bytes = 28 + METADATA.length;
      assert.deepEqual(story.step.outputs, {
        modelVersion: '1.0.0',
        fileCount: 4,
        totalBytes: bytes,
        modelPath: story.destination,
        modelDigest: manifest.digest,
        manifestPath: join(story.destination, MANIFEST),
        downloadedBytes: bytes,
      });
    });

    it('writes a manifest that can be checked with other tools', async () => {
      await story.download({ patterns: ['*.pkl'] });
      const manifest = JSON.parse(await readFile(join(story.destination, MANIFEST), 'utf8'));
      const sha256 = (text: string) => createHash('sha256').update(text).digest('hex');
      assert.deepEqual(manifest.source, {
        account: story.server.account,
        container: 'titanic',
        prefix: '1.0.0/',
        endpoint: new URL(story.server.endpoint).host,
      });
      assert.deepEqual(
        manifest.files.map((file: { path: string; sha256: string }) => [file.path, file.sha256]),
        [
          ['lookup.pkl', sha256('the lookup')],
          ['model.pkl', sha256('the model')],
        ],
      );
      const lines = `lookup.pkl\0${10}\0${sha256('the lookup')}\nmodel.pkl\0${9}\0${sha256('the model')}\n`;
      assert.equal(manifest.digest, `sha256:${sha256(lines)}`);
    });

    it('shows metrics, training and the checks in the summary', async () => {
      story.server.put('titanic', '1.0.0/big.bin', 'in blocks', { md5: undefined });
      await story.download();
      for (const line of [
        '**titanic 1.0.0: 5 files, ',
        '| accuracy | 0.7831 |',
        '| Git commit | c0ffee |',
        '| Trained on rows | 2201 |',
      ]) {
        assert.ok(story.step.summary.includes(line), line);
      }
      assert.match(story.step.summary, /\| model\.pkl \| 9 B \| [0-9a-f]{12} \| Content-MD5 \|/);
      assert.match(story.step.summary, /\| big\.bin \| 9 B \| [0-9a-f]{12} \| length and ETag \|/);
    });

    it('takes empty files, and names that need encoding in an address', async () => {
      story.server.put('titanic', '1.0.0/empty', '');
      story.server.put('titanic', '1.0.0/ä b#%2e+&=.pkl', 'odd');
      await story.download({ patterns: ['empty', 'ä*'] });
      assert.deepEqual(await story.modelFiles(), { empty: '', 'ä b#%2e+&=.pkl': 'odd' });
    });

    it('finds versions below a prefix', async () => {
      story.server.put('titanic', 'live/eu/1.0.0/model.pkl', 'live');
      await story.download({ versionsFolder: 'live/eu/' });
      assert.deepEqual(await story.modelFiles(), { 'model.pkl': 'live' });
    });

    it('comes from an account with a hierarchical namespace without the stubs of its folders', async () => {
      story.server.hierarchical = true;
      story.server.put('forest', '1.0.0/data/train/model.pkl', 'the tree');
      story.server.put('forest', '1.0.0/flags', '');
      story.server.makeFolder('forest', '1.0.0/logs');
      story.server.makeFolder('forest', '1.1.0');
      await story.download({ model: 'forest', version: 'latest' });
      assert.deepEqual(await story.modelFiles(), { 'data/train/model.pkl': 'the tree', flags: '' });
      assert.match(story.step.text, /Passed over version 1\.1\.0, which is not complete: it holds no files/);
    });

    it('says why it is this version, where a range was asked for', async () => {
      await story.download({ version: '1.x' });
      assert.equal(story.step.outputs.modelVersion, '1.0.0');
      assert.ok(
        story.step.summary.includes("| Why this version | the newest that fits '1.x', and the only one |"),
      );
      assert.match(story.step.text, /Left out as pre-releases: 1\.0\.0-rc1/);
    });

    it('writes what the disks of this agent hold, and warns of what others do not', async function () {
      if (process.platform !== 'linux') skip(this, 'other disks take these names for one');
      for (const name of ['Model.pkl', 'aux.py', 'a:b']) story.server.put('titanic', `1.0.0/${name}`, name);
      await story.download({ patterns: ['*odel.pkl', 'aux.py', 'a:b'], nameRules: rulesOf('linux') });
      assert.deepEqual(await story.modelFiles(), {
        'Model.pkl': 'Model.pkl',
        'a:b': 'a:b',
        'aux.py': 'aux.py',
        'model.pkl': 'the model',
      });
      assert.match(
        story.step.text,
        /type=warning;\]The model holds names that agents of other platforms cannot write: /,
      );
    });

    it('keeps a .gitignore that is not its own, and names it', async () => {
      await mkdir(story.destination, { recursive: true });
      await writeFile(join(story.destination, '.gitignore'), '*');
      await story.download({ patterns: ['model.pkl'] });
      assert.deepEqual(await story.modelFiles(), { '.gitignore': '*', 'model.pkl': 'the model' });
      assert.match(story.step.text, /^Left alone.*: \.gitignore\.$/m);
    });

    it('passes over a manifest that was stored with the version, and writes its own', async () => {
      story.server.put('titanic', `1.0.0/${MANIFEST}`, '{"schemaVersion":1,"files":[]}');
      await story.download();
      assert.equal(JSON.parse(await readFile(join(story.destination, MANIFEST), 'utf8')).name, 'titanic');
      assert.equal(story.step.outputs.fileCount, 4);
    });
  });

  describe('that is cancelled', () => {
    it('leaves the old model and nothing else', async () => {
      await story.download();
      const before = await contentOf(story.destination);
      story.server.put('titanic', '1.0.0/model.pkl', 'never to arrive');
      story.server.fault = ({ blob }) =>
        blob === '1.0.0/model.pkl' ? { stallAfter: 5, onStall: () => story.step.cancel.abort() } : undefined;
      await assert.rejects(story.download(), { name: 'CancelledError' });
      await story.modelFiles();
      assert.deepEqual(await contentOf(story.destination), before);
    });
  });
});
