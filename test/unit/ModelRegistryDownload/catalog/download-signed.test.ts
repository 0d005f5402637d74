import assert from 'node:assert/strict';
import { access, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { makeSigningKey, signModel } from '../../../support/model-signature';
import { MANIFEST } from '../download';
import { MODEL, useCatalog } from './story';

const FILES = { MLmodel: 'flavors: {}\n', 'model.pkl': 'the model', 'extra_files/lookup.pkl': 'the lookup' };
const SIGNER = makeSigningKey();
const STRANGER = makeSigningKey();

describe('a model of Unity Catalog that is signed', () => {
  const story = useCatalog();

  /** Registers a second version, whose signature is of other files where that is asked for. */
  const register = (signedFiles: Readonly<Record<string, string>> = FILES) =>
    story.workspace.catalog.register(MODEL, {
      ...FILES,
      'model.sig': signModel(signedFiles, SIGNER.key),
    });
  const download = (inputs: Record<string, string> = {}) =>
    story.download({
      modelVersion: '2',
      signature: 'require',
      trustedKeys: SIGNER.publicKey,
      ...inputs,
    });

  for (const givesLinks of [true, false]) {
    const way = givesLinks ? 'by links' : 'through the workspace';

    it(`is verified before it takes its place, ${way}`, async () => {
      story.workspace.givesLinks = givesLinks;
      register();
      await download();
      assert.match(story.step.text, /signature of version '2' is valid/);
      const { signature, source } = JSON.parse(await readFile(join(story.destination, MANIFEST), 'utf8'));
      assert.equal(source.registryType, 'unityCatalog');
      assert.match(signature.digest, /^sha256:[0-9a-f]{64}$/);
      assert.deepEqual(Object.keys(await story.modelFiles()), [...Object.keys(FILES), 'model.sig'].sort());
    });

    it(`is refused where a file is another one than was signed, ${way}`, async () => {
      story.workspace.givesLinks = givesLinks;
      register({ ...FILES, 'model.pkl': 'the model as it was signed' });
      await assert.rejects(download(), /changed since it was signed 'model\.pkl'/);
      await assert.rejects(access(story.destination));
    });
  }

  it('is refused before any of it comes where a stranger has signed it', async () => {
    register();
    await assert.rejects(
      download({ trustedKeys: STRANGER.publicKey }),
      /not made with any key of 'trustedKeys'/,
    );
    assert.equal(story.step.outputs.downloadedBytes, 0);
  });

  it('must be signed where that is required', async () => {
    await assert.rejects(
      download({ modelVersion: '1' }),
      /Version '1' is not signed: it holds no model\.sig/,
    );
  });

  it('is verified again where it lies in its place already', async () => {
    register();
    await download();
    await download();
    assert.equal(story.step.outputs.downloadedBytes, 0);
    assert.match(story.step.text, /signature of version '2' is valid/);
    await assert.rejects(download({ trustedKeys: STRANGER.publicKey }), /not made with any key/);
  });

  it('is verified in a volume likewise', async () => {
    const folder = '/Volumes/main/ml/registry/titanic';
    for (const [path, content] of Object.entries({ ...FILES, 'model.sig': signModel(FILES, SIGNER.key) }))
      story.workspace.catalog.put(`${folder}/1.0.0/${path}`, content);
    const inputs = { modelName: folder, modelVersion: 'latest' };
    await download(inputs);
    assert.match(story.step.text, /signature of version '1\.0\.0' is valid/);
    story.workspace.catalog.put(`${folder}/1.0.0/model.pkl`, 'another model');
    await assert.rejects(download(inputs), /changed since it was signed 'model\.pkl'/);
  });
});
