import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { text } from 'node:stream/consumers';
import type { Manifest } from '../../../../tasks/AcrBuildPush/image/image';
import { annotate } from '../../../../tasks/AcrBuildPush/publish/annotate';
import { setTags } from '../../../../tasks/AcrBuildPush/publish/destination';
import { publish } from '../../../../tasks/AcrBuildPush/publish/publish';
import { RegistryClient } from '../../../../tasks/AcrBuildPush/registry/client';
import { Uploads } from '../../../../tasks/AcrBuildPush/registry/upload';
import { scriptedServer } from '../support';

const DOCKER = 'application/vnd.docker.distribution.manifest.v2+json';
const OCI = 'application/vnd.oci.image.manifest.v1+json';

function manifest(mediaType: string, config: string, layer: string): Manifest {
  const content = {
    schemaVersion: 2,
    mediaType,
    config: { mediaType: config, digest: 'sha256:c', size: 1 },
    layers: [{ mediaType: layer, digest: 'sha256:l', size: 2 }],
  };
  return { ...content, digest: 'sha256:m', body: Buffer.from(JSON.stringify(content)) };
}

describe('annotations', () => {
  for (const pushed of [
    manifest(
      DOCKER,
      'application/vnd.docker.container.image.v1+json',
      'application/vnd.docker.image.rootfs.diff.tar.gzip',
    ),
    manifest(OCI, 'application/vnd.oci.image.config.v1+json', 'application/vnd.oci.image.layer.v1.tar+gzip'),
  ]) {
    it(`make an OCI manifest of the same blobs from ${pushed.mediaType}`, () => {
      const annotated = annotate(pushed, { a: 'b' });
      const content = JSON.parse(annotated.body.toString());
      assert.deepEqual(content, {
        schemaVersion: 2,
        mediaType: OCI,
        config: { mediaType: 'application/vnd.oci.image.config.v1+json', digest: 'sha256:c', size: 1 },
        layers: [{ mediaType: 'application/vnd.oci.image.layer.v1.tar+gzip', digest: 'sha256:l', size: 2 }],
        annotations: { a: 'b' },
      });
      assert.equal(annotated.mediaType, OCI);
      assert.equal(annotated.digest, `sha256:${createHash('sha256').update(annotated.body).digest('hex')}`);
    });
  }

  it('leave a manifest alone that has parts of other types', () => {
    const foreign = manifest(
      DOCKER,
      'application/vnd.docker.container.image.v1+json',
      'application/vnd.docker.image.rootfs.foreign.diff.tar.gzip',
    );
    assert.equal(annotate(foreign, { a: 'b' }), foreign);
  });

  it('are added to the index of an image for several platforms, whose images stay as they are', () => {
    const mediaType = 'application/vnd.oci.image.index.v1+json';
    const manifests = [{ mediaType: OCI, digest: 'sha256:amd', size: 1, platform: { os: 'linux' } }];
    const content = { schemaVersion: 2, mediaType, manifests, annotations: { own: '1' } };
    const body = Buffer.from(JSON.stringify(content));
    const annotated = annotate(
      { digest: 'sha256:i', mediaType, body, config: undefined, layers: [] },
      { a: 'b' },
    );
    assert.deepEqual(JSON.parse(annotated.body.toString()), {
      ...content,
      annotations: { own: '1', a: 'b' },
    });
    assert.equal(annotated.mediaType, mediaType);
    assert.equal(annotated.digest, `sha256:${createHash('sha256').update(annotated.body).digest('hex')}`);
  });
});

describe('an image for several platforms, which buildx has pushed without a tag,', () => {
  it('gets its annotations, and then its tags in order', async () => {
    const mediaType = 'application/vnd.oci.image.index.v1+json';
    const index = JSON.stringify({ schemaVersion: 2, mediaType, manifests: [] });
    const stored = new Map<string, string>();
    const server = await scriptedServer(async (request, response) => {
      const reference = request.url!.split('/').at(-1)!;
      if (request.method === 'GET') return response.setHeader('Content-Type', mediaType).end(index);
      stored.set(reference, await text(request));
      return response.writeHead(201).end();
    });
    try {
      const { http, log, host } = server;
      const registry = new RegistryClient({ http, log, host, repository: 'titanic', credentials: undefined });
      const tags = ['1.0.0', 'latest'].map((tag) => ({ tag, moves: tag === 'latest' }));
      const options = {
        log,
        signal: new AbortController().signal,
        compression: 'auto' as const,
        known: Promise.resolve(new Map()),
        tempFolder: '/nowhere',
      };
      const destination = {
        ...{ registry, uploads: new Uploads(registry), name: `${host}/titanic`, tags },
        ...{ ifTagExists: 'overwrite' as const, before: new Map() },
      };
      const published = await publish({ digest: 'sha256:pushed' }, { a: 'b' }, destination, options);
      const { manifest } = published;
      await setTags(published, destination, options);
      assert.deepEqual([...stored.keys()], [manifest.digest, '1.0.0', 'latest']);
      assert.deepEqual([...new Set(stored.values())], [manifest.body.toString()]);
      assert.deepEqual(JSON.parse(manifest.body.toString()).annotations, { a: 'b' });
    } finally {
      server.stop();
    }
  });
});
