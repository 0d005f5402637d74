import assert from 'node:assert/strict';
import { readFile, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { agentFolders, memoryFolder } from '../../../tasks/ModelRegistryDownload/folder/agent-folders';
import { ModelFolder } from '../../../tasks/ModelRegistryDownload/folder/folder';
import { parseManifest, stateOf } from '../../../tasks/ModelRegistryDownload/folder/manifest';
import { findUnchanged } from '../../../tasks/ModelRegistryDownload/folder/unchanged';
import { MANIFEST, untilTimeMoves, useDownload } from './download';

describe('downloading a model', () => {
  const story = useDownload();

  describe('over an older one', () => {
    beforeEach(async () => {
      await story.download();
      await writeFile(join(story.destination, 'README.md'), 'by hand');
      story.server.requests.length = 0;
    });

    /** Looks for unchanged files as the next step would. */
    async function findAgain() {
      const manifest = parseManifest(await readFile(join(story.destination, MANIFEST), 'utf8'))!;
      const files = manifest.files.map((file) => ({
        ...{ ...file, name: '', etag: stateOf(file), lastModified: new Date(file.lastModified) },
        ...{ tier: undefined, rehydration: undefined, isFolder: false },
      }));
      const claim = {
        agent: agentFolders(story.step),
        memory: memoryFolder(story.step),
        signal: story.step.signal,
        log: story.step.log,
      };
      const folder = await ModelFolder.claim(story.destination, claim);
      try {
        return await findUnchanged(folder.installed, manifest.source, files, story.step.signal);
      } finally {
        await folder.release();
      }
    }

    it('transfers nothing when nothing has changed, and says so', async () => {
      const outcome = await story.download();
      assert.equal(story.server.reads.length, 0);
      assert.equal(story.step.outputs.downloadedBytes, 0);
      assert.match(outcome.message, /nothing: unchanged/);
    });

    it('reads only what was touched since then', async () => {
      assert.equal((await findAgain()).read, 0);
      await utimes(join(story.destination, 'model.pkl'), new Date(), new Date());
      assert.equal((await findAgain()).read, 1);
    });

    it('reads a file that was touched, and transfers nothing when it is the same', async () => {
      await utimes(join(story.destination, 'model.pkl'), new Date(), new Date());
      const outcome = await story.download();
      assert.equal(story.server.reads.length, 0);
      assert.match(outcome.message, /nothing: unchanged/);
      assert.equal((await findAgain()).read, 0);
    });

    it('notices a change behind which somebody has set the time back', async () => {
      const file = join(story.destination, 'model.pkl');
      const { mtime } = await stat(file);
      // Else the change might come in the same tick of the system's clock as the download.
      await untilTimeMoves(join(story.destination, MANIFEST));
      await writeFile(file, 'a traitor');
      await utimes(file, mtime, mtime);
      await story.download();
      assert.equal((await story.modelFiles())['model.pkl'], 'the model');
    });

    it('does not trust a manifest that was edited', async () => {
      const file = join(story.destination, MANIFEST);
      const text = await readFile(file, 'utf8');
      const { sha256 } = JSON.parse(text).files[0];
      await writeFile(file, text.replace(sha256, 'f'.repeat(64)));
      await story.download();
      assert.equal(await readFile(file, 'utf8'), text);
    });

    it('transfers a file again that was changed on this side', async () => {
      await writeFile(join(story.destination, 'model.pkl'), 'a traitor');
      await story.download();
      assert.equal((await story.modelFiles())['model.pkl'], 'the model');
      assert.equal(story.step.outputs.downloadedBytes, 9);
    });

    it('transfers only the files that have changed in the registry', async () => {
      story.server.put('titanic', '1.0.0/model.pkl', 'a better model');
      await story.download();
      assert.equal((await story.modelFiles())['model.pkl'], 'a better model');
      assert.equal(story.step.outputs.downloadedBytes, 14);
    });

    it('takes away what the new model does not have, and nothing else', async () => {
      story.server.put('titanic', '2.0.0/model.pkl', 'version two');
      story.server.put('titanic', '2.0.0/metadata.json', '{}');
      await story.download({ version: '2.0.0' });
      assert.deepEqual(await story.modelFiles(), {
        'README.md': 'by hand',
        'metadata.json': '{}',
        'model.pkl': 'version two',
      });
    });

    it('takes away what the patterns no longer pick', async () => {
      await story.download({ patterns: ['model.pkl'] });
      assert.deepEqual(await story.modelFiles(), { 'README.md': 'by hand', 'model.pkl': 'the model' });
      assert.equal(story.step.outputs.downloadedBytes, 0);
    });

    it('warns of nothing after its manifest was deleted, so that all is downloaded anew', async () => {
      await rm(join(story.destination, MANIFEST));
      await story.download();
      assert.doesNotMatch(story.step.text, /type=warning/);
      assert.deepEqual(Object.keys(await story.modelFiles()).length, 5);
    });

    it('says so when it has to replace a file that is not its own', async () => {
      story.server.put('titanic', '2.0.0/README.md', 'by the model');
      story.server.put('titanic', '2.0.0/metadata.json', '{}');
      await story.download({ version: '2.0.0', patterns: ['*.md'] });
      assert.deepEqual(await story.modelFiles(), { 'README.md': 'by the model' });
      assert.match(story.step.text, /did not come from this task: README\.md\./);
    });
  });
});
