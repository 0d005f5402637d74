import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { findModels } from '../../../../scripts/chain/model-in-image';
import type { Registry } from '../../../../scripts/chain/registry';
import { root } from '../../../../scripts/paths';
import { createManifest, formatManifest } from '../../../../tasks/ModelRegistryDownload/folder/manifest';
import { skip } from '../../../support/skip';
import { gzipped, type LayerEntry, layerTar } from '../../AcrBuildPush/bill-of-materials/support';

const sha256 = (content: string | Buffer) => createHash('sha256').update(content).digest('hex');
const TAR = 'application/vnd.oci.image.layer.v1.tar';

const manifest = formatManifest(
  createManifest({
    name: 'titanic',
    version: '1.0.0',
    source: { account: 'a', container: 'titanic', prefix: '1.0.0/', endpoint: 'a.blob' },
    files: [
      {
        path: 'model.pkl',
        ...{ size: 9, sha256: sha256('the model'), md5: null },
        ...{ etag: 'x', lastModified: '2026-11-23T06:00:00.000Z' },
      },
    ],
  }),
);
const model = { 'app/pickles/model-manifest.json': manifest, 'app/pickles/model.pkl': 'the model' };

/** Finds the models in layers, some of which have a media type of their own. */
function find(layers: readonly (Record<string, LayerEntry> | readonly [Buffer, string])[]) {
  const blobs = layers.map((layer) => (Array.isArray(layer) ? layer[0] : layerTar(layer as never)) as Buffer);
  const registry = {
    async stream({ digest }: { digest: string }) {
      return Readable.from([blobs.find((blob) => `sha256:${sha256(blob)}` === digest)!]);
    },
  } as unknown as Registry;
  const descriptors = blobs.map((blob, index) => ({
    mediaType: Array.isArray(layers[index]) ? (layers[index] as [Buffer, string])[1] : TAR,
    digest: `sha256:${sha256(blob)}`,
    size: blob.length,
  }));
  return findModels(registry, descriptors);
}

describe('the models in an image', () => {
  it('are found below layers that have nothing of them', async () => {
    const { models, unread } = await find([model, { 'etc/motd': 'hello' }]);
    assert.deepEqual(unread, []);
    assert.deepEqual(
      models.map(({ folder, files }) => [folder, files.get('model.pkl')?.sha256]),
      [['app/pickles/', sha256('the model')]],
    );
  });

  it('are all shown, so that one in a later layer hides none', async () => {
    const decoy = Object.fromEntries(
      Object.entries(model).map(([path, content]) => [path.replace('app/pickles', 'decoy'), content]),
    );
    const { models } = await find([{ ...model, 'app/pickles/model.pkl': 'evil' }, decoy]);
    assert.deepEqual(models.map(({ folder }) => folder).sort(), ['app/pickles/', 'decoy/']);
  });

  const REPLACED: Readonly<Record<string, Record<string, LayerEntry>>> = {
    'another file': { 'app/pickles/model.pkl': 'another!!' },
    'a link to elsewhere': { 'app/pickles/model.pkl': { link: '/evil.pkl' } },
    'a hard link to another file': { 'evil.pkl': 'evil', 'app/pickles/model.pkl': { hardlink: 'evil.pkl' } },
    'a hard link to nothing': { 'app/pickles/model.pkl': { hardlink: 'nowhere' } },
    nothing: { 'app/pickles/.wh.model.pkl': '' },
  };
  for (const [what, layer] of Object.entries(REPLACED)) {
    it(`have what a later layer puts in the place of a file: ${what}`, async () => {
      const { models } = await find([model, layer]);
      assert.notEqual(models[0]!.files.get('model.pkl')?.sha256, sha256('the model'));
    });
  }

  const GONE: Readonly<Record<string, Record<string, LayerEntry>>> = {
    'a link in the place of their folder': { 'app/pickles': { link: '/evil' } },
    'their folder taken away': { 'app/.wh.pickles': '' },
    'all of a folder above taken away': { 'app/.wh..wh..opq': '' },
    'a file in the place of a folder above': { app: 'file' },
  };
  for (const [what, layer] of Object.entries(GONE)) {
    it(`are gone after ${what}`, async () => assert.deepEqual((await find([model, layer])).models, []));
  }

  it('are seen through a hard link to the same file', async () => {
    const layer = { 'cache/a': 'the model', 'app/pickles/model.pkl': { hardlink: 'cache/a' } };
    const { models } = await find([model, layer]);
    assert.equal(models[0]!.files.get('model.pkl')?.sha256, sha256('the model'));
  });

  it('are read by what a layer is, whatever its type says', async () => {
    for (const layer of [layerTar(model), gzipped(layerTar(model))])
      for (const type of [TAR, `${TAR}+gzip`])
        assert.equal((await find([[layer, type]])).models.length, 1, type);
  });

  it('are found without a layer that can not be read, which is named', async () => {
    const { models, unread } = await find([[Buffer.from('no tar at all'), TAR], model]);
    assert.equal(models.length, 1);
    assert.equal(unread.length, 1);
  });

  it('are read from zstandard where Node can, else it is said', async function () {
    const node = join(root, 'node_modules/agent-node24/bin/node');
    if (!existsSync(node)) skip(this, 'Node 24 is not installed');
    const pack = 'process.stdout.write(require("zlib").zstdCompressSync(require("fs").readFileSync(0)))';
    const packed = execFileSync(node, ['-e', pack], { input: layerTar(model) });
    const { models, unread } = await find([[packed, `${TAR}+zstd`]]);
    if ('createZstdDecompress' in (await import('node:zlib'))) assert.equal(models.length, 1);
    else
      assert.match(unread[0]!, /zstandard, which Node 20\.[\d.]+ does not read: take Node 22\.15 or later/);
  });
});
