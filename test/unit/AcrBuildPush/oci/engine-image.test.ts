import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { gzipSync } from 'node:zlib';
import { pack } from 'tar-stream';
import { DockerCli } from '../../../../tasks/AcrBuildPush/docker/cli';
import { readEngineImage, UnreadableImageError } from '../../../../tasks/AcrBuildPush/oci/engine-image';
import type { KnownLayers } from '../../../../tasks/AcrBuildPush/oci/publish/known-layers';
import { capturedLog, fakeDocker, temporaryFolder } from '../support';

type Entries = Record<string, Buffer | string | { link: string }>;

const base = Buffer.from('the base');
const model = Buffer.alloc(300_000, 'model');
const config = JSON.stringify({
  os: 'linux',
  architecture: 'arm64',
  variant: 'v8',
  rootfs: { type: 'layers', diff_ids: [digestOf(base), digestOf(model), digestOf(base)] },
});

function digestOf(content: Buffer | string): string {
  return `sha256:${createHash('sha256').update(content).digest('hex')}`;
}

function blobName(content: Buffer | string): string {
  return `blobs/sha256/${digestOf(content).slice('sha256:'.length)}`;
}

function manifest(Config: string, Layers: string[]): string {
  return JSON.stringify([{ Config, RepoTags: ['titanic:1'], Layers }]);
}

/** As engines before 25 write it: layers under numbers, what they are at the very end. */
const numbered: Entries = {
  '1111/json': '{}',
  '1111/layer.tar': base,
  '2222/layer.tar': model,
  '3333/layer.tar': { link: '../1111/layer.tar' },
  'abc.json': config,
  'manifest.json': manifest('abc.json', ['1111/layer.tar', '2222/layer.tar', '3333/layer.tar']),
};

/** As later engines write it, whose layers lie there as they are, and containerd's stores, which compress them. */
function byDigest(form: (content: Buffer) => Buffer): Entries {
  const layers = [form(base), form(model)];
  return {
    [blobName(layers[0]!)]: layers[0]!,
    [blobName(layers[1]!)]: layers[1]!,
    [blobName(config)]: config,
    'index.json': '{}',
    'manifest.json': manifest(
      blobName(config),
      [0, 1, 0].map((index) => blobName(layers[index]!)),
    ),
    'oci-layout': '{}',
  };
}

describe('an image of the engine', () => {
  const room = temporaryFolder();
  let count = 0;
  after(() => room.remove());

  async function read(entries: Entries, known: KnownLayers = new Map(), then = 'exit 0') {
    const folder = join(room.path, String(count++));
    mkdirSync(join(folder, 'layers'), { recursive: true });
    const archive = pack();
    for (const [name, content] of Object.entries(entries)) {
      if (typeof content === 'object' && 'link' in content) {
        archive.entry({ name, type: 'symlink', linkname: content.link });
      } else archive.entry({ name }, content as Buffer);
    }
    archive.finalize();
    writeFileSync(join(folder, 'saved.tar'), await buffer(archive));
    const script = `[ "$*" = "save titanic:1" ] || exit 9\ncat ${folder}/saved.tar\n${then}`;
    const { log } = capturedLog();
    const { signal } = new AbortController();
    const docker = new DockerCli({ env: fakeDocker(folder, script), signal, log });
    const options = { folder: join(folder, 'layers'), host: 'r.azurecr.io', known, log };
    return readEngineImage(docker, 'titanic:1', options);
  }

  for (const [store, entries] of [
    ['an old engine', numbered],
    ['a new engine', byDigest((content) => content)],
  ] as const) {
    it(`is read from ${store}, layer by layer and with its configuration as it is`, async () => {
      const image = await read(entries);
      assert.equal(image.config.toString(), config);
      assert.deepEqual(image.platform, { os: 'linux', architecture: 'arm64', variant: 'v8' });
      for (const [index, content] of [base, model, base].entries()) {
        const layer = image.layers[index]!;
        assert.ok(layer.kind === 'local');
        assert.equal(layer.diffId, digestOf(content));
        assert.equal(layer.size, content.length);
        assert.deepEqual(Buffer.concat(await layer.open().toArray()), content);
        assert.deepEqual(Buffer.concat(await layer.open(5).toArray()), content.subarray(5));
      }
    });
  }

  it('is read from a store of containerd with its layers as they are compressed there', async () => {
    const { layers } = await read(byDigest((content) => gzipSync(content)));
    const [, layer] = layers;
    assert.ok(layer?.kind === 'stored');
    assert.equal(layer.diffId, digestOf(model));
    assert.deepEqual(layer.descriptor, {
      mediaType: 'application/vnd.oci.image.layer.v1.tar+gzip',
      digest: digestOf(gzipSync(model)),
      size: gzipSync(model).length,
    });
    assert.deepEqual(Buffer.concat(await layer.open().toArray()), gzipSync(model));
  });

  for (const [store, entries] of [
    ['an old engine', numbered],
    ['a new engine', byDigest((content) => content)],
    ['a store of containerd', byDigest((content) => gzipSync(content))],
  ] as const) {
    it(`leaves layers to the registry that has them, when read from ${store}`, async () => {
      const descriptor = { mediaType: 'x', digest: digestOf(gzipSync(base)), size: 9 };
      const known = new Map([[digestOf(base), { descriptor, repository: 'python' }]]);
      const { layers } = await read(entries, known);
      assert.deepEqual(
        layers.map((layer) => layer.kind === 'remote' && [layer.host, layer.repository, layer.descriptor]),
        [['r.azurecr.io', 'python', descriptor], false, ['r.azurecr.io', 'python', descriptor]],
      );
    });
  }

  for (const [what, entries, then, message] of [
    ['when docker fails', numbered, 'echo broken >&2; exit 1', /'docker save' failed \(exit code 1\)/],
    ['that lacks a layer', { ...numbered, '1111/layer.tar': { link: 'x' } }, 'exit 0', /lacks 1111/],
    ['with a damaged layer', { ...numbered, '2222/layer.tar': 'other' }, 'exit 0', /is not the layer sha256/],
    ['of no known form', { 'index.json': '{}' }, 'exit 0', /lacks manifest\.json/],
    ['with a torn manifest', { ...numbered, 'manifest.json': '[{' }, 'exit 0', /can't be understood/],
  ] as [string, Entries, string, RegExp][]) {
    it(`${what} is given up with the reason`, async () => {
      await assert.rejects(read(entries, new Map(), then), (error) => {
        assert.ok(error instanceof UnreadableImageError);
        assert.match(error.message, message);
        return true;
      });
    });
  }
});
