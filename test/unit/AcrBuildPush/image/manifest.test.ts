import assert from 'node:assert/strict';
import { entriesOf, readConfig, readManifest } from '../../../../tasks/AcrBuildPush/image/manifest';
import {
  asOci,
  isImage,
  isIndex,
  MANIFEST_TYPES,
  OCI_INDEX,
  OCI_MANIFEST,
} from '../../../../tasks/AcrBuildPush/image/media-types';

const DIGEST = `sha256:${'a'.repeat(64)}`;
const part = { mediaType: 'x', digest: DIGEST, size: 1 };
const bytes = (value: unknown) => Buffer.from(typeof value === 'string' ? value : JSON.stringify(value));

describe('a manifest of a registry', () => {
  it('of an image is read with its parts', () => {
    const manifest = readManifest(bytes({ config: part, layers: [part, part] }), OCI_MANIFEST);
    assert.deepEqual([manifest?.config, manifest?.layers.length], [part, 2]);
    assert.equal(entriesOf(manifest!), undefined);
  });

  it('may have no layers, and a configuration of no bytes', () => {
    const empty = { ...part, size: 0 };
    assert.deepEqual(readManifest(bytes({ config: empty }), OCI_MANIFEST)?.layers, []);
    assert.deepEqual(readManifest(bytes({ config: empty }), OCI_MANIFEST)?.config, empty);
  });

  for (const digest of ['sha512:0A-_=', 'multihash+base58:QmRZ', 'sha256+b64u:LCa0a2j_xo', 'a.b-c_d0:x']) {
    it(`may have digests of other kinds: ${digest}`, () => {
      assert.ok(readManifest(bytes({ config: { ...part, digest } }), OCI_MANIFEST));
    });
  }

  it('of several images is read with them', () => {
    const manifest = readManifest(bytes({ manifests: [part] }), OCI_INDEX);
    assert.deepEqual(entriesOf(manifest!), [part]);
  });

  for (const [what, type, content] of [
    ['null', OCI_MANIFEST, 'null'],
    ['nothing', OCI_MANIFEST, ''],
    ['a page', OCI_MANIFEST, '<html>'],
    ['a list', OCI_MANIFEST, '[]'],
    ['layers that are no list', OCI_MANIFEST, { config: part, layers: {} }],
    ['a layer that is null', OCI_MANIFEST, { config: part, layers: [null] }],
    ['a digest that leads elsewhere', OCI_MANIFEST, { config: { ...part, digest: '../../x' }, layers: [] }],
    ['a digest with a query', OCI_MANIFEST, { config: { ...part, digest: `${DIGEST}?x` }, layers: [] }],
    ['a configuration that is no record', OCI_MANIFEST, { config: 'x', layers: [] }],
    ['one layer among others that is none', OCI_MANIFEST, { config: part, layers: [part, 1] }],
    ['a type that is no text', OCI_MANIFEST, { config: { ...part, mediaType: 1 }, layers: [] }],
    [
      'a digest with something before it',
      OCI_MANIFEST,
      { config: { ...part, digest: `/${DIGEST}` }, layers: [] },
    ],
    ['a digest of no kind', OCI_MANIFEST, { config: { ...part, digest: 'a+:x' }, layers: [] }],
    ['half a byte', OCI_MANIFEST, { config: { ...part, size: 0.5 }, layers: [] }],
    ['a size below nothing', OCI_MANIFEST, { config: { ...part, size: -1 }, layers: [] }],
    ['a size that is a text', OCI_MANIFEST, { config: { ...part, size: '1' }, layers: [] }],
    ['no images', OCI_INDEX, {}],
    ['an image that is null', OCI_INDEX, { manifests: [null] }],
    ['brackets without end', OCI_MANIFEST, '['.repeat(50_000)],
  ] as const) {
    it(`is not one with ${what}`, () => assert.equal(readManifest(bytes(content), type), undefined));
  }

  it('leads to a configuration', () => {
    const config = { rootfs: { diff_ids: [DIGEST, DIGEST] } };
    assert.deepEqual(readConfig(bytes(config)), config);
  });

  for (const content of [
    'null',
    '',
    '<html>',
    {},
    { rootfs: null },
    { rootfs: { diff_ids: [1] } },
    { rootfs: { diff_ids: [DIGEST, 'x'] } },
  ]) {
    it(`has no configuration such as ${JSON.stringify(content)}`, () => {
      assert.equal(readConfig(bytes(content)), undefined);
    });
  }
});

describe('the types of manifests', () => {
  it("are told by the specification's names and by docker's", () => {
    assert.equal(MANIFEST_TYPES.length, 4);
    for (const type of MANIFEST_TYPES) assert.ok(isImage(type) !== isIndex(type), type);
    assert.equal(asOci('application/vnd.docker.distribution.manifest.list.v2+json'), OCI_INDEX);
    assert.equal(asOci('text/plain'), undefined);
  });
});
