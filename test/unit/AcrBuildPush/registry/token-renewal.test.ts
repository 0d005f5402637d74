import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { type Registry, startRegistry } from '../../../../local/registry/registry';
import type { Layer, OciImage } from '../../../../tasks/AcrBuildPush/image/image';
import { lockTags, setTags, verifyTags } from '../../../../tasks/AcrBuildPush/publish/destination';
import { publishImage } from '../../../../tasks/AcrBuildPush/publish/publish-image';
import { RegistryClient } from '../../../../tasks/AcrBuildPush/registry/client';
import { fixedCredentials } from '../../../../tasks/AcrBuildPush/registry/credentials';
import { EarlierImages } from '../../../../tasks/AcrBuildPush/registry/earlier-images';
import { readTagLock } from '../../../../tasks/AcrBuildPush/registry/locks';
import { Uploads } from '../../../../tasks/AcrBuildPush/registry/upload';
import { HttpClient } from '../../../../tasks/common/http';
import { capturedLog } from '../support';

const MEGABYTE = 1024 * 1024;
const robot = { username: 'robot', password: 'p4ssword' };

function digestOf(content: Buffer): string {
  return `sha256:${createHash('sha256').update(content).digest('hex')}`;
}

function localLayer(content: Buffer): Layer {
  const open = (start = 0) => Readable.from([content.subarray(start)], { objectMode: false });
  return { kind: 'local', diffId: digestOf(content), size: content.length, open };
}

function imageOf(...layers: Layer[]): OciImage {
  const platform = { os: 'linux', architecture: 'amd64' };
  const rootfs = { type: 'layers', diff_ids: layers.map(({ diffId }) => diffId) };
  return { config: Buffer.from(JSON.stringify({ ...platform, rootfs })), layers, platform };
}

/** What a request is for, without what is different in every run. */
function phaseOf(method: string, path: string): string {
  const place = path.replace(/^\/(v2|acr\/v1)\/\w+\//, '').replace(/\?(?!mount).*$/, '');
  return `${method} ${place.replace(/sha256:\w+/, 'DIGEST').replace(/(uploads\/).+|\?mount.*/, '$1…')}`;
}

describe('a token that runs out', () => {
  const folder = mkdtempSync(join(tmpdir(), 'token-renewal-'));
  const content = randomBytes(2 * MEGABYTE);
  let registry: Registry;
  /** Whether the token of a request has run out. */
  let hasRunOut: (phase: string) => boolean;
  let tokens: string[];
  /** The requests about images that came without a token. */
  let withoutToken: string[];

  before(async () => {
    registry = await startRegistry({
      folder,
      ...robot,
      intercept: ({ method, url, headers }, response) => {
        if (url!.startsWith('/v2/') && !headers.authorization) withoutToken.push(`${method} ${url}`);
        if (url!.startsWith('/oauth2/token')) {
          tokens.push(url!);
          return false;
        }
        if (!hasRunOut(phaseOf(method!, url!))) return false;
        const challenge = `Bearer realm="${registry.url}/oauth2/token",service="${registry.loginServer}",error="invalid_token"`;
        response.writeHead(401, { 'WWW-Authenticate': challenge }).end();
        return true;
      },
    });
    hasRunOut = () => false;
    tokens = [];
    withoutToken = [];
    await publishAll('base', imageOf(localLayer(content)));
  });
  after(async () => {
    await registry.stop();
    rmSync(folder, { recursive: true, force: true });
  });

  /** All that a step does with its registry, but for the build. */
  async function publishAll(repository: string, image: OciImage, compression: 'gzip' | 'none' = 'none') {
    const { log } = capturedLog();
    const { signal } = new AbortController();
    const network = { proxyFor: () => undefined, tls: {} };
    const pause = async () => undefined;
    const http = new HttpClient({ log, signal, network, userAgent: 'test', sleep: pause });
    const host = registry.loginServer;
    const credentials = fixedCredentials(host, { kind: 'password', ...robot, input: 'acrPassword' });
    const client = new RegistryClient({ http, log, host, repository, credentials });
    const tags = ['1.0.0', 'latest'].map((tag) => ({ tag, moves: tag === 'latest' }));
    const destination = {
      registry: client,
      uploads: new Uploads(client),
      name: `${host}/${repository}`,
      tags,
    };
    const options = { compression, known: new Map(), log, signal, sleep: pause };
    try {
      await client.signIn();
      await Promise.all(tags.map(({ tag }) => readTagLock(client, tag)));
      await new EarlierImages(client, ['1.0.0']).all();
      await destination.uploads.check();
      const result = await publishImage(image, destination, options);
      const whole = { ...destination, ifTagExists: 'overwrite' as const, before: new Map() };
      await setTags(result, whole, options);
      await verifyTags(whole, tags, result.manifest, options);
      await lockTags(whole, tags, log);
      return { ...result, lock: await readTagLock(client, '1.0.0'), latest: await client.digestOf('latest') };
    } finally {
      http.close();
    }
  }

  const mounted = (): Layer => ({
    kind: 'remote',
    diffId: digestOf(content),
    descriptor: {
      mediaType: 'application/vnd.oci.image.layer.v1.tar',
      digest: digestOf(content),
      size: content.length,
    },
    host: registry.loginServer,
    repository: 'base',
    open: () => assert.fail('The layer was read.'),
  });

  for (const compression of ['none', 'gzip'] as const) {
    it(`at any request of a push is renewed, and the push goes on (compression: ${compression})`, async () => {
      const phases = new Set<string>();
      hasRunOut = (phase) => phases.size < phases.add(phase).size;
      const own = localLayer(randomBytes(9 * MEGABYTE));
      const result = await publishAll(`api_${compression}`, imageOf(mounted(), own), compression);

      for (const phase of [
        'GET _tags/1.0.0',
        'GET manifests/1.0.0',
        'POST blobs/uploads/',
        'POST blobs/uploads/…',
        'HEAD blobs/DIGEST',
        'PATCH blobs/uploads/…',
        'GET blobs/uploads/…',
        'PUT blobs/uploads/…',
        'PUT manifests/1.0.0',
        'PUT manifests/latest',
        'HEAD manifests/1.0.0',
        'PATCH _tags/1.0.0',
      ]) {
        assert.ok(phases.has(phase), `there was no ${phase} among ${[...phases].join(', ')}`);
      }
      assert.deepEqual(
        result.layers.map(({ fate }) => fate),
        ['mounted', 'sent'],
      );
      assert.equal(result.lock, 'locked');
      assert.equal(result.latest, result.manifest.digest);
    });
  }

  it('is asked for again with the right to read what layers are mounted from', async () => {
    hasRunOut = () => false;
    tokens = [];
    await publishAll('api_mount', imageOf(mounted()));
    const scopes = tokens.map((url) => new URL(url, registry.url).searchParams.getAll('scope'));
    assert.ok(
      scopes.some((asked) => asked.join(' ') === 'repository:api_mount:pull,push repository:base:pull'),
      JSON.stringify(scopes),
    );
  });

  it('is waited for by everything that is sent meanwhile, so that no blob is sent in vain', async () => {
    hasRunOut = () => false;
    withoutToken = [];
    const own = randomBytes(MEGABYTE);
    const result = await publishAll('api_wait', imageOf(mounted(), localLayer(own)));
    assert.deepEqual(withoutToken, ['GET /v2/']);
    assert.equal(result.uploadedBytes, own.length + result.manifest.config!.size);
  });
});
