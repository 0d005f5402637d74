import assert from 'node:assert/strict';
import {
  entriesOf,
  faultInConfig,
  faultInManifest,
  readConfig,
  readManifest,
} from '../../../../tasks/AcrBuildPush/image/manifest';
import {
  asOci,
  isImage,
  isIndex,
  MANIFEST_TYPES,
  OCI_INDEX,
  OCI_MANIFEST,
} from '../../../../tasks/AcrBuildPush/image/media-types';
import { annotate } from '../../../../tasks/AcrBuildPush/publish/annotate';
import { withWrongTypes } from '../../../support/wrong-types';

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

  it('may have null in place of what is not there', () => {
    const nothing = { urls: null, annotations: null };
    const image = { config: { ...part, ...nothing }, layers: [{ ...part, ...nothing }], annotations: null };
    const read = readManifest(bytes(image), OCI_MANIFEST);
    assert.deepEqual([read?.config, read?.layers], [part, [part]]);
    const entry = { ...part, ...nothing, platform: null, artifactType: null };
    assert.deepEqual(entriesOf(readManifest(bytes({ manifests: [entry] }), OCI_INDEX)!), [part]);
  });

  it('is what it says, or what it has, whatever it was sent as', () => {
    const image = { config: part, layers: [part] };
    for (const [sentAs, content, type] of [
      [OCI_INDEX, image, OCI_MANIFEST],
      ['text/plain', { manifests: [part] }, OCI_INDEX],
      [OCI_MANIFEST, { manifests: [part] }, OCI_INDEX],
      [`${OCI_MANIFEST}; charset=utf-8`, image, OCI_MANIFEST],
      [OCI_INDEX, { ...image, mediaType: OCI_MANIFEST }, OCI_MANIFEST],
      [
        'application/json',
        { ...image, mediaType: 'application/vnd.docker.distribution.manifest.v2+json' },
        'application/vnd.docker.distribution.manifest.v2+json',
      ],
    ] as const) {
      assert.equal(readManifest(bytes(content), sentAs)?.mediaType, type, JSON.stringify([sentAs, content]));
    }
  });

  it('may have parts that say no type, which nobody then takes for another', () => {
    const { mediaType: _, ...untyped } = part;
    for (const layer of [untyped, { ...part, mediaType: null }]) {
      const read = readManifest(bytes({ config: part, layers: [layer] }), OCI_MANIFEST)!;
      assert.deepEqual(read.layers, [{ ...part, mediaType: '' }]);
      assert.equal(annotate(read, { a: 'b' }), read);
    }
  });

  for (const [what, type, content] of [
    ['both an image and a list of them', OCI_INDEX, { manifests: [part], layers: [part] }],
    ['both a list and an image', OCI_MANIFEST, { manifests: [part], config: part, layers: [part] }],
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

  it('says what is wrong with its parts', () => {
    const fault = (content: unknown, type: string) => faultInManifest(bytes(content), type);
    assert.equal(fault([], OCI_MANIFEST), 'it is a list, where an object should be');
    assert.equal(fault({ layers: {} }, OCI_MANIFEST), "'layers' is an object, where a list should be");
    assert.equal(fault({}, OCI_INDEX), "'manifests' is missing");
    assert.equal(
      fault({ layers: [{}] }, OCI_MANIFEST),
      "'layers' holds something without a digest or a size",
    );
  });

  it('has a configuration, of which each part is what it has to be', () => {
    const config = {
      ...{ os: 'linux', architecture: 'arm64', variant: 'v8', created: '2026-01-01T00:00:00Z', author: 'a' },
      config: {
        User: 'a',
        ExposedPorts: { '80/tcp': {} },
        Env: ['A=b'],
        Entrypoint: ['/a'],
        Cmd: ['b'],
        Volumes: { '/c': {} },
        WorkingDir: '/d',
        Labels: { e: 'f' },
        StopSignal: 'SIGTERM',
        Healthcheck: { Test: ['NONE'] },
        OnBuild: ['RUN a'],
        Shell: ['/bin/bash', '-c'],
        StopTimeout: 10,
      },
      rootfs: { type: 'layers', diff_ids: [DIGEST] },
      history: [{ created: 'a', created_by: 'b', comment: 'c', author: 'd', empty_layer: true }],
    };
    assert.deepEqual(readConfig(bytes(config)), config);
    const free = /^(rootfs\.type|config\.Healthcheck\.Test.*)$/;
    for (const { place, value } of withWrongTypes(config)) {
      if (!free.test(place)) assert.equal(readConfig(bytes(value)), undefined, place);
    }
    const nothing = Object.fromEntries(Object.keys(config.config).map((name) => [name, null]));
    const { history: _, ...rest } = config;
    const spare = { ...config, config: nothing, history: null };
    assert.deepEqual(readConfig(bytes(spare)), { ...rest, config: {} }, 'null stands for what is not there');
    assert.match(
      String(faultInConfig(bytes({ ...config, config: { Env: 'A=b' } }))),
      /^'config\.Env' is a text/,
    );
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
