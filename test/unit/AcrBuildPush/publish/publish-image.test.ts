import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { finished } from 'node:stream/promises';
import { gunzipSync } from 'node:zlib';
import { type Registry, startRegistry } from '../../../../local/registry/registry';
import type { Layer, LocalLayer, OciImage, RemoteLayer } from '../../../../tasks/AcrBuildPush/image/image';
import { setTags } from '../../../../tasks/AcrBuildPush/publish/destination';
import { type PublishOptions, publishImage } from '../../../../tasks/AcrBuildPush/publish/publish-image';
import { RegistryClient } from '../../../../tasks/AcrBuildPush/registry/client';
import { fixedCredentials } from '../../../../tasks/AcrBuildPush/registry/credentials';
import { readImages } from '../../../../tasks/AcrBuildPush/registry/earlier-images';
import { layersOf } from '../../../../tasks/AcrBuildPush/registry/known-layers';
import { Uploads } from '../../../../tasks/AcrBuildPush/registry/upload';
import { ConnectionError, HttpClient, type HttpRequest } from '../../../../tasks/common/http';
import { holdTimers } from '../../../support/held-timers';
import { startLine } from '../../../support/line';
import { capturedLog, scriptedServer } from '../support';

const MEGABYTE = 1024 * 1024;
const robot = { username: 'robot', password: 'p4ssword' };
const credentials = fixedCredentials('r', { kind: 'password', ...robot, input: 'acrPassword' });

/** A layer of these bytes, which counts how often it is opened. */
function localLayer(content: Buffer): LocalLayer & { opened: number[] } {
  const opened: number[] = [];
  return {
    kind: 'local',
    diffId: digestOf(content),
    size: content.length,
    opened,
    open(start = 0) {
      opened.push(start);
      return Readable.from(slices(content.subarray(start)), { objectMode: false });
    },
  };
}

function* slices(content: Buffer) {
  for (let at = 0; at < content.length; at += 50_000) yield content.subarray(at, at + 50_000);
}

function digestOf(content: Buffer): string {
  return `sha256:${createHash('sha256').update(content).digest('hex')}`;
}

/** Bytes that shrink to a half or so, as those of models do. */
function compressible(length: number): Buffer {
  return Buffer.from(randomBytes(length / 2).toString('hex'));
}

function imageOf(...layers: Layer[]): OciImage {
  const platform = { os: 'linux', architecture: 'amd64' };
  const rootfs = { type: 'layers', diff_ids: layers.map(({ diffId }) => diffId) };
  return { config: Buffer.from(JSON.stringify({ ...platform, rootfs })), layers, platform };
}

/** Loses its line once while it sends a stream, and is done with the stream before it says so. */
class LosingClient extends HttpClient {
  private hasLost = false;

  override async send(request: HttpRequest) {
    if (this.hasLost || typeof request.body !== 'function') return super.send(request);
    this.hasLost = true;
    const body = request.body();
    const end = finished(body).catch(() => undefined);
    for await (const _ of body) break;
    await end;
    throw new ConnectionError('No connection.', { cause: new Error('socket hang up') });
  }
}

describe('an image that the step publishes itself', () => {
  const folder = mkdtempSync(join(tmpdir(), 'publish-'));
  let registry: Registry;
  let line: Awaited<ReturnType<typeof startLine>>;
  let fault: ((request: IncomingMessage, response: ServerResponse) => boolean) | undefined;
  let repository: string;
  let count = 0;

  before(async () => {
    registry = await startRegistry({
      folder,
      ...robot,
      intercept: (request, response) => fault?.(request, response) ?? false,
    });
    line = await startLine(registry.loginServer);
  });
  beforeEach(() => {
    repository = `models/m${count++}`;
    fault = undefined;
  });
  after(async () => {
    line.stop();
    await registry.stop();
    rmSync(folder, { recursive: true, force: true });
  });

  /** Publishes over a line that a test may cut; requests and waits are noted. */
  async function publish(
    image: OciImage,
    options: Partial<PublishOptions> & { tags?: string[]; client?: typeof HttpClient } = {},
  ) {
    const { lines, log } = capturedLog();
    const { signal } = new AbortController();
    const waits: number[] = [];
    const pause = async (milliseconds: number) => {
      waits.push(milliseconds);
    };
    const network = { proxyFor: () => undefined, tls: {} };
    const Client = options.client ?? HttpClient;
    const http = new Client({ log, signal, network, userAgent: 'test', sleep: pause });
    const client = new RegistryClient({ http, log, host: line.host, repository, credentials });
    const from = registry.requests.length;
    const plannedTags = (options.tags ?? ['1']).map((tag) => ({ tag, moves: false }));
    const destination = {
      registry: client,
      uploads: new Uploads(client),
      name: `${line.host}/${repository}`,
      tags: plannedTags,
    };
    const settings = { compression: 'none' as const, known: new Map(), log, signal, sleep: pause };
    const requests = () =>
      registry.requests.slice(from).map(({ method, path, status }) => `${method} ${path} ${status}`);
    try {
      const result = await publishImage(image, destination, { ...settings, ...options });
      await setTags(result, { ...destination, ifTagExists: 'overwrite', before: new Map() }, settings);
      return { ...result, client, requests: requests(), lines, waits };
    } finally {
      http.close();
    }
  }

  /** What a registry without faults gives for a blob. */
  async function stored(digest: string): Promise<Buffer> {
    const { log } = capturedLog();
    const { signal } = new AbortController();
    const network = { proxyFor: () => undefined, tls: {} };
    const http = new HttpClient({ log, signal, network, userAgent: 'test' });
    const host = registry.loginServer;
    const content = await new RegistryClient({ http, log, host, repository, credentials }).blob(digest);
    http.close();
    return content;
  }

  /** Answers the first request of a kind in place of the registry. */
  function answerOnce(kind: RegExp, answer: (response: ServerResponse, request: IncomingMessage) => void) {
    let done = false;
    fault = (request, response) => {
      if (done || !kind.test(`${request.method} ${request.url}`)) return false;
      done = true;
      answer(response, request);
      return true;
    };
  }

  it('is stored byte for byte, with its tags set last, in order', async () => {
    const [first, second] = [randomBytes(300_000), Buffer.alloc(0)];
    const result = await publish(imageOf(localLayer(first), localLayer(second)), {
      tags: ['1.0', '1', 'latest'],
    });
    assert.deepEqual(await stored(result.manifest.layers[0]!.digest), first);
    assert.deepEqual(await stored(result.manifest.layers[1]!.digest), second);
    const puts = result.requests.filter((request) => /^PUT .*\/manifests\//.test(request));
    assert.deepEqual(
      puts.map((request) => request.replace(/^.*\/manifests\//, '')),
      [`${result.manifest.digest} 201`, '1.0 201', '1 201', 'latest 201'],
    );
    assert.ok(result.requests.lastIndexOf(puts[0]!) > result.requests.findLastIndex((r) => /blobs/.test(r)));
    assert.equal(result.uploadedBytes, first.length + result.manifest.config!.size);
  });

  for (const size of [0, 1, MEGABYTE - 1, MEGABYTE, 3 * MEGABYTE + 17]) {
    it(`has layers that every gzip reader understands, here one of ${size} bytes`, async () => {
      const content = size < 2 ? Buffer.alloc(size) : compressible(size + (size % 2)).subarray(0, size);
      const { manifest } = await publish(imageOf(localLayer(content)), { compression: 'gzip' });
      const [layer] = manifest.layers;
      assert.equal(layer!.mediaType, 'application/vnd.oci.image.layer.v1.tar+gzip');
      const blob = await stored(layer!.digest);
      assert.equal(blob.length, layer!.size);
      assert.deepEqual(gunzipSync(blob), content);
    });
  }

  it('is compressed where samples of a layer say that it helps, and says so', async () => {
    const layers = [localLayer(compressible(2 * MEGABYTE)), localLayer(randomBytes(2 * MEGABYTE))];
    const { manifest, lines } = await publish(imageOf(...layers), { compression: 'auto' });
    assert.deepEqual(
      manifest.layers.map(({ mediaType }) => mediaType),
      ['application/vnd.oci.image.layer.v1.tar+gzip', 'application/vnd.oci.image.layer.v1.tar'],
    );
    assert.match(lines.join('\n'), /Layer 1 of 2 .*by gzip from 2\.1 MB \(samples shrink to 5\d %\)/);
    assert.match(lines.join('\n'), /Layer 2 of 2 .*, uncompressed \(since samples shrink to 100 % only\)/);
  });

  for (const [line, milliseconds, mediaType, reason] of [
    ['faster than this agent compresses', 0, 'tar', /, uncompressed \(since the line takes .*compresses/],
    ['slow', 400, 'tar+gzip', /, by gzip from 75\.5 MB \(samples shrink to 5\d %, and the line takes/],
  ] as const) {
    it(`is large, and goes the quicker way on a line that is ${line}`, async () => {
      const part = compressible(MEGABYTE);
      const content = Buffer.concat(Array.from({ length: 72 }, () => part));
      // The first members in ten milliseconds, twice, and each part of them by the line.
      let looks = 0;
      let time = 0;
      const now = () => {
        looks += 1;
        time += looks > 4 ? milliseconds : looks % 2 === 0 ? 10 : 0;
        return time;
      };
      const result = await publish(imageOf(localLayer(content)), { compression: 'auto', now });
      const [layer] = result.manifest.layers;
      assert.equal(layer!.mediaType, `application/vnd.oci.image.layer.v1.${mediaType}`);
      assert.equal(layer!.digest === digestOf(content), mediaType === 'tar');
      assert.match(result.lines.join('\n'), reason);
      const inVain = result.uploadedBytes - layer!.size - result.manifest.config!.size;
      assert.ok(mediaType === 'tar' ? inVain > 0 && inVain < 2 * MEGABYTE : inVain === 0, `${inVain} bytes`);
    });
  }

  it('has no bytes sent that the repository has, and a layer that it has twice sent once', async () => {
    const layer = localLayer(randomBytes(500_000));
    const first = await publish(imageOf(layer, layer));
    assert.equal(first.requests.filter((request) => /^PUT .*\/uploads\//.test(request)).length, 2);
    assert.equal(first.manifest.layers.length, 2);
    const second = await publish(imageOf(layer, layer));
    assert.equal(second.uploadedBytes, 0);
    assert.equal(second.manifest.digest, first.manifest.digest);
    assert.ok(!second.requests.some((request) => /^(POST \/v2|PATCH)/.test(request)));
  });

  it('finds a compressed layer by what another image of the repository says of its content', async () => {
    const layer = localLayer(compressible(2 * MEGABYTE));
    const first = await publish(imageOf(layer), { compression: 'gzip' });
    const fresh = localLayer(Buffer.concat(await layer.open().toArray()));
    const known = layersOf(await readImages(clientFor(repository), '1'));
    const second = await publish(imageOf(fresh), { compression: 'gzip', known });
    assert.equal(second.uploadedBytes, 0);
    assert.equal(second.manifest.digest, first.manifest.digest);
    assert.deepEqual(fresh.opened, []);
  });

  function clientFor(name: string): RegistryClient {
    const { log } = capturedLog();
    const { signal } = new AbortController();
    const network = { proxyFor: () => undefined, tls: {} };
    const http = new HttpClient({ log, signal, network, userAgent: 'test' });
    return new RegistryClient({ http, log, host: registry.loginServer, repository: name, credentials });
  }

  it('mounts layers that lie in another repository of the registry', async () => {
    const content = randomBytes(400_000);
    const base = await publish(imageOf(localLayer(content)));
    const source = repository;
    repository = `${repository}-api`;
    const layer: RemoteLayer = {
      kind: 'remote',
      diffId: digestOf(content),
      descriptor: base.manifest.layers[0]!,
      host: line.host,
      repository: source,
      open: () => assert.fail('The layer was read.'),
    };
    const result = await publish(imageOf(layer));
    assert.deepEqual(
      result.layers.map(({ fate }) => fate),
      ['mounted'],
    );
    assert.deepEqual(await stored(digestOf(content)), content);
  });

  it('has layers copied that lie elsewhere, or that the registry does not mount', async () => {
    const content = randomBytes(400_000);
    const layer: RemoteLayer = {
      kind: 'remote',
      diffId: digestOf(content),
      descriptor: {
        mediaType: 'application/vnd.docker.image.rootfs.diff.tar',
        digest: digestOf(content),
        size: content.length,
      },
      host: line.host,
      repository: 'not/there',
      open: async (start = 0) => Readable.from([content.subarray(start)], { objectMode: false }),
    };
    const result = await publish(imageOf(layer));
    assert.equal(result.layers[0]!.fate, 'sent');
    assert.equal(result.manifest.layers[0]!.mediaType, 'application/vnd.oci.image.layer.v1.tar');
    assert.deepEqual(await stored(digestOf(content)), content);
  });

  describe('when its upload breaks off', () => {
    const size = 12 * MEGABYTE;
    /** Milliseconds that nothing else takes. */
    const IDLE = 29_876;

    for (const compression of ['none', 'gzip'] as const) {
      for (const how of ['cut', 'stall'] as const) {
        it(`by a ${how}, goes on where the registry got to (compression: ${compression})`, async () => {
          const content = compressible(size);
          const layer = localLayer(content);
          const whole = compression === 'none' ? size : size / 2;
          // The patience with a silent line is over as soon as it is silent, and never before.
          const patience = holdTimers(IDLE);
          line.breakAfter(Math.floor(whole * 0.75), how, () => {
            if (how === 'stall') patience.expire();
          });
          // With the real wait, in which the registry finds the old connection gone.
          const options = { compression, idleTimeout: IDLE, sleep: undefined };
          const result = await publish(imageOf(layer), options).finally(() => patience.restore());
          assert.match(result.lines.join('\n'), /Layer 1 of 1 broke off: /);
          assert.match(result.lines.join('\n'), /has \d.* of Layer 1 of 1; the rest follows/);
          const blob = await stored(result.manifest.layers[0]!.digest);
          assert.deepEqual(compression === 'none' ? blob : gunzipSync(blob), content);
          // One session for the layer, one for the configuration.
          assert.equal(result.requests.filter((request) => /^POST \/v2.* 202$/.test(request)).length, 2);
          // Three quarters had gone out: sent from the beginning again, it would be at least this much.
          assert.ok(result.uploadedBytes < blob.length * 1.75, `${result.uploadedBytes} of ${blob.length}`);
          assert.ok(layer.opened.at(-1)! >= size / 4, `opened at ${layer.opened}`);
        });
      }
    }

    it('and its source is let go of before that is known, is not taken for one that can not be read', async () => {
      const content = randomBytes(size);
      const result = await publish(imageOf(localLayer(content)), { client: LosingClient });
      assert.match(result.lines.join('\n'), /The upload of .* broke off: socket hang up/);
      assert.deepEqual(await stored(digestOf(content)), content);
    });

    for (const status of [429, 500, 502, 503]) {
      it(`by HTTP ${status}, is tried again`, async () => {
        answerOnce(/^PATCH/, (response) => response.writeHead(status, { 'Retry-After': '7' }).end());
        const content = randomBytes(size);
        const result = await publish(imageOf(localLayer(content)));
        assert.deepEqual(result.waits, [7_000]);
        assert.deepEqual(await stored(digestOf(content)), content);
      });
    }

    it('by a token that ran out, gets a new one and goes on', async () => {
      const tokens = () => registry.requests.filter(({ path }) => path.startsWith('/oauth2/token')).length;
      answerOnce(/^PATCH/, (response) => {
        const challenge = `Bearer realm="${registry.url}/oauth2/token",service="${registry.loginServer}"`;
        response.writeHead(401, { 'WWW-Authenticate': challenge }).end();
      });
      const before = tokens();
      const content = randomBytes(size);
      await publish(imageOf(localLayer(content)));
      assert.equal(tokens(), before + 2);
      assert.deepEqual(await stored(digestOf(content)), content);
    });

    it('and the registry dropped it, begins anew', async () => {
      let step = 0;
      fault = (request, response) => {
        if (request.method === 'PATCH' && step === 0) response.writeHead(500).end();
        else if (request.method === 'GET' && /uploads/.test(request.url!) && step === 1) {
          response.writeHead(404).end();
        } else return false;
        step += 1;
        return true;
      };
      const content = randomBytes(size);
      const { lines } = await publish(imageOf(localLayer(content)));
      assert.match(lines.join('\n'), /has nothing of Layer 1 of 1; it is sent from its beginning/);
      assert.deepEqual(await stored(digestOf(content)), content);
    });

    it('and was dropped before its first byte, as one that began long before may be, begins anew', async () => {
      answerOnce(/^PATCH /, (response) => response.writeHead(404).end());
      const content = randomBytes(size);
      const { lines } = await publish(imageOf(localLayer(content)));
      assert.match(lines.join('\n'), /has nothing of Layer 1 of 1; it is sent from its beginning/);
      assert.deepEqual(await stored(digestOf(content)), content);
    });
  });

  it('is there when the answer to its last request is lost', async () => {
    let done = false;
    fault = (request, response) => {
      if (done || request.method !== 'PUT' || !/uploads/.test(request.url!)) return false;
      done = true;
      response.writeHead = () => {
        response.destroy();
        return response;
      };
      return false;
    };
    const content = randomBytes(100_000);
    await publish(imageOf(localLayer(content)));
    assert.deepEqual(await stored(digestOf(content)), content);
  });

  it('is sent in the usual way where the registry takes no small blob at once', async () => {
    answerOnce(/^PUT .*\/uploads\//, (response) => response.writeHead(404).end());
    const layer = localLayer(randomBytes(1000));
    const { manifest, lines } = await publish(imageOf(layer));
    assert.equal((await stored(manifest.layers[0]!.digest)).length, 1000);
    assert.match(lines.join('\n'), /The upload of .* broke off: HTTP 404\. It is sent again\./);
  });

  it('is refused when its files changed while they were read', async () => {
    const layer = { ...localLayer(randomBytes(1000)), diffId: digestOf(randomBytes(10)) };
    await assert.rejects(
      publish(imageOf(layer)),
      /received other bytes of Layer 1 of 1 than were read before/,
    );
  });

  it('is not published in part: a layer that is refused leaves no manifest and no tag', async () => {
    fault = (request, response) => {
      if (request.method !== 'PATCH' && !/\/uploads\/.*&digest=/.test(request.url!)) return false;
      response.writeHead(403).end('{"errors":[{"code":"DENIED","message":"quota exceeded"}]}');
      return true;
    };
    await assert.rejects(
      publish(imageOf(localLayer(randomBytes(MEGABYTE)), localLayer(randomBytes(1_000_001)))),
      {
        message: /The storage of .* is used up/,
      },
    );
    assert.equal(await clientFor(repository).digestOf('1'), undefined);
  });

  for (const location of [
    'http://127.0.0.2:5000/v2/x/blobs/uploads/1',
    'http://169.254.169.254/metadata/identity',
    'http://10.0.0.7/upload',
    'https://registry.example.com/upload',
    '//localhost:1/upload',
    'file:///etc/passwd',
    '',
  ]) {
    it(`is not sent to '${location}', whatever the registry says`, async () => {
      fault = (request, response) => {
        if (request.method !== 'POST' || !/uploads/.test(request.url!)) return false;
        response.writeHead(202, { Location: location }).end();
        return true;
      };
      const layer = localLayer(randomBytes(1000));
      await assert.rejects(publish(imageOf(layer)), /must not send it/);
      assert.deepEqual(layer.opened, []);
    });
  }
});

describe('a blob that a registry keeps elsewhere', () => {
  it('is read from there without the credentials', async () => {
    const content = Buffer.from('{"os":"linux"}');
    const seen: (string | undefined)[] = [];
    const store = await scriptedServer((request, response) => {
      seen.push(request.headers.authorization);
      response.end(content);
    });
    const server = await scriptedServer((request, response) => {
      if (!request.headers.authorization) {
        response.writeHead(401, { 'WWW-Authenticate': 'Basic realm="r"' }).end();
      } else response.writeHead(307, { Location: `http://${store.host}/blob?sig=1` }).end();
    });
    const { http, log, host } = server;
    const client = new RegistryClient({ http, log, host, repository: 'titanic', credentials });
    assert.deepEqual(await client.blob(digestOf(content)), content);
    assert.deepEqual(seen, [undefined]);
    await assert.rejects(client.blob(digestOf(Buffer.from('other'))), /other bytes/);
    server.stop();
    store.stop();
  });
});
