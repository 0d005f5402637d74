import assert from 'node:assert/strict';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { StepRecord } from '../../local/agent/agent';
import { temporaryFolder } from '../unit/ModelRegistryDownload/support';
import { BlobServer } from './blob-server';
import { errorsOf, runStep } from './extension';
import { askLibrary, filesOf, type ModelLayout, publishFolder } from './model-layouts';
import { skipWithout } from './skip';

/** Tests that a model of a library is still that after it was stored, and downloaded by the packed task. */
export function testLayout(layout: ModelLayout, preparePython: () => Promise<string>): void {
  const { kind, release, program, versions } = layout;

  describe(`a model of ${[kind, release].filter(Boolean).join(' ')}`, function () {
    this.timeout(900_000); // the first time, the library is installed
    let server: BlobServer;
    let workspace: Awaited<ReturnType<typeof temporaryFolder>>;
    let python: string;
    let made: string;
    let predicted: unknown;

    before(async function () {
      if (program) skipWithout(this, program);
      python = await preparePython();
      workspace = await temporaryFolder();
      made = join(workspace.path, 'made', 'model');
      predicted = await askLibrary(python, 'make', layout, made);
      server = await BlobServer.start();
      for (const version of versions) await publishFolder(server, 'model', version, made);
    });

    after(async () => {
      await server?.stop();
      await workspace?.remove();
    });

    const destination = () => join(workspace.path, 'api', 'model');
    const download = (modelVersion: string): Promise<StepRecord> =>
      runStep('ModelRegistryDownload', {
        storageAccount: server.account,
        storageKey: server.key,
        blobEndpoint: server.endpoint,
        modelName: 'model',
        modelVersion,
        destinationFolder: destination(),
      });
    const downloaded = async (modelVersion: string): Promise<StepRecord> => {
      const step = await download(modelVersion);
      assert.equal(step.result, 'Succeeded', step.log.join('\n'));
      return step;
    };

    it('is loaded by the library, and predicts the same', async () => {
      await downloaded(versions[0]!);
      assert.deepEqual(await askLibrary(python, 'predict', layout, destination()), predicted);
      const { 'model-manifest.json': _, ...files } = await filesOf(destination());
      assert.deepEqual(files, await filesOf(made));
    });

    it(`is taken in its newest version, ${versions.at(-1)}`, async () => {
      const step = await downloaded('latest');
      assert.equal(step.outputVariables.modelVersion, versions.at(-1));
    });

    const { shard } = layout;
    if (shard) {
      it(`is passed over, or refused by name, without ${shard}`, async () => {
        const [older, newest] = [versions.at(-2)!, versions.at(-1)!];
        server.remove('model', `${newest}/${shard}`);
        await rm(join(workspace.path, 'api'), { recursive: true, force: true });
        const step = await downloaded('latest');
        assert.equal(step.outputVariables.modelVersion, older);
        assert.match(errorsOf(await download(newest)), new RegExp(`lacks '${shard}'`));
      });
    }
  });
}
