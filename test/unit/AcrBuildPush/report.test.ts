import assert from 'node:assert/strict';
import type { Manifest } from '../../../tasks/AcrBuildPush/image/image';
import {
  type ImageReport,
  imageSize,
  Phases,
  summarize,
  uploadedSize,
} from '../../../tasks/AcrBuildPush/report';
import { capturedLog } from './support';

describe('the summary of an image', () => {
  const name = 'models.azurecr.io/titanic';
  const layer = (digest: string, size: number) => ({
    mediaType: 'application/vnd.oci.image.layer.v1.tar+gzip',
    digest,
    size,
  });
  const manifest: Manifest = {
    digest: `sha256:${'d'.repeat(64)}`,
    mediaType: 'application/vnd.oci.image.manifest.v1+json',
    body: Buffer.from('{}'),
    config: layer('sha256:c', 500),
    layers: [layer('sha256:base', 30_000_000), layer('sha256:model', 2_000_000)],
  };
  const report: ImageReport = {
    title: `Pushed ${name}:1.0.0`,
    name,
    tags: ['1.0.0', '1.0', 'latest'],
    builder: 'BuildKit',
    manifest,
    sent: new Set(['sha256:model', 'sha256:c']),
    base: { name: 'docker.io/library/python:3.12', digest: 'sha256:b' },
    model: { name: 'titanic', version: '1.0.0', digest: 'sha256:m', trainingRun: '123456789012345678' },
    phases: [
      { name: 'Check', milliseconds: 400 },
      { name: 'Build', milliseconds: 61_000 },
      { name: 'Push', milliseconds: 2_500 },
      { name: 'Read back', milliseconds: 20 },
      { name: 'Lock', milliseconds: 30 },
    ],
  };
  const page = (changes: Partial<ImageReport> = {}) => summarize({ ...report, ...changes }).toString();

  for (const [what, text] of [
    ['the image', `${name}:1.0.0`],
    ['all tags', '1.0.0, 1.0, latest'],
    ['the digest', manifest.digest],
    ['the size', '32.0 MB in 2 layers'],
    ['how much was sent', '2.0 MB'],
    ['the base image with its digest', 'docker.io/library/python:3.12, sha256:b'],
    ['the builder', 'BuildKit'],
    ['where the model comes from', 'titanic 1.0.0, sha256:m, trained in run 123456789012345678'],
    ['the command to run it by its digest', `docker run --rm ${name}@${manifest.digest}`],
    ['layers that were there', '| sha256:base | 30.0 MB | was there already |'],
    ['layers that were sent', '| sha256:model | 2.0 MB | sent |'],
  ] as const) {
    it(`shows ${what}`, () => assert.ok(page().includes(text), page()));
  }

  it('shows the time of each phase', () => {
    const rows = page()
      .split('\n')
      .filter((line) => /^\| (Check|Build|Push|Read back|Lock) \| \S/.test(line));
    assert.equal(rows.length, 5, page());
    assert.match(rows[1]!, /1 m(in)? 0?1 s/);
  });

  it('says nothing of what was sent where that is not known', () => {
    assert.doesNotMatch(page({ sent: undefined }), /Uploaded|was there already|\| sent/);
    assert.match(page({ sent: undefined }), /sha256:base/);
  });

  it('of an image that was not pushed has no digest, and no command to pull it', () => {
    const built = page({ manifest: undefined, sent: undefined });
    assert.doesNotMatch(built, /Digest|docker run|Uploaded/);
    assert.match(built, /Built with/);
  });

  it('of an index for several platforms has no size, since its images are described elsewhere', () => {
    const index = { ...manifest, config: undefined, layers: [] };
    assert.equal(imageSize(index), undefined);
    assert.equal(uploadedSize({ manifest: index, sent: undefined }), undefined);
    assert.equal(uploadedSize({ manifest: index, sent: new Set() }), 0);
    assert.match(page({ manifest: index }), /docker run/);
  });

  it('counts a layer that is there twice once where it was sent', () => {
    const [, model] = manifest.layers;
    const twice = { ...manifest, layers: [model!, model!] };
    assert.equal(uploadedSize({ manifest: twice, sent: new Set(['sha256:model']) }), 2_000_000);
  });

  it('has the time of a phase that failed, too', async () => {
    const phases = new Phases(capturedLog().log);
    await assert.rejects(phases.run('Build', () => Promise.reject(new Error('no'))));
    assert.deepEqual(
      phases.done.map((phase) => phase.name),
      ['Build'],
    );
  });
});
