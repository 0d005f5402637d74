import assert from 'node:assert/strict';
import type { JsonObject } from '../../../local/databricks/json';
import { Client } from './client';

describe('The API of the local Databricks workspace', () => {
  let client: Client;
  beforeEach(async () => {
    client = await Client.start({ token: 'dapi-right' });
  });
  afterEach(() => client.stop());

  it('asks for a token with a number as error code', async () => {
    const response = await fetch(`${client.workspace.url}/api/2.2/jobs/list`);
    assert.equal(response.status, 401);
    assert.match(await response.text(), /"error_code":401,/);
  });

  it('refuses a wrong token with a page that is no JSON', async () => {
    const answer = await client.send('GET /api/2.2/jobs/list', {}, { Authorization: 'Bearer dapi-wrong' });
    assert.equal(answer.status, 403);
    assert.match(answer.text, /<pre>\s*Invalid access token\.<\/pre>/);
  });

  it('reads what curl calls a form as JSON, since Databricks’ documents send it so', async () => {
    const form = { 'Content-Type': 'application/x-www-form-urlencoded' };
    const created = await client.send('POST /api/2.2/jobs/create', { name: 'by curl' }, form);
    const { settings } = await client.ok('GET /api/2.2/jobs/get', { job_id: created.body.job_id! });
    assert.equal((settings as JsonObject).name, 'by curl');
  });

  it('refuses a body that is a form indeed', async () => {
    const response = await fetch(`${client.workspace.url}/api/2.2/jobs/create`, {
      method: 'POST',
      headers: { Authorization: 'Bearer dapi-right' },
      body: new URLSearchParams({ name: 'train' }),
    });
    assert.equal(response.status, 400);
    assert.match(await response.text(), /MALFORMED_REQUEST/);
    assert.deepEqual(await client.ok('GET /api/2.2/jobs/list'), {});
  });

  for (const path of ['/api/2.0/preview/scim/v2/Me', '/api/2.0/scim/v2/Me']) {
    it(`tells at ${path} who asks`, async () => {
      const me = await client.ok(`GET ${path}`);
      assert.equal(me.userName, 'data.scientist@example.com');
      assert.equal(me.active, true);
    });
  }

  const discovered = async (path: string, own = client) => {
    const response = await fetch(new URL(path, own.workspace.url));
    return response.status === 200 ? ((await response.json()) as Record<string, string>) : response.status;
  };

  it('tells everybody where to sign in', async () => {
    const { url, id } = client.workspace;
    assert.deepEqual(await discovered('/.well-known/databricks-config'), {
      oidc_endpoint: `${url}/oidc`,
      workspace_id: id,
    });
    const found = await discovered('/oidc/.well-known/oauth-authorization-server');
    assert.equal((found as Record<string, string>).token_endpoint, `${url}/oidc/v1/token`);
  });

  it('can be a unified host, whose requests name a workspace, and whose account signs in', async () => {
    const own = await Client.start({ unifiedAccountId: 'account-1' });
    try {
      const oidc = `${own.workspace.url}/oidc/accounts/account-1`;
      assert.deepEqual(await discovered('/.well-known/databricks-config', own), {
        oidc_endpoint: oidc,
        account_id: 'account-1',
      });
      const found = await discovered('/oidc/accounts/account-1/.well-known/oauth-authorization-server', own);
      assert.equal((found as Record<string, string>).token_endpoint, `${oidc}/v1/token`);
      const list = 'GET /api/2.2/jobs/list';
      assert.match(await own.refused(list), /^404 ENDPOINT_NOT_FOUND/);
      const named = await own.send(list, {}, { 'X-Databricks-Workspace-Id': own.workspace.id });
      assert.equal(named.status, 200);
      assert.equal((await own.send(list, { o: own.workspace.id })).status, 200);
      assert.equal((await own.send('POST /oidc/v1/token', {})).status, 404);
    } finally {
      await own.stop();
    }
  });

  it('can let a token expire while it is being used', async () => {
    let expired = false;
    const own = await Client.start({ isTokenValid: () => !expired });
    try {
      assert.equal((await own.send('GET /api/2.2/jobs/list')).status, 200);
      expired = true;
      assert.equal((await own.send('GET /api/2.2/jobs/list')).status, 403);
    } finally {
      await own.stop();
    }
  });

  describe('with service principals', () => {
    const LIFETIME = 600_000;
    const claims = {
      iss: 'https://vstoken',
      sub: 'p://org/project/pipeline',
      aud: 'api://AzureADTokenExchange',
    };
    let own: Client;
    beforeEach(async () => {
      own = await Client.start({
        namesExpiredTokens: true,
        signIn: {
          tokenLifetime: LIFETIME,
          servicePrincipals: [
            {
              clientId: 'principal',
              secret: 'dose',
              federationPolicies: [{ issuer: claims.iss, subject: claims.sub }],
            },
            { clientId: 'other' },
          ],
          oidcTokenClaims: (token) => (token === 'assertion' ? claims : undefined),
        },
      });
    });
    afterEach(() => own.stop());

    interface Granted {
      status: number;
      access_token?: string;
      expires_in?: number;
      error?: string;
    }

    async function ask(form: Record<string, string>, password?: string): Promise<Granted> {
      const response = await fetch(`${own.workspace.url}/oidc/v1/token`, {
        method: 'POST',
        headers: password ? { Authorization: `Basic ${Buffer.from(password).toString('base64')}` } : {},
        body: new URLSearchParams({ scope: 'all-apis', ...form }),
      });
      return { ...((await response.json()) as Granted), status: response.status };
    }
    const exchange = (more: Record<string, string>) =>
      ask({
        grant_type: 'urn:ietf:params:oauth:grant-type:token-exchange',
        subject_token: 'assertion',
        subject_token_type: 'urn:ietf:params:oauth:token-type:jwt',
        ...more,
      });
    const statusWith = async (token: string | undefined) =>
      (await own.send('GET /api/2.2/jobs/list', {}, { Authorization: `Bearer ${token}` })).status;

    it('gives a token for the right secret, until that expires', async () => {
      const granted = await ask({ grant_type: 'client_credentials' }, 'principal:dose');
      assert.equal(granted.expires_in, 600);
      assert.equal(await statusWith(granted.access_token), 200);
      await own.clock.advance(LIFETIME);
      assert.equal(await statusWith(granted.access_token), 401);
    });

    for (const password of ['principal:wrong', 'other:', 'nobody:dose', undefined]) {
      it(`gives none for the password ${password}`, async () => {
        const { status, error } = await ask({ grant_type: 'client_credentials' }, password);
        assert.deepEqual([status, error], [401, 'invalid_client']);
      });
    }

    it('gives a token to whom a policy trusts, of the principal or of any', async () => {
      assert.equal(await statusWith((await exchange({ client_id: 'principal' })).access_token), 200);
      assert.equal(await statusWith((await exchange({})).access_token), 200);
    });

    it('gives none without a policy, or without a good assertion', async () => {
      assert.equal((await exchange({ client_id: 'other' })).error, 'invalid_grant');
      assert.equal((await exchange({ subject_token: 'forged' })).error, 'invalid_grant');
      assert.equal((await ask({ grant_type: 'password' })).error, 'unsupported_grant_type');
    });
  });

  it('can begin lists with a page that is empty and not the last', async () => {
    const own = await Client.start({ emptyPages: true });
    try {
      own.workspace.createJob({ name: 'train' });
      const { jobs, next_page_token } = await own.ok('GET /api/2.2/jobs/list');
      assert.equal(jobs, undefined);
      const second = await own.ok('GET /api/2.2/jobs/list', { page_token: next_page_token as string });
      assert.equal((second.jobs as unknown[]).length, 1);
    } finally {
      await own.stop();
    }
  });

  it('says which API does not exist', async () => {
    assert.equal(
      await client.refused('GET /api/2.3/jobs/list'),
      "404 ENDPOINT_NOT_FOUND: No API found for 'GET /api/2.3/jobs/list'",
    );
  });

  it('refuses a body that is not JSON', async () => {
    const response = await fetch(`${client.workspace.url}/api/2.2/jobs/run-now`, {
      method: 'POST',
      headers: { Authorization: 'Bearer dapi-right' },
      body: '{"job_id":',
    });
    assert.equal(response.status, 400);
    assert.match(await response.text(), /"error_code":"MALFORMED_REQUEST"/);
  });

  it('records requests with the status of their answers', async () => {
    await client.send('GET /api/2.2/jobs/get', { job_id: '7' });
    const [request] = client.workspace.requests;
    assert.deepEqual(
      [request?.method, request?.path, request?.fields, request?.status],
      ['GET', '/api/2.2/jobs/get', { job_id: '7' }, 400],
    );
  });

  it('can answer in place of the workspace', async () => {
    client.workspace.intercept(() => ({
      answer: {
        status: 429,
        headers: { 'Retry-After': '3' },
        body: { error_code: 'REQUEST_LIMIT_EXCEEDED' },
      },
    }));
    assert.match(await client.refused('GET /api/2.2/jobs/list'), /^429 REQUEST_LIMIT_EXCEEDED/);
  });

  it('can do what was asked for and lose the answer', async () => {
    const create = 'POST /api/2.2/jobs/create';
    client.workspace.intercept(({ path }) =>
      path.endsWith('/create') ? { afterHandling: true } : undefined,
    );
    await assert.rejects(client.send(create, { name: 'lost' }));

    const { jobs } = (await client.ok('GET /api/2.2/jobs/list', { name: 'lost' })) as { jobs: unknown[] };
    assert.equal(jobs.length, 1);
  });
});
