import assert from 'node:assert/strict';
import type { RequestListener } from 'node:http';
import { text } from 'node:stream/consumers';
import { RegistryClient } from '../../../../tasks/AcrBuildPush/registry/client';
import { fixedCredentials } from '../../../../tasks/AcrBuildPush/registry/credentials';
import { lockTag, readTagLock } from '../../../../tasks/AcrBuildPush/registry/locks';
import { scriptedServer } from '../support';

describe('a registry that refuses', () => {
  let server: Awaited<ReturnType<typeof scriptedServer>>;
  afterEach(() => server.stop());

  async function registry(answer: RequestListener) {
    server = await scriptedServer(answer);
    const { http, log, host } = server;
    const robot = {
      kind: 'password',
      username: 'robot',
      password: 'p4ssword',
      input: 'acrPassword',
    } as const;
    const credentials = fixedCredentials(host, robot);
    return new RegistryClient({ http, log, host, repository: 'titanic', credentials });
  }

  const errors = (code: string, message: string) => JSON.stringify({ errors: [{ code, message }] });
  const isDisabled = errors('UNAUTHORIZED', 'the admin user is disabled');

  for (const [scheme, challenge] of [
    ['Basic', () => 'Basic realm="r"'],
    ['its token server', () => `Bearer realm="http://${server.host}/oauth2/token",service="r"`],
  ] as const) {
    it(`to let its disabled admin user in is told from a wrong password, by ${scheme}`, async () => {
      const client = await registry((_, response) =>
        response.writeHead(401, { 'WWW-Authenticate': challenge() }).end(isDisabled),
      );
      await assert.rejects(client.signIn(), {
        name: 'TaskError',
        message: /^The admin user of .* is disabled\. Enable it .*input 'authType'/,
      });
    });
  }

  it('an upload for its size says whose limit that is', async () => {
    const client = await registry((_, response) => response.writeHead(413).end());
    await assert.rejects(
      client.manifest('1'),
      /A proxy in front of 127\.0\.0\.1:\d+ takes no upload of this size/,
    );
  });

  for (const [what, status, body, message] of [
    [
      'its firewall',
      403,
      errors('DENIED', "client with IP '20.1.2.3' is not allowed access."),
      /The firewall of .* 20\.1\.2\.3/,
    ],
    ['reasons of its own', 400, 'odd', /refused to give a token \(HTTP 400\)/],
    ['no reason', 200, '{}', /gave no token: it has no 'access_token'/],
  ] as const) {
    it(`to give a token, for ${what}, is told from a wrong password`, async () => {
      const client = await registry((request, response) => {
        if (request.url?.startsWith('/oauth2/')) return response.writeHead(status).end(body);
        const challenge = `Bearer realm="http://${server.host}/oauth2/token",service="r"`;
        return response.writeHead(401, { 'WWW-Authenticate': challenge }).end();
      });
      await assert.rejects(client.signIn(), { name: 'TaskError', message });
    });
  }

  it('to say whether a tag is locked does not fail a step that may push', async () => {
    const client = await registry((request, response) => {
      const url = new URL(request.url!, 'http://r');
      if (url.pathname === '/oauth2/token') {
        const mayPush = url.searchParams.get('scope')?.endsWith(':pull,push');
        if (mayPush) return response.end('{"token":"t"}');
        return response.writeHead(401).end(errors('UNAUTHORIZED', 'authentication required'));
      }
      if (request.headers.authorization === 'Bearer t') return response.end('{}');
      const challenge = `Bearer realm="http://${server.host}/oauth2/token",service="r"`;
      return response.writeHead(401, { 'WWW-Authenticate': challenge }).end();
    });
    await client.signIn();
    assert.equal(await readTagLock(client, '1.0.0'), 'unknown');
    await assert.rejects(lockTag(client, '1.0.0'), { message: /does not let this user lock tags/ });
  });

  it('is asked to lock a tag against changes and deletion', async () => {
    let body = '';
    const client = await registry(async (request, response) => {
      body = await text(request);
      response.end('{}');
    });
    await lockTag(client, '1.0.0');
    assert.deepEqual(server.requests, ['PATCH /acr/v1/titanic/_tags/1.0.0']);
    assert.deepEqual(JSON.parse(body), { writeEnabled: false, deleteEnabled: false });
  });

  for (const [status, answer] of [
    [401, errors('UNAUTHORIZED', 'authentication required, visit https://aka.ms/acr/authorization')],
    [403, errors('DENIED', 'requested access to the resource is denied')],
  ] as const) {
    it(`to lock a tag by HTTP ${status} is told from one that refuses a push`, async () => {
      const client = await registry((_, response) => response.writeHead(status).end(answer));
      await assert.rejects(lockTag(client, '1.0.0'), {
        name: 'TaskError',
        message: /^The image was pushed, but .* lock tags of 'titanic'.*'lockTag' to false/,
      });
    });
  }

  it('to lock a tag with words that nobody knows has them in the details', async () => {
    const client = await registry((_, response) => response.writeHead(409).end('odd'));
    await assert.rejects(lockTag(client, '1.0.0'), (error: Error & { details?: readonly string[] }) => {
      assert.match(error.message, /refused to lock the tag '1\.0\.0' \(HTTP 409\)/);
      assert.match(error.details!.join('\n'), /odd/);
      return true;
    });
  });
});
