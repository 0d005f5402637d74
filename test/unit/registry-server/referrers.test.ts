import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { imageManifest, OCI_TYPE, sha256, startTestRegistry, type TestRegistry } from './support';

describe('local registry: what refers to an image', () => {
  let server: TestRegistry;
  before(async () => {
    server = await startTestRegistry();
  });
  after(() => server.close());

  const put = (reference: string, body: string) =>
    server.send('PUT', `/v2/repo/manifests/${reference}`, { headers: { 'Content-Type': OCI_TYPE }, body });

  const sha512 = (text: string) => `sha512:${createHash('sha512').update(text).digest('hex')}`;

  async function attach(subject: string, artifactType: string) {
    const content = JSON.parse(await imageManifest(server.putBlob, 'repo', artifactType, OCI_TYPE));
    const annotations = { note: artifactType };
    const to = { mediaType: OCI_TYPE, digest: subject, size: 1 };
    const body = JSON.stringify({ ...content, artifactType, annotations, subject: to });
    return { digest: sha256(body), size: body.length, answer: await put(sha256(body), body) };
  }

  it('is listed by the image, all of it or of one type, also after a restart', async () => {
    const image = await server.putImage('repo', '1.0.0');
    const signature = await attach(image, 'application/signature');
    await attach(image, 'application/sbom');
    assert.equal(signature.answer.headers.get('oci-subject'), image);
    await server.restart();
    for (const [query, types] of [
      ['', ['application/sbom', 'application/signature']],
      ['?artifactType=application/signature', ['application/signature']],
      ['?artifactType=application/other', []],
    ] as const) {
      const answer = await server.send('GET', `/v2/repo/referrers/${image}${query}`);
      assert.equal(answer.headers.get('content-type'), 'application/vnd.oci.image.index.v1+json');
      assert.equal(answer.headers.get('oci-filters-applied'), query ? 'artifactType' : null);
      const { manifests } = (await answer.json()) as { manifests: { artifactType: string }[] };
      assert.deepEqual(manifests.map(({ artifactType }) => artifactType).sort(), types);
      const found = manifests.find(({ artifactType }) => artifactType === 'application/signature');
      if (!found) continue;
      const { digest, size } = signature;
      const [artifactType, annotations] = ['application/signature', { note: 'application/signature' }];
      assert.deepEqual(found, { mediaType: OCI_TYPE, digest, size, artifactType, annotations });
    }
  });

  it('may be nothing, and may come before the image', async () => {
    const image = sha256('an image that is to come');
    const none = await server.send('GET', `/v2/repo/referrers/${image}`);
    assert.deepEqual([none.status, ((await none.json()) as { manifests: [] }).manifests], [200, []]);
    await attach(image, 'application/early');
    const one = await server.send('GET', `/v2/repo/referrers/${image}`);
    assert.equal(((await one.json()) as { manifests: [] }).manifests.length, 1);
  });

  it('knows images and blobs by SHA-512 too, and refuses digests that are none', async () => {
    const manifest = await imageManifest(server.putBlob, 'repo', 'by sha512', OCI_TYPE);
    assert.equal((await put(sha512(manifest), manifest)).status, 201);
    const headers = { Accept: OCI_TYPE };
    const answer = await server.send('GET', `/v2/repo/manifests/${sha512(manifest)}`, { headers });
    assert.equal(await answer.text(), manifest);
    assert.equal((await put('sha256:baddigest', manifest)).status, 400);
    assert.equal((await put(sha512('other'), manifest)).status, 400);
  });

  it('can have its blobs taken out of a repository, and out of that alone', async () => {
    const digest = await server.putBlob('one', 'shared');
    await server.putBlob('two', 'shared');
    assert.equal((await server.send('DELETE', `/v2/one/blobs/${digest}`)).status, 202);
    assert.equal((await server.send('GET', `/v2/one/blobs/${digest}`)).status, 404);
    assert.equal((await server.send('GET', `/v2/two/blobs/${digest}`)).status, 200);
    assert.equal((await server.send('DELETE', `/v2/one/blobs/${digest}`)).status, 404);
  });
});
