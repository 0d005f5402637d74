import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parseTrustedKeys } from '../../../tasks/ModelRegistryDownload/signature/trusted-keys';
import { makeSigningKey, signModel } from '../../support/model-signature';
import { MANIFEST, METADATA, useDownload } from './download';
import { contentOf } from './support';

const FILES = {
  'data/flags.pkl': 'the flags',
  'lookup.pkl': 'the lookup',
  'metadata.json': METADATA,
  'model.pkl': 'the model',
};
const SIGNER = makeSigningKey();
const trustedKeys = parseTrustedKeys(SIGNER.publicKey);
const strangers = parseTrustedKeys(makeSigningKey().publicKey);

describe('a model that is signed', () => {
  const story = useDownload();
  const manifest = async () => JSON.parse(await readFile(join(story.destination, MANIFEST), 'utf8'));
  const signed = (files = FILES) =>
    story.server.put('titanic', '1.0.0/model.sig', signModel(files, SIGNER.key).toString());

  it('is downloaded, and the manifest cites its signature', async () => {
    signed();
    await story.download({ trustedKeys, signature: 'require' });
    assert.match(story.step.text, /signature of version '1\.0\.0' is valid/);
    const { signature } = await manifest();
    assert.match(signature.digest, /^sha256:[0-9a-f]{64}$/);
    assert.match(story.step.summary, new RegExp(signature.key));
    assert.deepEqual(Object.keys(await story.modelFiles()), [...Object.keys(FILES), 'model.sig']);
  });

  it('is verified again when nothing has changed, and nothing is downloaded', async () => {
    signed();
    await story.download({ trustedKeys });
    await story.download({ trustedKeys, signature: 'require' });
    assert.equal(story.step.outputs.downloadedBytes, 0);
    assert.match((await story.download({ trustedKeys })).message, /unchanged/);
  });

  it('leaves the folder as it was where a file is another one than was signed', async () => {
    await story.download();
    signed({ ...FILES, 'model.pkl': 'the model as it was signed' });
    await assert.rejects(
      story.download({ trustedKeys }),
      /changed since it was signed 'model\.pkl'.*Nothing of this version is used/,
    );
    assert.deepEqual(
      Object.keys(await contentOf(story.destination)),
      [...Object.keys(FILES).slice(0, 3), MANIFEST, 'model.pkl'].sort(),
    );
  });

  it('is refused before any of it comes where a stranger has signed it', async () => {
    signed();
    await assert.rejects(
      story.download({ trustedKeys: strangers }),
      /not made with any key of 'trustedKeys'/,
    );
    assert.equal(story.step.outputs.downloadedBytes, 0);
  });

  it('is refused with a file more, also in a folder that holds it already', async () => {
    signed();
    story.server.put('titanic', '1.0.0/more.pkl', 'more');
    await story.download();
    assert.match(story.step.text, /was not verified: 'trustedKeys' names no key/);
    await assert.rejects(story.download({ trustedKeys }), /knows nothing of 'more\.pkl'/);
  });

  it('is verified by its signature also where that is not downloaded', async () => {
    signed();
    await story.download({ trustedKeys, signature: 'require', patterns: ['model.pkl'] });
    assert.deepEqual(await story.modelFiles(), { 'model.pkl': 'the model' });
    assert.match(story.step.text, /Signed, and not among the files of this step: 'data\/flags\.pkl'/);
  });

  it('may be unsigned, with a warning, unless a signature is required', async () => {
    await story.download({ trustedKeys });
    assert.match(story.step.text, /type=warning.*is not signed/);
    await assert.rejects(
      story.download({ trustedKeys, signature: 'require' }),
      /not signed: it holds no model\.sig/,
    );
    await story.download();
    assert.doesNotMatch(story.step.text, /signed/);
  });

  it('is not looked at where nobody wants it', async () => {
    story.server.put('titanic', '1.0.0/model.sig', 'no signature');
    await story.download({ trustedKeys: strangers, signature: 'off' });
    assert.equal((await manifest()).signature, undefined);
  });

  for (const [what, content] of [
    ['empty', ''],
    ['no signature', 'hello'],
  ] as const) {
    it(`is refused where its signature is ${what}`, async () => {
      story.server.put('titanic', '1.0.0/model.sig', content);
      await assert.rejects(story.download({ trustedKeys }), /\(model\.sig\) is (empty|no Sigstore bundle)/);
    });
  }
});
