import assert from 'node:assert/strict';
import type { ServerResponse } from 'node:http';
import { RegistryClient } from '../../../../tasks/AcrBuildPush/registry/client';
import { EntraCredentials } from '../../../../tasks/AcrBuildPush/registry/credentials';
import type { AzureServiceConnection } from '../../../../tasks/common/service-connection';
import { scriptedServer } from '../support';

const connection: AzureServiceConnection = {
  input: 'azureServiceConnection',
  id: 'id',
  tenantId: 'the-tenant',
  clientId: 'the-client',
  subscriptionId: 'sub',
  cloud: 'AzureCloud',
  authorityUrl: '',
  resourceManagerUrl: 'https://management.azure.com',
  credential: { kind: 'secret', secret: 's3cret' },
};

type Answer = (form: URLSearchParams, response: ServerResponse) => void;

describe('an identity in Microsoft Entra', () => {
  let server: Awaited<ReturnType<typeof scriptedServer>>;
  /** What was sent to the registry's exchange. */
  let exchanged: URLSearchParams[];
  beforeEach(() => {
    exchanged = [];
  });
  afterEach(() => server.stop());

  /** A server that is login server and registry in one; access tokens are named after their scopes. */
  async function credentials(exchange: Answer, token: (password: string) => boolean = () => true) {
    server = await scriptedServer(async (request, response) => {
      const chunks: Buffer[] = [];
      for await (const chunk of request) chunks.push(chunk as Buffer);
      const form = new URLSearchParams(Buffer.concat(chunks).toString());
      const { pathname } = new URL(request.url ?? '', 'http://localhost');
      if (pathname.startsWith('/the-tenant/')) {
        response.end(JSON.stringify({ access_token: `token for ${form.get('scope')}`, expires_in: 3600 }));
      } else if (pathname === '/oauth2/exchange') {
        exchanged.push(form);
        exchange(form, response);
      } else if (pathname === '/oauth2/token') {
        const [, basic = ''] = request.headers.authorization?.split(' ') ?? [];
        const [user, password = ''] = Buffer.from(basic, 'base64').toString().split(':');
        const isRight = user === '00000000-0000-0000-0000-000000000000' && token(password);
        response.writeHead(isRight ? 200 : 401).end('{"access_token":"registry token"}');
      } else if (request.headers.authorization) {
        response.end('{}');
      } else {
        const realm = `Bearer realm="http://${server.host}/oauth2/token",service="${server.host}"`;
        response.writeHead(401, { 'WWW-Authenticate': realm }).end();
      }
    });
    const { signal } = new AbortController();
    const services = { http: server.http, log: server.log, signal, oidcToken: async () => 'unused' };
    const signInAt = { ...connection, authorityUrl: `http://${server.host}` };
    return new EntraCredentials(server.host, signInAt, services, async () => undefined);
  }

  const refreshToken: Answer = (_, response) =>
    response.end(`{"refresh_token":"refresh-${exchanged.length}"}`);

  it('is exchanged at the registry for a user and a password, once, which are masked', async () => {
    const source = await credentials(refreshToken);
    const expected = { username: '00000000-0000-0000-0000-000000000000', password: 'refresh-1' };
    assert.deepEqual(await Promise.all([source.current(), source.current()]), [expected, expected]);
    assert.deepEqual(Object.fromEntries(exchanged[0]!), {
      grant_type: 'access_token',
      service: server.host,
      tenant: 'the-tenant',
      access_token: 'token for https://management.azure.com/.default',
    });
    assert.equal(exchanged.length, 1);
    assert.ok(server.lines.includes('##vso[task.setsecret]refresh-1'));
  });

  it('is shown to registries in their own name that take no tokens for the resource manager', async () => {
    const source = await credentials((form, response) => {
      const isOwn = form.get('access_token')?.includes('containerregistry.azure.net');
      response.writeHead(isOwn ? 200 : 401).end('{"refresh_token":"refresh-by-own-identity"}');
    });
    assert.equal((await source.current()).password, 'refresh-by-own-identity');
  });

  it('gets a new password where the old one has run out', async () => {
    const source = await credentials(refreshToken, (password) => password === 'refresh-2');
    const { http, log, host } = server;
    await new RegistryClient({ http, log, host, repository: 'titanic', credentials: source }).signIn();
    assert.equal((await source.current()).password, 'refresh-2');
  });

  it('that the registry does not know is reported after one more try', async () => {
    const source = await credentials(refreshToken, () => false);
    const { http, log, host } = server;
    const client = new RegistryClient({ http, log, host, repository: 'titanic', credentials: source });
    await assert.rejects(client.signIn(), {
      name: 'TaskError',
      message: /does not accept the identity of the service connection in input 'azureServiceConnection'/,
    });
  });

  it('is asked again where an exchange refused it once', async () => {
    const source = await credentials((form, response) => {
      const isOwn = form.get('access_token')?.includes('containerregistry.azure.net');
      response
        .writeHead(isOwn || exchanged.length === 1 ? 401 : 200)
        .end('{"refresh_token":"refresh-of-second-try"}');
    });
    assert.equal((await source.current()).password, 'refresh-of-second-try');
  });

  for (const [what, status, body, message] of [
    ['a registry of another tenant', 401, '{}', /does not accept the identity .* own tenant/],
    ['a registry that is none of Azure', 404, '404 page not found', /exchanges no tokens of Microsoft Entra/],
    [
      'a firewall',
      403,
      `{"errors":[{"code":"DENIED","message":"client with IP '20.1.2.3' is not allowed access."}]}`,
      /The firewall of .* 20\.1\.2\.3/,
    ],
    ['anything else', 418, 'tea', /refused to exchange a token \(HTTP 418\)/],
  ] as const) {
    it(`is told of ${what}`, async () => {
      const source = await credentials((_, response) => response.writeHead(status).end(body));
      await assert.rejects(source.current(), { name: 'TaskError', message });
    });
  }
});
