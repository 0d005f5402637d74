import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { Readable } from 'node:stream';
import { OCI_INDEX } from '../../../../tasks/AcrBuildPush/image/media-types';
import { RegistryClient } from '../../../../tasks/AcrBuildPush/registry/client';
import { fixedCredentials } from '../../../../tasks/AcrBuildPush/registry/credentials';
import { lockTag } from '../../../../tasks/AcrBuildPush/registry/locks';
import { Uploads } from '../../../../tasks/AcrBuildPush/registry/upload';
import type { HttpClient, HttpRequest } from '../../../../tasks/common/http';
import { scriptedServer } from '../support';

const digestOf = (content: Buffer) => `sha256:${createHash('sha256').update(content).digest('hex')}`;

describe('a registry that points elsewhere', () => {
  const layer = randomBytes(9_000_000);
  /** What the other server has. */
  let content: Buffer = layer;
  let registry: Awaited<ReturnType<typeof scriptedServer>>;
  let elsewhere: Awaited<ReturnType<typeof scriptedServer>>;
  /** What the other server was sent. */
  let strayed: { headers: IncomingMessage['headers']; bytes: number }[];
  let client: RegistryClient;
  let answer: (request: IncomingMessage, response: ServerResponse, address: string) => void;

  beforeEach(async () => {
    strayed = [];
    content = layer;
    elsewhere = await scriptedServer((request, response) => {
      const one = { headers: request.headers, bytes: 0 };
      strayed.push(one);
      request.on('data', (chunk: Buffer) => (one.bytes += chunk.length));
      request.on('end', () => {
        const [, start, end] = /bytes=(\d+)-(\d+)/.exec(request.headers.range ?? '') ?? [];
        if (start) response.writeHead(206).end(content.subarray(Number(start), Number(end) + 1));
        else response.end(content);
      });
    });
    registry = await scriptedServer((request, response) => {
      if (!request.headers.authorization && !request.url!.startsWith('/store')) {
        response.writeHead(401, { 'WWW-Authenticate': 'Basic realm="r"' }).end();
      } else answer(request, response, `http://${elsewhere.host}/other?sig=1`);
    });
    const { http, log, host } = registry;
    const robot = {
      kind: 'password',
      username: 'robot',
      password: 'p4ssword',
      input: 'acrPassword',
    } as const;
    const credentials = fixedCredentials(host, robot);
    client = new RegistryClient({ http, log, host, repository: 'titanic', credentials });
  });
  afterEach(() => {
    registry.stop();
    elsewhere.stop();
  });

  const redirect: typeof answer = (request, response, address) => {
    request.resume();
    response.writeHead(307, { Location: address }).end();
  };

  const send = (blob = content) =>
    new Uploads(client).send(
      {
        name: 'Layer 1 of 1',
        size: blob.length,
        digest: () => digestOf(blob),
        open: (start) => Readable.from([blob.subarray(start)], { objectMode: false }),
      },
      { log: registry.log, signal: new AbortController().signal, sleep: async () => undefined },
    );

  it('is followed for a part of a blob, without credentials', async () => {
    answer = redirect;
    assert.deepEqual(await client.blobRange(digestOf(content), 100, 2_000), content.subarray(100, 2_000));
    assert.deepEqual(
      strayed.map(({ headers }) => headers.authorization),
      [undefined],
    );
  });

  it('is followed on and on, but not in a circle', async () => {
    answer = (request, response, address) => {
      const hop = Number(/hop=(\d+)/.exec(request.url!)?.[1] ?? 0);
      redirect(request, response, hop === 3 ? address : `/store?hop=${hop + 1}`);
    };
    assert.deepEqual(await client.blob(digestOf(content)), content);
    assert.equal(strayed.length, 1);
    answer = (request, response) => redirect(request, response, '/store');
    await assert.rejects(client.blob(digestOf(content)), /refused to read the blob .* \(HTTP 307\)/);
  });

  it('is followed for a manifest that is only to be read', async () => {
    const manifest = Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType: OCI_INDEX, manifests: [] }));
    content = manifest;
    answer = redirect;
    const { digest } = await client.sibling('base').manifest('1');
    assert.equal(digest, digestOf(manifest));
    assert.deepEqual(
      strayed.map(({ headers }) => [headers.authorization, headers.accept?.includes(OCI_INDEX)]),
      [[undefined, true]],
    );
  });

  for (const location of [
    'http://store.example.com/blob?sig=1',
    'https://169.254.169.254/metadata/identity',
    'https://localhost/blob',
  ]) {
    it(`is not followed for a blob to ${location}`, async () => {
      const asked: string[] = [];
      const http = {
        send: async ({ url }: HttpRequest) => {
          asked.push(url);
          const headers = new Headers(asked.length === 1 ? { Location: location } : {});
          return { status: asked.length === 1 ? 307 : 200, headers, body: content };
        },
      } as unknown as HttpClient;
      const { log } = registry;
      const own = { http, log, host: 'r.azurecr.io', repository: 'titanic', credentials: undefined };
      const digest = digestOf(content);
      await assert.rejects(new RegistryClient(own).blob(digest), /points to .*, where this step must not go/);
      assert.deepEqual(asked, [`https://r.azurecr.io/v2/titanic/blobs/${digest}`]);
    });
  }

  for (const [what, request] of [
    ['a manifest', () => client.manifest('1.0.0')],
    ['a new manifest', () => client.put({ body: Buffer.from('{}'), mediaType: 'x' }, '1.0.0')],
    ['a lock', () => lockTag(client, '1.0.0')],
    ['the begin of an upload', () => send()],
  ] as const) {
    it(`is not followed for ${what}`, async () => {
      answer = redirect;
      await assert.rejects(async () => request(), { name: 'TaskError' });
      assert.deepEqual(strayed, []);
    });
  }

  for (const [method, size] of [
    ['PATCH', content.length],
    ['PUT', content.length],
    ['PUT', 1_000],
  ] as const) {
    it(`is not followed for the bytes of an upload of ${size} bytes, by ${method}`, async () => {
      answer = (request, response, address) => {
        if (request.method === method) return redirect(request, response, address);
        request.resume();
        request.on('end', () => {
          const headers = { Location: '/v2/titanic/blobs/uploads/1', Range: `0-${size - 1}` };
          response.writeHead(request.method === 'HEAD' ? 404 : 202, headers).end();
        });
      };
      await assert.rejects(send(content.subarray(0, size)), {
        name: 'TaskError',
        message: /\(HTTP 307\)/,
      });
      assert.deepEqual(strayed, []);
    });
  }

  for (const location of ['http://169.254.169.254/upload', 'http://10.0.0.7/upload', 'the other server']) {
    it(`is not sent the rest of an upload that it moves to ${location} on the way`, async () => {
      answer = (request, response, address) => {
        request.resume();
        request.on('end', () => {
          const next = location.startsWith('http') ? location : address;
          const Location = request.method === 'PATCH' ? next : '/v2/titanic/blobs/uploads/1';
          response.writeHead(202, { Location, Range: '0-999' }).end();
        });
      };
      await assert.rejects(send(), { name: 'TaskError', message: /must not send it/ });
      assert.deepEqual(strayed, []);
    });
  }

  it('is followed where it moves an upload within itself, also when it does not say how far that came', async () => {
    answer = (request, response) => {
      request.resume();
      request.on('end', () => {
        const place = request.method === 'POST' ? 'first' : 'second';
        const status = request.method === 'PUT' ? 201 : 202;
        response.writeHead(status, { Location: `/v2/titanic/blobs/uploads/${place}?state=1` }).end();
      });
    };
    assert.equal(await send(), content.length);
    assert.deepEqual(registry.requests.slice(-3), [
      'POST /v2/titanic/blobs/uploads/',
      'PATCH /v2/titanic/blobs/uploads/first?state=1',
      `PUT /v2/titanic/blobs/uploads/second?state=1&digest=${encodeURIComponent(digestOf(content))}`,
    ]);
  });
});
