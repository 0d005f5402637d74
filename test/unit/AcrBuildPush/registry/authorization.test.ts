import assert from 'node:assert/strict';
import { Authorization } from '../../../../tasks/AcrBuildPush/registry/authorization';
import { fixedCredentials } from '../../../../tasks/AcrBuildPush/registry/credentials';
import type { HttpClient, HttpRequest } from '../../../../tasks/common/http';
import { capturedLog } from '../support';

const robot = { kind: 'password', username: 'robot', password: 'p4ssword', input: 'acrPassword' } as const;

describe('an authorization', () => {
  /** One whose token server gives a token for what it was asked for, when a test lets it. */
  function authorization(onRequest: () => void = () => undefined) {
    const asked: string[][] = [];
    const http = {
      send: async ({ url }: HttpRequest) => {
        asked.push(new URL(url).searchParams.getAll('scope'));
        onRequest();
        const body = Buffer.from(JSON.stringify({ token: `for ${asked.at(-1)!.join(' and ')}` }));
        return { status: 200, headers: new Headers(), body };
      },
    } as unknown as HttpClient;
    const { log } = capturedLog();
    const host = 'registry.corp';
    const credentials = fixedCredentials(host, robot);
    const options = { http, log, host, repository: 'api', credentials, access: 'pull,push' as const };
    return { one: new Authorization(options), asked };
  }

  const challenge = { scheme: 'bearer' as const, parameters: { realm: 'https://registry.corp/token' } };

  it('includes a source that a mount adds while its token is under way', async () => {
    let isFirst = true;
    const { one, asked } = authorization(() => {
      if (isFirst) one.includeSource('base');
      isFirst = false;
    });
    await one.signIn(challenge);
    assert.deepEqual(asked, [
      ['repository:api:pull,push'],
      ['repository:api:pull,push', 'repository:base:pull'],
    ]);
    assert.equal(one.value('pull,push'), 'Bearer for repository:api:pull,push and repository:base:pull');
  });

  it('is renewed for a source that is new, and for none that it has', async () => {
    const { one, asked } = authorization();
    await one.signIn(challenge);
    one.includeSource('api');
    await one.replaceToken();
    one.includeSource('base');
    one.includeSource('base');
    await Promise.all([one.replaceToken(), one.replaceToken()]);
    assert.equal(asked.length, 2);
  });

  for (const token of [null, 1, '', 'a\nb', {}]) {
    it(`is not ${JSON.stringify(token)}`, async () => {
      const http = {
        send: async () => ({
          status: 200,
          headers: new Headers(),
          body: Buffer.from(JSON.stringify({ token })),
        }),
      } as unknown as HttpClient;
      const { log } = capturedLog();
      const options = { http, log, host: 'r.io', repository: 'api', credentials: undefined };
      const one = new Authorization({ ...options, access: 'pull' });
      const parameters = { realm: 'https://r.io/token' };
      await assert.rejects(one.signIn({ scheme: 'bearer', parameters }), /gave no token: it has no/);
    });
  }
});
