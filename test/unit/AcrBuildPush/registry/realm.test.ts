import assert from 'node:assert/strict';
import type { RequestListener } from 'node:http';
import { Authorization } from '../../../../tasks/AcrBuildPush/registry/authorization';
import { RegistryClient } from '../../../../tasks/AcrBuildPush/registry/client';
import { fixedCredentials } from '../../../../tasks/AcrBuildPush/registry/credentials';
import type { HttpClient, HttpRequest } from '../../../../tasks/common/http';
import { capturedLog, scriptedServer } from '../support';

const robot = { kind: 'password', username: 'robot', password: 'p4ssword', input: 'acrPassword' } as const;

/** An `Authorization` for a registry whose token servers all give a token; what is asked of them is noted. */
function authorizationFor(host: string) {
  const asked: HttpRequest[] = [];
  const { log, lines } = capturedLog();
  const http = {
    send: async (request: HttpRequest) => {
      asked.push(request);
      return { status: 200, headers: new Headers(), body: Buffer.from('{"token":"t"}') };
    },
  } as unknown as HttpClient;
  const credentials = fixedCredentials(host, robot);
  const options = { http, log, host, repository: 'titanic', credentials, access: 'pull,push' as const };
  const realm = (address: string) => ({ scheme: 'bearer' as const, parameters: { realm: address } });
  const signIn = (address: string) => new Authorization(options).signIn(realm(address));
  return { signIn, asked, lines };
}

describe('the address that credentials go to for a token', () => {
  for (const [host, address] of [
    ['r.azurecr.io', 'https://r.azurecr.io/oauth2/token'],
    ['r-e7ggejfuhzhgedc8.azurecr.io', 'https://r-e7ggejfuhzhgedc8.azurecr.io/oauth2/token'],
    ['registry-1.docker.io', 'https://auth.docker.io/token'],
    ['registry.corp:5000', 'https://login.corp/token'],
    ['127.0.0.1:5000', 'http://127.0.0.1:5000/token'],
    ['127.0.0.1:5000', 'http://localhost:5001/token'],
  ] as const) {
    it(`of ${host} may be ${address}`, async () => {
      const { signIn, asked } = authorizationFor(host);
      await signIn(address);
      assert.equal(new URL(asked[0]!.url).origin, new URL(address).origin);
      assert.match(asked[0]!.headers!.Authorization!, /^Basic /);
    });
  }

  for (const [host, address] of [
    ['r.azurecr.io', 'https://login.example.com/token'],
    ['r.azurecr.io', 'https://other.azurecr.io/oauth2/token'],
    ['r.azurecr.io', 'https://r.azurecr.io:8443/oauth2/token'],
    ['r.azurecr.io', 'http://r.azurecr.io/oauth2/token'],
    ['r.azurecr.us', 'https://r.azurecr.io/oauth2/token'],
    ['registry.corp', 'http://login.corp/token'],
    ['registry.corp', 'https://user:word@login.corp/token'],
    ['registry.corp', 'https://169.254.169.254/token'],
    ['registry.corp', 'https://[::ffff:169.254.169.254]/token'],
    ['registry.corp', 'https://0xa9fea9fe/token'],
    ['registry.corp', 'https://168.63.129.16/token'],
    ['registry.corp', 'https://metadata.google.internal/token'],
    ['registry.corp', 'https://10.0.0.7/token'],
    ['registry.corp', 'https://172.31.255.1/token'],
    ['registry.corp', 'https://192.168.1.1/token'],
    ['registry.corp', 'https://[fd00::1]/token'],
    ['registry.corp', 'https://[fe80::1]/token'],
    ['registry.corp', 'https://localhost/token'],
    ['registry.corp', 'https://127.1/token'],
    ['127.0.0.1:5000', 'http://login.example.com/token'],
    ['127.0.0.1:5000', 'https://169.254.169.254/token'],
    ['registry.corp', 'file:///etc/passwd'],
    ['registry.corp', 'token'],
    ['registry.corp', ''],
  ] as const) {
    it(`of ${host} is not '${address}'`, async () => {
      const { signIn, asked } = authorizationFor(host);
      await assert.rejects(signIn(address), {
        name: 'TaskError',
        message: /sends us for a token to .*, where a password must not be sent\. Check input 'loginServer'/,
      });
      assert.deepEqual(asked, []);
    });
  }

  it('is told where it is another server, once', async () => {
    const { signIn, lines } = authorizationFor('registry.corp');
    await signIn('https://login.corp/token');
    await signIn('https://login.corp/token');
    const told = lines.filter((line) => /signed in by login\.corp/.test(line));
    assert.equal(told.length, 1, lines.join('\n'));
  });

  for (const [first, second] of [
    ['https://login.corp/token', 'https://login.example.com/token'],
    ['https://login.corp/token', 'https://login.corp/other'],
    ['https://registry.corp/token', 'https://login.example.com/token'],
  ] as const) {
    it(`does not change from ${first} to ${second}, whichever repository is asked for`, async () => {
      const { signIn, asked } = authorizationFor('registry.corp');
      await signIn(first);
      await assert.rejects(signIn(second), /must not be sent/);
      assert.equal(asked.length, 1);
    });
  }

  for (const rights of ['a push', 'a lock'] as const) {
    it(`does not change in the middle of ${rights}`, async () => {
      const strayed: string[] = [];
      const elsewhere = await scriptedServer((request, response) => {
        strayed.push(request.headers.authorization ?? '');
        response.end('{"token":"t2"}');
      });
      let place = '';
      const answer: RequestListener = (request, response) => {
        if (request.url!.startsWith('/token')) return response.end('{"token":"t1"}');
        if (request.headers.authorization && !place) return response.writeHead(404).end();
        const realm = `Bearer realm="http://${place || server.host}/token",service="x"`;
        return response.writeHead(401, { 'WWW-Authenticate': realm }).end();
      };
      const server = await scriptedServer(answer);
      try {
        const { http, log, host } = server;
        const credentials = fixedCredentials(host, robot);
        const client = new RegistryClient({ http, log, host, repository: 'titanic', credentials });
        await client.signIn();
        place = elsewhere.host;
        const access = rights === 'a lock' ? 'metadata_read' : 'pull,push';
        await assert.rejects(
          client.send('v2/titanic/manifests/1', { method: 'GET' }, access),
          /a password must not be sent/,
        );
        assert.deepEqual(strayed, []);
      } finally {
        server.stop();
        elsewhere.stop();
      }
    });
  }
});
