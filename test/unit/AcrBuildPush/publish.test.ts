import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import type { Manifest } from '../../../tasks/AcrBuildPush/acr/registry';
import { annotate } from '../../../tasks/AcrBuildPush/publish';

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
});
