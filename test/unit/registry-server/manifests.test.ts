import assert from 'node:assert/strict';
import { cp, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { startRegistry } from '../../../local/registry/registry';
import {
  errorCode,
  IMAGE_TYPE,
  imageManifest,
  OCI_TYPE,
  sha256,
  startTestRegistry,
  type TestRegistry,
} from './support';

describe('local registry: images', () => {
  let server: TestRegistry;
  before(async () => {
    server = await startTestRegistry();
  });
  after(() => server.close());

  const put = (reference: string, body: string, type = IMAGE_TYPE, repository = 'repo') =>
    server.send('PUT', `/v2/${repository}/manifests/${reference}`, {
      headers: { 'Content-Type': type },
      body,
    });
  const get = (path: string, headers: Record<string, string> = {}) => server.send('GET', path, { headers });

  it('stores an image under a tag and reads it back by tag and by digest', async () => {
    const manifest = await imageManifest(server.putBlob, 'repo', 'layer');
    const digest = sha256(manifest);
    const stored = await put('1.0.0', manifest);
    assert.deepEqual([stored.status, stored.headers.get('docker-content-digest')], [201, digest]);
    for (const reference of ['1.0.0', digest]) {
      const answer = await get(`/v2/repo/manifests/${reference}`);
      assert.equal(await answer.text(), manifest);
      assert.equal(answer.headers.get('content-type'), IMAGE_TYPE);
      const head = await server.send('HEAD', `/v2/repo/manifests/${reference}`);
      assert.equal(head.headers.get('docker-content-digest'), digest);
      assert.equal(head.headers.get('content-length'), String(manifest.length));
    }
  });

  it('stores an image by digest alone, without a tag', async () => {
    const manifest = await imageManifest(server.putBlob, 'untagged', 'layer');
    assert.equal((await put(sha256(manifest), manifest, IMAGE_TYPE, 'untagged')).status, 201);
    assert.deepEqual(await (await get('/v2/untagged/tags/list')).json(), { name: 'untagged', tags: [] });
  });

  it('moves a tag to a newer image and keeps the older one by digest', async () => {
    const older = await server.putImage('moving', 'latest', 'old');
    const newer = await server.putImage('moving', 'latest', 'new');
    assert.equal((await get('/v2/moving/manifests/latest')).headers.get('docker-content-digest'), newer);
    assert.equal((await get(`/v2/moving/manifests/${older}`)).status, 200);
  });

  it('stores an index of images that it has', async () => {
    const type = 'application/vnd.oci.image.index.v1+json';
    const manifest = await imageManifest(server.putBlob, 'repo', 'layer', OCI_TYPE);
    const index = JSON.stringify({
      schemaVersion: 2,
      mediaType: type,
      manifests: [{ digest: sha256(manifest) }],
    });
    assert.equal(await errorCode(await put('many', index, type)), 'MANIFEST_BLOB_UNKNOWN');
    await put(sha256(manifest), manifest, OCI_TYPE);
    assert.equal((await put('many', index, type)).status, 201);
  });

  it('shows an OCI image only to clients that accept one', async () => {
    const manifest = await imageManifest(server.putBlob, 'repo', 'layer', OCI_TYPE);
    await put('oci', manifest, OCI_TYPE);
    const docker = await get('/v2/repo/manifests/oci', { Accept: IMAGE_TYPE });
    assert.equal(docker.status, 404);
    assert.equal(await errorCode(docker), 'MANIFEST_UNKNOWN');
    const oci = await get('/v2/repo/manifests/oci', { Accept: `${IMAGE_TYPE}, ${OCI_TYPE};q=0.5` });
    assert.equal(await oci.text(), manifest);
  });

  const missing = `sha256:${'1'.repeat(64)}`;
  const image = { schemaVersion: 2, config: { digest: missing }, layers: [] };
  for (const [what, body, type, code] of [
    ['an image whose blobs it does not have', image, IMAGE_TYPE, 'MANIFEST_BLOB_UNKNOWN'],
    ['a manifest of an unknown type', image, 'application/json', 'MANIFEST_INVALID'],
    ['a manifest that is not JSON', '{', IMAGE_TYPE, 'MANIFEST_INVALID'],
    ['a manifest that is null', 'null', IMAGE_TYPE, 'MANIFEST_INVALID'],
    [
      'an image without layers',
      { schemaVersion: 2, config: { digest: missing } },
      IMAGE_TYPE,
      'MANIFEST_INVALID',
    ],
    [
      'a manifest that calls itself something else',
      { ...image, mediaType: OCI_TYPE },
      IMAGE_TYPE,
      'MANIFEST_INVALID',
    ],
    ['a manifest of more than 4 MiB', ' '.repeat(4 * 1024 * 1024 + 1), IMAGE_TYPE, 'MANIFEST_INVALID'],
  ] as const) {
    it(`refuses ${what}`, async () => {
      const answer = await put('bad', typeof body === 'string' ? body : JSON.stringify(body), type);
      assert.equal(answer.status, 400);
      assert.equal(await errorCode(answer), code);
      assert.equal((await get('/v2/repo/manifests/bad')).status, 404);
    });
  }

  it('refuses a manifest under a digest that is not its own', async () => {
    const manifest = await imageManifest(server.putBlob, 'repo', 'layer');
    assert.equal(await errorCode(await put(missing, manifest)), 'DIGEST_INVALID');
  });

  it('says in the words of the real service what it does not have', async () => {
    assert.deepEqual(await (await get('/v2/repo/manifests/9.9.9')).json(), {
      errors: [
        {
          code: 'MANIFEST_UNKNOWN',
          message: 'manifest tagged by "9.9.9" is not found',
          detail: { Tag: '9.9.9' },
        },
      ],
    });
    assert.deepEqual(await (await get('/acr/v1/repo/_tags/9.9.9')).json(), {
      errors: [{ code: 'TAG_UNKNOWN', message: 'the specified tag does not exist' }],
    });
    assert.equal(await errorCode(await get(`/v2/repo/manifests/${missing}`)), 'MANIFEST_UNKNOWN');
    assert.equal(await errorCode(await get('/v2/nothing-here/tags/list')), 'NAME_UNKNOWN');
  });

  for (const path of [
    '/v2/Titanic/manifests/1.0.0',
    '/v2/a//b/tags/list',
    '/v2/-a/tags/list',
    '/v2/repo/manifests/1.0.0+build',
    `/v2/repo/manifests/${'t'.repeat(129)}`,
    '/v2/repo/blobs/sha256:abc',
    '/v2/%zz/tags/list',
    '/elsewhere',
  ]) {
    it(`answers ${path.slice(0, 40)} with a plain 404 page, as the name is against the grammar`, async () => {
      const answer = await get(path);
      assert.equal(answer.status, 404);
      assert.equal(await answer.text(), '404 page not found\n');
    });
  }

  it('refuses a repository whose name is too long with the host before it', async () => {
    assert.equal(await errorCode(await get(`/v2/${'n'.repeat(250)}/tags/list`)), 'NAME_INVALID');
  });

  it('refuses methods it does not know', async () => {
    assert.equal((await server.send('PUT', '/v2/_catalog')).status, 405);
  });

  describe('listings', () => {
    before(async () => {
      for (const tag of ['b', 'a', 'A', '__proto__', 'c']) await server.putImage('listed', tag);
      await server.putBlob('only-blobs', 'x');
    });

    it('pages through tags in order, each page linking to the next', async () => {
      const pages: string[][] = [];
      for (let path: string | undefined = '/v2/listed/tags/list?n=2'; path !== undefined; ) {
        const answer: Response = await get(path);
        pages.push(((await answer.json()) as { tags: string[] }).tags);
        path = /^<(.*)>; rel="next"$/.exec(answer.headers.get('link') ?? '')?.[1];
      }
      assert.deepEqual(pages, [['A', '__proto__'], ['a', 'b'], ['c']]);
    });

    it('lists the repositories that hold images', async () => {
      const { repositories } = (await (await get('/v2/_catalog')).json()) as { repositories: string[] };
      assert.ok(repositories.includes('listed'));
      assert.ok(!repositories.includes('only-blobs'));
      assert.deepEqual(repositories, [...repositories].sort());
    });

    it('refuses a page of no size', async () => {
      for (const n of ['0', '-1', 'many']) {
        assert.equal(await errorCode(await get(`/v2/_catalog?n=${n}`)), 'PAGINATION_NUMBER_INVALID', n);
      }
    });
  });

  describe('deletion', () => {
    it('of a tag leaves the image', async () => {
      const digest = await server.putImage('deleted-tag', '1');
      assert.equal((await server.send('DELETE', '/v2/deleted-tag/manifests/1')).status, 202);
      assert.equal((await get('/v2/deleted-tag/manifests/1')).status, 404);
      assert.equal((await get(`/v2/deleted-tag/manifests/${digest}`)).status, 200);
    });

    it('of an image takes its tags along', async () => {
      const digest = await server.putImage('deleted', '1');
      await server.putImage('deleted', '2', 'another');
      assert.equal((await server.send('DELETE', `/v2/deleted/manifests/${digest}`)).status, 202);
      assert.deepEqual(await (await get('/v2/deleted/tags/list')).json(), { name: 'deleted', tags: ['2'] });
    });

    it('of what is not there is an error', async () => {
      assert.equal((await server.send('DELETE', '/v2/repo/manifests/none')).status, 404);
    });
  });

  describe('locks', () => {
    const lock = (path: string, attributes: object) =>
      server.send('PATCH', path, { body: JSON.stringify(attributes) });

    it('describes a tag as the real service does', async () => {
      const digest = await server.putImage('described', '1');
      const { tag, ...rest } = (await (await get('/acr/v1/described/_tags/1')).json()) as { tag: object };
      const { createdTime, lastUpdateTime, ...known } = tag as Record<string, unknown>;
      assert.deepEqual(rest, { registry: server.registry.loginServer, imageName: 'described' });
      assert.deepEqual(known, {
        name: '1',
        digest,
        signed: false,
        changeableAttributes: {
          deleteEnabled: true,
          writeEnabled: true,
          readEnabled: true,
          listEnabled: true,
        },
      });
      for (const time of [createdTime, lastUpdateTime]) assert.ok(!Number.isNaN(Date.parse(String(time))));
    });

    it('keep a tag from being pushed over or deleted until it is unlocked', async () => {
      const digest = await server.putImage('locked', '1', 'released');
      const changed = await lock('/acr/v1/locked/_tags/1', { writeEnabled: false });
      assert.equal(changed.status, 200);

      const manifest = await imageManifest(server.putBlob, 'locked', 'other content');
      const push = await put('1', manifest, IMAGE_TYPE, 'locked');
      assert.equal(push.status, 405);
      assert.equal(await errorCode(push), 'REGISTRY_DISALLOWED_OPERATION');
      assert.equal((await server.send('DELETE', '/v2/locked/manifests/1')).status, 405);
      assert.equal((await get('/v2/locked/manifests/1')).headers.get('docker-content-digest'), digest);
      assert.equal((await put('2', manifest, IMAGE_TYPE, 'locked')).status, 201);

      await lock('/acr/v1/locked/_tags/1', { writeEnabled: true });
      assert.equal((await put('1', manifest, IMAGE_TYPE, 'locked')).status, 201);
    });

    it('against deletion alone still let the tag be pushed over', async () => {
      await server.putImage('keep', '1');
      await lock('/acr/v1/keep/_tags/1', { deleteEnabled: false });
      assert.equal((await server.send('DELETE', '/v2/keep/manifests/1')).status, 405);
      await server.putImage('keep', '1', 'newer');
    });

    it('of an image are its own, apart from those of its tags', async () => {
      const digest = await server.putImage('locked-image', '1');
      const answer = await lock(`/acr/v1/locked-image/_manifests/${digest}`, { deleteEnabled: false });
      const { manifest } = (await answer.json()) as {
        manifest: { tags: string[]; changeableAttributes: object };
      };
      assert.deepEqual(manifest.tags, ['1']);
      assert.equal((await server.send('DELETE', `/v2/locked-image/manifests/${digest}`)).status, 405);
      assert.equal((await server.send('DELETE', '/v2/locked-image/manifests/1')).status, 202);
    });

    it('are refused when they are not JSON', async () => {
      await server.putImage('garbled', '1');
      assert.equal((await server.send('PATCH', '/acr/v1/garbled/_tags/1', { body: 'x' })).status, 400);
    });
  });

  describe('the server', () => {
    it('has everything again after a restart, locks included', async () => {
      const again = await startTestRegistry();
      try {
        const digest = await again.putImage('kept', '1', 'layer');
        await again.send('PATCH', '/acr/v1/kept/_tags/1', { body: '{"writeEnabled":false}' });
        await again.restart();
        const image = await again.send('GET', '/v2/kept/manifests/1');
        assert.equal(image.headers.get('docker-content-digest'), digest);
        assert.equal(await (await again.send('GET', `/v2/kept/blobs/${sha256('layer')}`)).text(), 'layer');
        assert.equal((await again.send('DELETE', '/v2/kept/manifests/1')).status, 405);
      } finally {
        await again.close();
      }
    });

    it('does not start on a damaged folder, and says which file it is', async () => {
      const damaged = await startTestRegistry();
      await damaged.putImage('x', '1');
      await damaged.registry.stop();
      const file = join(damaged.folder, 'catalog.json');
      await writeFile(file, (await readFile(file, 'utf8')).slice(0, 20));
      await assert.rejects(
        startRegistry({ folder: damaged.folder, username: 'u', password: 'p' }),
        (error: Error) => error.message.includes(file) && error.message.includes('Delete its folder'),
      );
      await damaged.close();
    });

    it('keeps its port, as it is in the names of images, unless somebody else has taken it', async () => {
      const first = await startTestRegistry();
      try {
        const { loginServer } = first.registry;
        await first.restart();
        assert.equal(first.registry.loginServer, loginServer);
        const second = join(first.folder, 'second');
        await cp(join(first.folder, 'port'), join(second, 'port'));
        const elsewhere = await startRegistry({ folder: second, username: 'u', password: 'p' });
        assert.notEqual(elsewhere.loginServer, loginServer);
        await elsewhere.stop();
      } finally {
        await first.close();
      }
    });

    it('says so when its port is taken', async () => {
      const port = Number(new URL(server.registry.url).port);
      await assert.rejects(
        startRegistry({ folder: join(server.folder, 'second'), username: 'u', password: 'p', port }),
        /The local registry cannot start: .*EADDRINUSE/,
      );
    });

    it('records requests in the order they came, with their answers', async () => {
      const from = server.registry.requests.length;
      await (await get('/v2/recorded/tags/list?n=1')).text();
      await (await get('/v2/')).text();
      assert.deepEqual(server.registry.requests.slice(from), [
        { method: 'GET', path: '/v2/recorded/tags/list?n=1', status: 404 },
        { method: 'GET', path: '/v2/', status: 200 },
      ]);
    });

    it('lets a test answer requests in its place', async () => {
      const faulty = await startTestRegistry({
        intercept(request, response) {
          if (request.method !== 'PUT') return false;
          response.writeHead(503, { 'Retry-After': '1' }).end();
          return true;
        },
      });
      try {
        assert.equal((await faulty.send('PUT', '/v2/a/manifests/1', { body: '{}' })).status, 503);
        assert.equal((await faulty.send('GET', '/v2/')).status, 200);
        assert.deepEqual(
          faulty.registry.requests.map(({ status }) => status),
          [503, 200],
        );
      } finally {
        await faulty.close();
      }
    });
  });
});
