import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import type { RequestListener, ServerResponse } from 'node:http';
import { type Challenge, parseChallenge } from '../../../../tasks/AcrBuildPush/registry/challenge';
import { RegistryClient } from '../../../../tasks/AcrBuildPush/registry/client';
import { fixedCredentials } from '../../../../tasks/AcrBuildPush/registry/credentials';
import { newestTags, readTagLock } from '../../../../tasks/AcrBuildPush/registry/locks';
import { ConnectionError, type HttpClient } from '../../../../tasks/common/http';
import { capturedLog, scriptedServer } from '../support';

const basic = `Basic ${Buffer.from('robot:p4ssword').toString('base64')}`;

describe('a challenge of a registry', () => {
  for (const [header, challenge] of [
    ['Basic realm="basic-realm"', { scheme: 'basic', parameters: { realm: 'basic-realm' } }],
    [
      'Bearer realm="https://r.azurecr.io/oauth2/token",service="r.azurecr.io",scope="repository:a:pull,push"',
      {
        scheme: 'bearer',
        parameters: {
          realm: 'https://r.azurecr.io/oauth2/token',
          service: 'r.azurecr.io',
          scope: 'repository:a:pull,push',
        },
      },
    ],
    [
      'bearer Realm="https://x/\\"t\\"", service=plain',
      { scheme: 'bearer', parameters: { realm: 'https://x/"t"', service: 'plain' } },
    ],
    [
      'Bearer realm="https://r/token",service="s", Basic realm="b"',
      { scheme: 'bearer', parameters: { realm: 'https://r/token', service: 's' } },
    ],
    [
      'Basic realm="b", Bearer realm="https://r/token",service="s"',
      { scheme: 'bearer', parameters: { realm: 'https://r/token', service: 's' } },
    ],
    [
      'Negotiate YII=, Basic realm="Basic, Bearer realm=x", charset="UTF-8"',
      { scheme: 'basic', parameters: { realm: 'Basic, Bearer realm=x', charset: 'UTF-8' } },
    ],
    ['Digest realm="bearer"', undefined],
    ['Negotiate', undefined],
    [null, undefined],
  ] as [string | null, Challenge | undefined][]) {
    it(`is read: ${header}`, () => assert.deepEqual(parseChallenge(header), challenge));
  }
});

const robot = (host: string, password = 'p4ssword') =>
  fixedCredentials(host, {
    kind: 'password',
    username: 'robot',
    password,
    input: 'acrPassword',
  });

describe('the registry', () => {
  let server: Awaited<ReturnType<typeof scriptedServer>>;
  afterEach(() => server.stop());

  async function registry(answer: RequestListener) {
    server = await scriptedServer(answer);
    return new RegistryClient({
      http: server.http,
      log: server.log,
      host: server.host,
      repository: 'titanic',
      credentials: robot(server.host),
    });
  }

  /** Lets in whoever has this authorization, and challenges all others. */
  function guarded(
    authorization: () => string,
    challenge: () => string,
    inside: RequestListener,
  ): RequestListener {
    return (request, response) => {
      if (request.headers.authorization === authorization()) inside(request, response);
      else answerError(response, 401, 'UNAUTHORIZED', '', { 'WWW-Authenticate': challenge() });
    };
  }

  function answerError(
    response: ServerResponse,
    status: number,
    code: string,
    message: string,
    headers = {},
  ) {
    response.writeHead(status, headers).end(JSON.stringify({ errors: [{ code, message }] }));
  }

  /** A registry with a token server, as Azure Container Registry is one. The n-th token is `token-n`. */
  function withTokens(
    inside: RequestListener,
    state = { tokens: 0, scopes: [] as string[] },
  ): RequestListener {
    const api = guarded(
      () => `Bearer token-${state.tokens}`,
      () => `Bearer realm="http://${server.host}/oauth2/token",service="${server.host}"`,
      inside,
    );
    return (request, response) => {
      const url = new URL(request.url!, 'http://x');
      if (url.pathname !== '/oauth2/token') return api(request, response);
      if (request.headers.authorization !== basic) return answerError(response, 401, 'UNAUTHORIZED', '');
      state.tokens += 1;
      state.scopes.push(url.searchParams.get('scope')!);
      response.end(JSON.stringify({ access_token: `token-${state.tokens}` }));
    };
  }

  const ok: RequestListener = (_, response) => response.end('{}');

  it('is signed in to with a user and a password', async () => {
    const client = await registry(
      guarded(
        () => basic,
        () => 'Basic realm="x"',
        ok,
      ),
    );
    await client.signIn();
    assert.deepEqual(server.requests, ['GET /v2/', 'GET /v2/']);
  });

  it('is signed in to with a token for this repository', async () => {
    const state = { tokens: 0, scopes: [] as string[] };
    const client = await registry(withTokens((_, response) => response.writeHead(404).end(), state));
    await client.signIn();
    assert.equal(await client.digestOf('1.0.0'), undefined);
    assert.deepEqual(state.scopes, ['repository:titanic:pull,push']);
  });

  it('gets a new token when the old one has run out', async () => {
    const state = { tokens: 0, scopes: [] as string[] };
    const client = await registry(
      withTokens((_, response) => response.setHeader('Docker-Content-Digest', 'sha256:aa').end(), state),
    );
    await client.signIn();
    state.tokens = 7;
    assert.equal(await client.digestOf('1.0.0'), 'sha256:aa');
    assert.equal(state.tokens, 8);
  });

  it('masks the token that it gets', async () => {
    const client = await registry(withTokens(ok, { tokens: 100, scopes: [] }));
    await client.signIn();
    assert.ok(server.lines.includes('##vso[task.setsecret]token-101'));
  });

  for (const [scheme, refusing] of [
    [
      'Basic',
      () =>
        guarded(
          () => 'nobody',
          () => 'Basic realm="x"',
          ok,
        ),
    ],
    ['a token server', () => withTokens(ok)],
  ] as const) {
    it(`that refuses the password by ${scheme} is reported with the inputs concerned`, async () => {
      server = await scriptedServer(refusing());
      const client = new RegistryClient({
        http: server.http,
        log: server.log,
        host: server.host,
        repository: 'titanic',
        credentials: robot(server.host, 'wr0ng-password'),
      });
      await assert.rejects(client.signIn(), (error: Error) => {
        assert.match(
          error.message,
          /does not accept user 'robot'.*'acrUsername' and 'acrPassword'.*admin user is enabled/,
        );
        assert.doesNotMatch(error.message, /wr0ng-password/);
        return true;
      });
    });
  }

  for (const [answer, message] of [
    [
      (response: ServerResponse) =>
        answerError(response, 403, 'DENIED', "client with IP '20.1.2.3' is not allowed access."),
      /firewall of .* 20\.1\.2\.3/,
    ],
    [(response: ServerResponse) => response.writeHead(404).end('Not here'), /is no container registry/],
    [
      (response: ServerResponse) =>
        response.writeHead(418, { 'x-ms-correlation-request-id': 'c-1' }).end('tea'),
      /refused to sign in \(HTTP 418\)/,
    ],
  ] as const) {
    it(`that lets nobody in is reported: ${message}`, async () => {
      const client = await registry((_, response) => answer(response));
      await assert.rejects(client.signIn(), { name: 'TaskError', message });
    });
  }

  it("keeps Azure's correlation id for the support", async () => {
    const client = await registry((_, response) =>
      response.writeHead(418, { 'x-ms-correlation-request-id': 'c-1' }).end('tea'),
    );
    await assert.rejects(client.signIn(), (error: Error & { details?: string[] }) => {
      assert.ok(error.details?.some((detail) => detail.includes('c-1')));
      return true;
    });
  });

  it('that does not exist is reported with the inputs that name it', async () => {
    server = await scriptedServer(ok);
    const cause = Object.assign(new Error('getaddrinfo ENOTFOUND'), { code: 'ENOTFOUND' });
    const http = {
      send: async () => {
        throw new ConnectionError('No connection', { cause });
      },
    } as unknown as HttpClient;
    const client = new RegistryClient({
      http,
      log: capturedLog().log,
      host: 'nosuch.azurecr.io',
      repository: 'titanic',
      credentials: robot(server.host),
    });
    await assert.rejects(client.signIn(), {
      name: 'TaskError',
      message: /^There is no registry 'nosuch\.azurecr\.io'\. Check input 'acrName'.*'loginServer'/,
    });
  });

  it("that can't be reached is reported with the inputs that name it", async () => {
    const client = await registry(ok);
    server.stop();
    await assert.rejects(client.signIn(), {
      name: 'TaskError',
      message: /^No connection to 127\.0\.0\.1:.*'acrName' and 'loginServer'/,
    });
  });

  it('reads the reason for a refused HEAD from the answer to GET', async () => {
    const client = await registry((request, response) => {
      if (request.method === 'HEAD') response.writeHead(403).end();
      else answerError(response, 403, 'DENIED', "client with IP '1.2.3.4' is not allowed access.");
    });
    await assert.rejects(client.digestOf('1.0.0'), { message: /firewall.*1\.2\.3\.4/ });
  });

  it('gives a manifest with its digest, and takes it back byte for byte under another tag', async () => {
    const body =
      '{ "schemaVersion": 2,\n "config": {"digest":"sha256:c","size":1},"layers":[{"digest":"sha256:l","size":2}] }';
    const type = 'application/vnd.oci.image.manifest.v1+json';
    let received = '';
    const client = await registry((request, response) => {
      if (request.method === 'GET') {
        assert.ok(request.headers.accept?.includes(type));
        response.setHeader('Content-Type', type).end(body);
        return;
      }
      request.setEncoding('utf8').on('data', (chunk) => (received += chunk));
      request.on('end', () => response.writeHead(request.headers['content-type'] === type ? 201 : 400).end());
    });
    const manifest = await client.manifest('1.0.0');
    assert.equal(manifest.digest, `sha256:${createHash('sha256').update(body).digest('hex')}`);
    assert.deepEqual(
      manifest.layers.map(({ size }) => size),
      [2],
    );
    await client.put(manifest, 'latest');
    assert.equal(received, body);
    assert.equal(server.requests.at(-1), 'PUT /v2/titanic/manifests/latest');
  });

  for (const [what, status, body, state] of [
    ['is locked', 200, '{"tag":{"changeableAttributes":{"writeEnabled":false}}}', 'locked'],
    ['is open', 200, '{"tag":{"changeableAttributes":{"writeEnabled":true}}}', 'open'],
    ['is not there', 404, '{"errors":[{"code":"TAG_UNKNOWN"}]}', 'unknown'],
    ['is in a registry without locks', 404, '404 page not found', undefined],
    ['is in a registry that takes only images', 405, '', undefined],
    ['is in a registry that shows its page for people', 200, '<html>', undefined],
    ['is one that nobody may ask about', 403, '<html>Forbidden</html>', 'unknown'],
    ['could not be looked up in time', 408, '', 'unknown'],
    ['could not be looked up', 416, '<html>', 'unknown'],
    ['could not be looked up now', 503, '<html>', 'unknown'],
    ['is not told of, with nothing', 200, 'null', 'unknown'],
    ['is not told of, with a list', 200, '[]', 'unknown'],
    ['is not told of, without attributes', 200, '{"tag":null}', 'unknown'],
  ] as const) {
    it(`tells that a tag ${what}`, async () => {
      const client = await registry((_, response) => void response.writeHead(status).end(body));
      assert.equal(await readTagLock(client, '1.0.0'), state);
      assert.deepEqual([...new Set(server.requests)], ['GET /acr/v1/titanic/_tags/1.0.0']);
    });
  }

  it('takes a manifest for stored that was answered by 200', async () => {
    const client = await registry((_, response) => void response.writeHead(200).end());
    assert.equal(await client.put({ body: Buffer.from('{}'), mediaType: 'x' }, '1.0.0'), false);
  });

  it("asks a registry that wants a password for nothing that only Azure's have", async () => {
    const client = await registry((request, response) => {
      if (request.headers.authorization) response.writeHead(200).end('{}');
      else response.writeHead(401, { 'WWW-Authenticate': 'Basic realm="r"' }).end();
    });
    await client.signIn();
    assert.equal(await readTagLock(client, '1.0.0'), undefined);
    assert.deepEqual(await newestTags(client, 3), []);
    assert.deepEqual(server.requests, ['GET /v2/', 'GET /v2/']);
  });
});
