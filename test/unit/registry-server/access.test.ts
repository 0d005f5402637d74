import assert from 'node:assert/strict';
import { startTestRegistry, type TestRegistry } from './support';

describe('local registry: who may do what', () => {
  let server: TestRegistry;
  before(async () => {
    server = await startTestRegistry();
    await server.putImage('models/titanic', '1.0.0');
    await server.putImage('other', '1.0.0');
  });
  after(() => server.close());

  const challenge = (extra = '') =>
    `Bearer realm="${server.registry.url}/oauth2/token",service="${server.registry.loginServer}"${extra}`;

  it('sends a client without credentials to the token address, as the real service does', async () => {
    const answer = await fetch(`${server.registry.url}/v2/`);
    assert.equal(answer.status, 401);
    assert.equal(answer.headers.get('www-authenticate'), challenge());
    assert.deepEqual(await answer.json(), {
      errors: [
        {
          code: 'UNAUTHORIZED',
          message: 'authentication required, visit https://aka.ms/acr/authorization for more information.',
        },
      ],
    });
  });

  it('names the missing scope in the challenge and in the error', async () => {
    const answer = await fetch(`${server.registry.url}/acr/v1/models%2Ftitanic/_tags/1.0.0`);
    assert.equal(answer.status, 401);
    assert.equal(
      answer.headers.get('www-authenticate'),
      challenge(',scope="repository:models/titanic:metadata_read"'),
    );
    const { errors } = (await answer.json()) as { errors: { detail: object }[] };
    assert.deepEqual(errors[0]!.detail, [
      { Type: 'repository', Name: 'models/titanic', Action: 'metadata_read' },
    ]);
  });

  it('accepts username and password directly on both APIs', async () => {
    assert.equal((await server.send('GET', '/v2/')).status, 200);
    assert.equal((await server.send('GET', '/acr/v1/models/titanic/_tags/1.0.0')).status, 200);
  });

  for (const [what, userAndPassword] of [
    ['a wrong password', 'demoregistry:wrong'],
    ['a wrong username', 'somebody:pass:word'],
    ['an empty password', 'demoregistry:'],
  ]) {
    it(`refuses ${what} directly and at the token address`, async () => {
      const headers = { Authorization: `Basic ${Buffer.from(userAndPassword!).toString('base64')}` };
      const service = server.registry.loginServer;
      for (const path of ['/v2/', `/oauth2/token?service=${service}&scope=repository:other:pull`]) {
        assert.equal((await server.send('GET', path, { headers })).status, 401, path);
      }
      const [username, ...password] = userAndPassword!.split(':');
      const form = { grant_type: 'password', service, username: username!, password: password.join(':') };
      const body = new URLSearchParams(form).toString();
      assert.equal(
        (await fetch(`${server.registry.url}/oauth2/token`, { method: 'POST', body })).status,
        401,
      );
    });
  }

  it('gives a token for username and password in a form', async () => {
    const form = new URLSearchParams({
      grant_type: 'password',
      service: server.registry.loginServer,
      scope: 'repository:models/titanic:pull repository:other:pull',
      username: 'demoregistry',
      password: 'pass:word',
    });
    const answer = await fetch(`${server.registry.url}/oauth2/token`, { method: 'POST', body: form });
    const { access_token: token } = (await answer.json()) as { access_token: string };
    for (const repository of ['models/titanic', 'other']) {
      const headers = { Authorization: `Bearer ${token}` };
      assert.equal((await server.send('GET', `/v2/${repository}/manifests/1.0.0`, { headers })).status, 200);
    }
  });

  it('gives no token for another service', async () => {
    const answer = await server.send('GET', '/oauth2/token?service=other.azurecr.io');
    assert.equal(answer.status, 401);
  });

  const titanic = '/v2/models/titanic';
  for (const { scopes, method, path, allowed } of [
    {
      scopes: ['repository:models/titanic:pull'],
      method: 'GET',
      path: `${titanic}/manifests/1.0.0`,
      allowed: true,
    },
    {
      scopes: ['repository:models/titanic:pull'],
      method: 'GET',
      path: `${titanic}/tags/list`,
      allowed: true,
    },
    {
      scopes: ['repository:models/titanic:pull'],
      method: 'POST',
      path: `${titanic}/blobs/uploads/`,
      allowed: false,
    },
    {
      scopes: ['repository:models/titanic:pull,push'],
      method: 'POST',
      path: `${titanic}/blobs/uploads/`,
      allowed: true,
    },
    {
      scopes: ['repository:models/titanic:pull,push'],
      method: 'DELETE',
      path: `${titanic}/manifests/none`,
      allowed: false,
    },
    {
      scopes: ['repository:models/titanic:pull,push'],
      method: 'GET',
      path: '/v2/other/manifests/1.0.0',
      allowed: false,
    },
    { scopes: ['repository:models:pull'], method: 'GET', path: `${titanic}/manifests/1.0.0`, allowed: false },
    {
      scopes: ['repository:models/titanic:pull,push'],
      method: 'GET',
      path: '/acr/v1/models/titanic/_tags/1.0.0',
      allowed: false,
    },
    {
      scopes: ['repository:models/titanic:metadata_read'],
      method: 'PATCH',
      path: '/acr/v1/models/titanic/_tags/1.0.0',
      allowed: false,
    },
    { scopes: ['repository:models/titanic:pull'], method: 'GET', path: '/v2/_catalog', allowed: false },
    { scopes: ['registry:catalog:*'], method: 'GET', path: '/v2/_catalog', allowed: true },
    { scopes: [], method: 'GET', path: '/v2/', allowed: true },
    { scopes: ['nonsense'], method: 'GET', path: `${titanic}/manifests/1.0.0`, allowed: false },
  ]) {
    const title = `a token for ${scopes.join(' and ') || 'nothing'}`;
    it(`${allowed ? 'lets' : 'keeps'} ${title} ${allowed ? '' : 'from '}${method} ${path}`, async () => {
      const headers = { Authorization: `Bearer ${await server.token(...scopes)}` };
      const answer = await server.send(method, path, { headers });
      assert.equal(answer.status !== 401, allowed);
      if (!allowed) assert.match(answer.headers.get('www-authenticate')!, /error="insufficient_scope"/);
    });
  }

  it('asks for read access to the other repository before it mounts a blob from there', async () => {
    const path = `${titanic}/blobs/uploads/?mount=sha256:${'0'.repeat(64)}&from=other`;
    const push = 'repository:models/titanic:pull,push';
    const alone = await server.send('POST', path, {
      headers: { Authorization: `Bearer ${await server.token(push)}` },
    });
    assert.equal(alone.status, 401);
    assert.match(
      alone.headers.get('www-authenticate')!,
      /scope="repository:models\/titanic:pull,push repository:other:pull"/,
    );
    const both = await server.token(push, 'repository:other:pull');
    assert.equal(
      (await server.send('POST', path, { headers: { Authorization: `Bearer ${both}` } })).status,
      202,
    );
  });

  it('refuses a token that has expired, and one it never gave', async () => {
    const shortLived = await startTestRegistry({ tokenLifetime: 0 });
    try {
      for (const token of [await shortLived.token('repository:a:pull'), 'made-up']) {
        const answer = await shortLived.send('GET', '/v2/', {
          headers: { Authorization: `Bearer ${token}` },
        });
        assert.equal(answer.status, 401);
        assert.match(answer.headers.get('www-authenticate')!, /error="invalid_token"/);
      }
    } finally {
      await shortLived.close();
    }
  });

  describe('with identities of Microsoft Entra', () => {
    const tenantId = 'the-tenant';
    let entra: TestRegistry;
    before(async () => {
      entra = await startTestRegistry({
        identities: {
          tenantId,
          claims: (token) =>
            token.startsWith('for ')
              ? { aud: token.slice(4), tid: tenantId, appid: 'the-reader' }
              : undefined,
          rights: (application) => (application === 'the-reader' ? ['pull'] : undefined),
        },
      });
      await entra.putImage('models', '1.0.0');
    });
    after(() => entra.close());

    const post = (path: string, fields: Record<string, string>) =>
      fetch(new URL(path, entra.registry.url), { method: 'POST', body: new URLSearchParams(fields) });
    const exchange = (fields: Record<string, string> = {}) =>
      post('/oauth2/exchange', {
        grant_type: 'access_token',
        service: entra.registry.loginServer,
        tenant: tenantId,
        access_token: 'for https://management.azure.com',
        ...fields,
      });

    it('exchanges an access token for a refresh token, and that for tokens that go as far as the rights', async () => {
      const { refresh_token } = (await (await exchange()).json()) as { refresh_token: string };
      const service = entra.registry.loginServer;
      const scope = 'repository:models:pull,push';
      const byGrant = await post('/oauth2/token', {
        grant_type: 'refresh_token',
        service,
        scope,
        refresh_token,
      });
      const basic = Buffer.from(`00000000-0000-0000-0000-000000000000:${refresh_token}`).toString('base64');
      const byBasic = await entra.send('GET', `/oauth2/token?service=${service}&scope=${scope}`, {
        headers: { Authorization: `Basic ${basic}` },
      });
      for (const answer of [byGrant, byBasic]) {
        const { access_token } = (await answer.json()) as { access_token: string };
        const headers = { Authorization: `Bearer ${access_token}` };
        assert.equal((await entra.send('HEAD', '/v2/models/manifests/1.0.0', { headers })).status, 200);
        assert.equal((await entra.send('POST', '/v2/models/blobs/uploads/', { headers })).status, 401);
      }
    });

    for (const [what, fields] of [
      ['of another tenant', { tenant: 'another' }],
      ['for another service', { access_token: 'for https://vault.azure.net' }],
      ['for another registry', { service: 'other.azurecr.io' }],
      ['that is not good', { access_token: 'made-up' }],
    ] as [string, Record<string, string>][]) {
      it(`exchanges no token ${what}`, async () => assert.equal((await exchange(fields)).status, 401));
    }

    it('knows no refresh token that it did not give', async () => {
      const fields = { grant_type: 'refresh_token', service: entra.registry.loginServer, refresh_token: 'x' };
      assert.equal((await post('/oauth2/token', fields)).status, 401);
    });
  });
});
