import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseModelManifest, readModel } from '../../../tasks/AcrBuildPush/model';
import { temporaryFolder } from './support';

const sha256 = (text: string) => createHash('sha256').update(text).digest('hex');

describe("a model's manifest", () => {
  const least = { name: 'titanic', version: '1.0.0', digest: 'sha256:aa' };

  it('gives name, version and digest', () => {
    assert.deepEqual(parseModelManifest(JSON.stringify({ schemaVersion: 1, ...least, files: [] })), least);
  });

  it('gives the files, where they came from and what a signature covers, and nothing that is not as it should be', () => {
    const file = { path: 'model.pkl', size: 3, sha256: 'a'.repeat(64) };
    const manifest = {
      ...least,
      source: { account: 'a', container: 'titanic' },
      signature: { digest: 'sha256:bb', key: 'cc' },
      files: [{ ...file, md5: null, etag: 'e' }, { path: 'odd' }, 7, { ...file, sha256: 'none' }],
    };
    assert.deepEqual(parseModelManifest(JSON.stringify(manifest)), {
      ...least,
      files: [file],
      source: { account: 'a', container: 'titanic' },
      signedDigest: 'sha256:bb',
    });
    const odd = { ...least, source: 'x', signature: ['y'], files: { length: 1 }, trainingRun: {} };
    assert.deepEqual(parseModelManifest(JSON.stringify(odd)), least);
  });

  for (const text of ['', '[]', 'null', '{"name":"titanic"}']) {
    it(`is not ${text || 'an empty file'}`, () => assert.throws(() => parseModelManifest(text)));
  }

  describe('in its folder', () => {
    let folder: ReturnType<typeof temporaryFolder>;
    beforeEach(() => {
      folder = temporaryFolder();
    });
    afterEach(() => folder.remove());

    function read(metadata: string | undefined, more: object = {}) {
      const file = join(folder.path, 'model-manifest.json');
      writeFileSync(file, JSON.stringify({ ...least, ...more }));
      if (metadata !== undefined) writeFileSync(join(folder.path, 'metadata.json'), metadata);
      return readModel(file);
    }

    it('names the run that trained it, or the file beside it does', () => {
      assert.deepEqual(read(undefined), { ...least, folder: folder.path });
      for (const [runId, expected] of [
        ['"855018371842731"', '855018371842731'],
        ['42', '42'],
        ['null', undefined],
        ['9007199254740993', undefined],
      ]) {
        assert.equal(read(`{"runId":${runId}}`).trainingRun, expected);
      }
      assert.equal(read('{"runId":"42"}', { trainingRun: '4711' }).trainingRun, '4711');
    });

    it('takes the file beside it for what it was when it was downloaded only', () => {
      const text = '{"runId":"42","metrics":{"accuracy":0.8}}';
      const files = [{ path: 'metadata.json', size: text.length, sha256: sha256(text) }];
      const { metadata, trainingRun } = read(text, { files });
      assert.deepEqual(metadata, {
        content: { runId: '42', metrics: { accuracy: 0.8 } },
        sha256: sha256(text),
      });
      assert.equal(trainingRun, '42');
      const changed = read(text.replace('0.8', '0.9'), { files });
      assert.deepEqual([changed.metadata, changed.trainingRun], [undefined, undefined]);
    });
  });
});
