import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { gzipSync } from 'node:zlib';
import { NeedsEngine } from '../../../../tasks/AcrBuildPush/build/direct/direct-build';
import { tarHeader } from '../../../../tasks/AcrBuildPush/files/tar';
import type { ImageConfig, OciImage, RemoteLayer } from '../../../../tasks/AcrBuildPush/image/image';
import { createPull } from '../../../../tasks/AcrBuildPush/registry/pull';
import { HttpClient } from '../../../../tasks/common/http';
import { flattenBuilt } from '../../../support/image-files';
import { directBuild, leastPlan } from '../support';

const log = { info() {}, debug() {}, warning() {}, error() {}, maskSecret() {} } as never;
const PLATFORM = { os: 'linux', architecture: 'amd64' };
const { signal } = new AbortController();

describe('A base image in a registry', () => {
  const blobs = new Map<string, Buffer>();
  const seen: string[] = [];
  let server: Server;
  let host: string;
  let http: HttpClient;
  let context: string;
  /** An image of one layer, which is compressed by gzip whatever its type says. */
  let addImage: (platform: object, mediaType: string) => string;

  const add = (bytes: Buffer) => {
    const digest = `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
    blobs.set(digest, bytes);
    return digest;
  };
  const addJson = (value: unknown) => add(Buffer.from(JSON.stringify(value)));

  before(async () => {
    const folder = { kind: 'directory', mode: 0o1777, uid: 0, gid: 0 } as const;
    const tar = Buffer.concat([
      tarHeader({ path: 'tmp', node: folder, linkTo: undefined, size: 0 }),
      Buffer.alloc(1024),
    ]);
    const diffId = `sha256:${createHash('sha256').update(tar).digest('hex')}`;
    const layer = gzipSync(tar);
    const config = addJson({
      ...PLATFORM,
      config: { Env: ['A=1'] },
      rootfs: { type: 'layers', diff_ids: [diffId] },
    });
    const manifest = addJson({
      schemaVersion: 2,
      config: { digest: config, size: 1, mediaType: 'application/vnd.oci.image.config.v1+json' },
      layers: [
        { digest: add(layer), size: layer.length, mediaType: 'application/vnd.oci.image.layer.v1.tar+gzip' },
      ],
    });
    addImage = (platform, mediaType) => {
      const own = addJson({ ...platform, rootfs: { type: 'layers', diff_ids: [diffId] } });
      const parts = {
        config: { digest: own, size: 1, mediaType: 'application/vnd.oci.image.config.v1+json' },
        layers: [{ digest: add(layer), size: layer.length, mediaType }],
      };
      return addJson({ schemaVersion: 2, ...parts });
    };
    const index = addJson({
      schemaVersion: 2,
      manifests: [
        { digest: 'sha256:other', platform: { os: 'linux', architecture: 'arm64' } },
        { digest: manifest, platform: PLATFORM },
      ],
    });
    // Hands out tokens to everybody, as Docker Hub does for public images.
    server = createServer((request, response) => {
      seen.push(`${request.method} ${request.url}`);
      const url = new URL(request.url!, 'http://registry');
      if (url.pathname === '/token') return response.end(JSON.stringify({ token: 'public' }));
      if (request.headers.authorization !== 'Bearer public') {
        response.setHeader('WWW-Authenticate', `Bearer realm="http://${host}/token",service="registry"`);
        return response.writeHead(401).end();
      }
      const name = url.pathname.split('/').at(-1)!;
      const bytes = blobs.get(name === 'latest' ? index : name);
      const range = /bytes=(\d+)-(\d+)/.exec(request.headers.range ?? '');
      if (!bytes) return response.writeHead(404).end();
      if (!range) return response.end(bytes);
      return response.writeHead(206).end(bytes.subarray(Number(range[1]), Number(range[2]) + 1));
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    host = `127.0.0.1:${(server.address() as AddressInfo).port}`;
    http = new HttpClient({
      log,
      signal,
      network: { proxyFor: () => undefined, tls: {} } as never,
      userAgent: 'test',
    });
    context = mkdtempSync(join(tmpdir(), 'pull-'));
    writeFileSync(join(context, 'model.pkl'), 'a model');
  });

  after(async () => {
    http.close();
    server.close();
    rmSync(context, { recursive: true, force: true });
  });

  const pull = () => createPull({ http, log, credentialsFor: () => undefined });

  it('is found for its platform, without a login, with tokens to read only', async () => {
    const { config, layers } = await pull()(`${host}/base`, PLATFORM);
    assert.deepEqual(config.config, { Env: ['A=1'] });
    const [layer] = layers as [RemoteLayer];
    assert.deepEqual(await buffer(await layer.open(3)), blobs.get(layer.descriptor.digest)!.subarray(3));
    const token = seen.find((request) => request.includes('/token'))!;
    assert.equal(new URL(token.slice(4), 'http://r').searchParams.get('scope'), 'repository:base:pull');
  });

  it('is named when it is not there for a platform', async () => {
    await assert.rejects(pull()(`${host}/base`, { os: 'linux', architecture: 's390x' }), /linux\/s390x/);
  });

  for (const [what, entries, platform, wanted] of [
    ['by the name that the index has for its processor', [{ os: 'linux', architecture: 'x86_64' }], {}, 0],
    ['by its configuration where the index names no platform', [undefined, undefined], {}, 1],
    ['by its name before one without', [undefined, { os: 'linux', architecture: 'amd64' }], {}, 1],
    [
      'that runs there where there is none of its own, the best of them',
      [
        { os: 'linux', architecture: 'arm', variant: 'v6' },
        { os: 'linux', architecture: 'arm', variant: 'v7' },
      ],
      { architecture: 'arm64' },
      1,
    ],
    ['of 32 bits on 64', [{ os: 'linux', architecture: '386' }], {}, 0],
  ] as const) {
    it(`is found ${what}`, async () => {
      const manifests = entries.map((entry, index) => {
        const own = entry ?? { os: 'linux', architecture: index === 1 ? 'amd64' : 's390x' };
        const digest = addImage({ ...own, index }, 'application/vnd.oci.image.layer.v1.tar+gzip');
        return { digest, ...(entry && { platform: entry }) };
      });
      const found = addJson({ schemaVersion: 2, what, manifests });
      const { config } = await pull()(`${host}/base@${found}`, { ...PLATFORM, ...platform });
      assert.equal((config as unknown as { index: number }).index, wanted);
    });
  }

  for (const mediaType of [
    'application/vnd.oci.image.layer.v1.tar',
    'application/vnd.oci.image.layer.v1.tar+zstd',
    'x',
  ]) {
    it(`is read by what its layers are, where they say '${mediaType}'`, async () => {
      const image = addImage(PLATFORM, mediaType);
      const recipe = [`FROM ${host}/base@${image}`, 'COPY model.pkl /tmp/'].join('\n');
      const plan = { ...leastPlan, dockerfile: join(context, 'Dockerfile'), recipe, context };
      const built = await directBuild(plan, { pull: pull(), log, signal });
      assert.ok(!(built instanceof NeedsEngine));
      assert.equal(built.layers.length, 2);
    });
  }

  const earlierImage = (config: ImageConfig) => ({
    repository: 'titanic',
    digest: 'sha256:image',
    config,
    layers: [],
  });

  function build(lines: string[], earlier: ImageConfig[] = []) {
    return directBuild(
      {
        ...leastPlan,
        dockerfile: join(context, 'Dockerfile'),
        recipe: [`FROM ${host}/base`, ...lines].join('\n'),
        context,
      },
      { pull: pull(), earlier: { all: async () => earlier.map(earlierImage) }, log, signal },
    );
  }

  it('keeps its layers where they are, and its folders as they were', async () => {
    const image = await build(['COPY model.pkl /tmp/']);
    assert.ok(!(image instanceof NeedsEngine));
    const [base, own] = image.layers;
    assert.equal(base!.kind, 'remote');
    const { files } = await flattenBuilt({ ...image, layers: [own!] });
    assert.equal(files.tmp, 'directory 1777 0:0');
    assert.match(files['tmp/model.pkl']!, /^file 644 0:0/);
  });

  it('is not read further than its configuration when only settings change', async () => {
    seen.length = 0;
    await build(['ENV B=2', 'CMD ["x"]']);
    assert.equal(seen.filter((request) => request.includes('/blobs/')).length, 1);
  });

  it('is read but once: the image notes what was asked of its files, for the builds after it', async () => {
    const configOf = (image: OciImage | NeedsEngine) => JSON.parse((image as OciImage).config.toString());
    const lines = ['COPY model.pkl /tmp/', 'COPY model.pkl /new/model/'];
    const first = configOf(await build(lines));
    seen.length = 0;
    const second = configOf(await build(lines, [first]));
    assert.equal(seen.filter((request) => request.includes('/blobs/')).length, 1);
    assert.deepEqual(second.rootfs, first.rootfs);
    assert.deepEqual(second.baseImageFiles, first.baseImageFiles);
    // Another question takes another look.
    await build([...lines, 'COPY model.pkl /other/'], [first]);
    assert.equal(seen.filter((request) => request.includes('/blobs/')).length, 3);
  });

  it('is read where the notes are those of another base image', async () => {
    const image = (await build(['COPY model.pkl /tmp/'])) as OciImage;
    const other = JSON.parse(image.config.toString());
    other.rootfs.diff_ids[0] = `sha256:${'1'.repeat(64)}`;
    other.baseImageFiles.paths.tmp = null;
    const again = (await build(['COPY model.pkl /tmp/'], [other])) as OciImage;
    assert.equal(again.layers[1]!.diffId, image.layers[1]!.diffId);
  });

  for (const [what, notes] of [
    ['no paths', { layers: 1 }],
    ['no record', ['x']],
    ['a path that is a text', { layers: 1, paths: { tmp: 'x' } }],
    ['a file of no kind', { layers: 1, paths: { tmp: { kind: 'x', mode: 0o755, uid: 0, gid: 0 } } }],
    ['no permissions', { layers: 1, paths: { tmp: { kind: 'directory', uid: 0, gid: 0 } } }],
    [
      'permissions that are none',
      { layers: 1, paths: { tmp: { kind: 'directory', mode: 1e9, uid: 0, gid: 0 } } },
    ],
    ['a link to nowhere', { layers: 1, paths: { tmp: { kind: 'symlink', mode: 0o777, uid: 0, gid: 0 } } }],
  ] as const) {
    it(`is read where somebody has noted ${what} of it`, async () => {
      const image = (await build(['COPY model.pkl /tmp/'])) as OciImage;
      const other = { ...JSON.parse(image.config.toString()), baseImageFiles: notes };
      const again = (await build(['COPY model.pkl /tmp/'], [other])) as OciImage;
      assert.equal(again.layers[1]!.diffId, image.layers[1]!.diffId);
    });
  }

  it('is refused when a layer arrives damaged', async () => {
    const { layers } = await pull()(`${host}/base`, PLATFORM);
    const { digest } = layers[0]!.descriptor;
    const whole = blobs.get(digest)!;
    const broken = Buffer.from(whole);
    broken[4] = 9;
    blobs.set(digest, broken);
    await assert.rejects(build(['COPY model.pkl /tmp/']), /digest/);
    blobs.set(digest, whole);
  });
});
