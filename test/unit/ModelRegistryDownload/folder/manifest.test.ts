import assert from 'node:assert/strict';
import {
  createManifest,
  formatManifest,
  parseManifest,
} from '../../../../tasks/ModelRegistryDownload/folder/manifest';

const file = (path: string, sha256: string) => ({
  path,
  size: 3,
  sha256,
  md5: null,
  etag: '0x1',
  lastModified: '2026-11-23T06:00:00.000Z',
});
const source = {
  account: 'contoso',
  container: 'titanic',
  prefix: '1.0.0/',
  endpoint: 'contoso.blob.core.windows.net',
};
const A = 'a'.repeat(64);
const B = 'b'.repeat(64);
const manifest = (...files: ReturnType<typeof file>[]) =>
  createManifest({ name: 'titanic', version: '1.0.0', source, files });

describe('a manifest', () => {
  it('is the same text whatever order files and keys come in', () => {
    const { endpoint, prefix, container, account } = source;
    const shuffled = createManifest({
      files: [file('b', B), file('a', A)],
      version: '1.0.0',
      source: { endpoint, prefix, container, account },
      name: 'titanic',
    });
    assert.equal(formatManifest(shuffled), formatManifest(manifest(file('a', A), file('b', B))));
  });

  it('has the keys that its readers rely on, in this order', () => {
    const text = formatManifest(manifest(file('a', A)));
    assert.deepEqual(Object.keys(JSON.parse(text)), [
      'schemaVersion',
      'name',
      'version',
      'digest',
      'source',
      'files',
    ]);
    assert.deepEqual(Object.keys(JSON.parse(text).files[0]), [
      'path',
      'size',
      'sha256',
      'md5',
      'etag',
      'lastModified',
    ]);
  });

  it('has a digest that changes with any path or content, and with nothing else', () => {
    const { digest } = manifest(file('a', A));
    assert.match(digest, /^sha256:[0-9a-f]{64}$/);
    assert.notEqual(manifest(file('a', B)).digest, digest);
    assert.notEqual(manifest(file('b', A)).digest, digest);
    assert.equal(manifest({ ...file('a', A), etag: '0x2', lastModified: 'later' }).digest, digest);
  });

  it('can be read back', () => {
    const written = manifest(file('a', A), file('b', B));
    assert.deepEqual(parseManifest(formatManifest(written)), written);
  });

  for (const text of [
    '',
    'null',
    '[]',
    '{}',
    '{"schemaVersion":2,"files":[]}',
    '{"schemaVersion":1,"files":[{}]}',
  ]) {
    it(`is not taken from ${text || 'an empty file'}`, () => assert.equal(parseManifest(text), undefined));
  }
});
