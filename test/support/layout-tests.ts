import assert from 'node:assert/strict';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { downloadModel } from '../../tasks/ModelRegistryDownload/download-model';
import { FakeStep, impatient, inputsFor, temporaryFolder } from '../unit/ModelRegistryDownload/support';
import { BlobServer } from './blob-server';
import { askLibrary, filesOf, hasLibrary, type ModelLayout, publishFolder } from './model-layouts';
import { skip } from './skip';

/** Tests that a model of a library is still that after it was stored and downloaded. */
export function testLayout(layout: ModelLayout, preparePython: () => Promise<string>): void {
  describe(`a model of ${layout.kind}`, function () {
    this.timeout(300_000);
    let server: BlobServer;
    let workspace: Awaited<ReturnType<typeof temporaryFolder>>;
    let python: string;
    let made: string;
    let predicted: unknown;

    before(async function () {
      python = await preparePython();
      if (!(await hasLibrary(python, layout))) skip(this, `this Python has no ${layout.module}`);
      workspace = await temporaryFolder();
      made = join(workspace.path, 'made', 'model');
      predicted = await askLibrary(python, 'make', layout, made);
      server = await BlobServer.start();
      for (const version of layout.versions) await publishFolder(server, 'model', version, made);
    });

    after(async () => {
      await server?.stop();
      await workspace?.remove();
    });

    async function download(version: string) {
      const step = new FakeStep(workspace.path);
      const destination = join(workspace.path, 'api', 'model');
      await downloadModel(inputsFor(server, destination, { model: 'model', version }), step, impatient());
      return { step, destination };
    }

    it('is loaded by the library, and predicts the same', async () => {
      const { destination } = await download(layout.versions[0]!);
      assert.deepEqual(await askLibrary(python, 'predict', layout, destination), predicted);
      const { 'model-manifest.json': _, ...files } = await filesOf(destination);
      assert.deepEqual(files, await filesOf(made));
    });

    it(`is taken in its newest version, ${layout.versions.at(-1)}`, async () => {
      const { step } = await download('latest');
      assert.equal(step.outputs.modelVersion, layout.versions.at(-1));
    });

    const { shard } = layout;
    if (shard) {
      it(`is passed over, or refused by name, without ${shard}`, async () => {
        const [older, newest] = [layout.versions.at(-2)!, layout.versions.at(-1)!];
        server.remove('model', `${newest}/${shard}`);
        await rm(join(workspace.path, 'api'), { recursive: true, force: true });
        const { step } = await download('latest');
        assert.equal(step.outputs.modelVersion, older);
        await assert.rejects(download(newest), { message: new RegExp(`lacks '${shard}'`) });
      });
    }
  });
}
