import assert from 'node:assert/strict';
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

  it('says which API does not exist', async () => {
    assert.equal(
      await client.refused('GET /api/2.0/jobs/list'),
      "404 ENDPOINT_NOT_FOUND: No API found for 'GET /api/2.0/jobs/list'",
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
