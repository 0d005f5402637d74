import assert from 'node:assert/strict';
import { Headers } from 'node-fetch';
import { EntraTokens } from '../../../tasks/common/entra';
import { CancelledError, type TaskError } from '../../../tasks/common/errors';
import { ConnectionError, type HttpAnswer, type HttpRequest } from '../../../tasks/common/http';
import { createLogger } from '../../../tasks/common/log';
import type { AzureCredential, AzureServiceConnection } from '../../../tasks/common/service-connection';

const STORAGE = 'https://storage.azure.com/.default';
const MANAGEMENT = 'https://management.azure.com/.default';
const MINUTE = 60_000;

function answer(status: number, body: object | string): HttpAnswer {
  const text = typeof body === 'string' ? body : JSON.stringify(body);
  return { status, headers: new Headers(), body: Buffer.from(text) };
}

function refusal(code: number, status = 401): HttpAnswer {
  const error_description = `AADSTS${code}: Words of the server. Trace ID: 1 Correlation ID: 2`;
  return answer(status, { error: 'invalid_client', error_description, error_codes: [code] });
}

let tokensMade = 0;

/** A sign-in whose server answers as `reply` says, by default with a new token that is good for an hour. */
function signIn(
  credential: AzureCredential = { kind: 'secret', secret: 'the secret' },
  reply: (request: HttpRequest) => HttpAnswer | Promise<HttpAnswer> = () =>
    answer(200, { access_token: `token-${++tokensMade}`, expires_in: 3600 }),
) {
  const state = { now: Date.UTC(2026, 10, 23), reply, requests: [] as HttpRequest[], lines: [] as string[] };
  const assertions: string[] = [];
  const connection: AzureServiceConnection = {
    input: 'azureServiceConnection',
    id: 'connection-id',
    tenantId: 'tenant-id',
    clientId: 'client-id',
    subscriptionId: undefined,
    cloud: 'AzureCloud',
    authorityUrl: 'https://login.microsoftonline.com',
    resourceManagerUrl: 'https://management.azure.com',
    credential,
  };
  const tokens = new EntraTokens(connection, {
    http: {
      async send(request) {
        state.requests.push(request);
        return state.reply(request);
      },
    },
    log: createLogger((line) => state.lines.push(line)),
    async oidcToken(id) {
      const claims = { iss: 'https://issuer', sub: `sc://demo/local/${id}`, jti: assertions.length };
      assertions.push(`head.${Buffer.from(JSON.stringify(claims)).toString('base64url')}.signature`);
      return assertions.at(-1)!;
    },
    now: () => state.now,
  });
  const form = (index: number) =>
    Object.fromEntries(new URLSearchParams(state.requests[index]?.body as string));
  return { state, tokens, form, assertions };
}

describe('signing in with Microsoft Entra', () => {
  it('gets a new token when the service refused the one in hand, and keeps none that was refused', async () => {
    const { tokens, state } = signIn();
    const first = await tokens.token(STORAGE);
    const second = await tokens.token(STORAGE, first);
    assert.notEqual(second, first);
    assert.equal(await tokens.token(STORAGE, first), second);
    state.reply = () => {
      throw new ConnectionError('No connection.');
    };
    await assert.rejects(tokens.token(STORAGE, second), /No connection/);
  });

  it('by a secret asks the tenant for a token of the scope', async () => {
    const { tokens, state, form } = signIn();
    assert.match(await tokens.token(STORAGE), /^token-/);
    assert.equal(state.requests[0]!.url, 'https://login.microsoftonline.com/tenant-id/oauth2/v2.0/token');
    assert.deepEqual(form(0), {
      client_id: 'client-id',
      scope: STORAGE,
      grant_type: 'client_credentials',
      client_secret: 'the secret',
    });
  });

  it('by federation hands on what Azure DevOps vouches for', async () => {
    const { tokens, form, assertions } = signIn({ kind: 'federation' });
    await tokens.token(STORAGE);
    assert.deepEqual(form(0), {
      client_id: 'client-id',
      scope: STORAGE,
      grant_type: 'client_credentials',
      client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer',
      client_assertion: assertions[0],
    });
  });

  it('by federation asks Azure DevOps again at every renewal', async () => {
    const { tokens, state, form, assertions } = signIn({ kind: 'federation' });
    for (let hour = 0; hour < 3; hour++) {
      await tokens.token(STORAGE);
      state.now += 60 * MINUTE;
    }
    assert.equal(assertions.length, 3);
    assert.deepEqual(
      [0, 1, 2].map((index) => form(index).client_assertion),
      assertions,
    );
  });

  it('as the machine asks its metadata service', async () => {
    const { tokens, state } = signIn({ kind: 'managedIdentity' }, () =>
      answer(200, { access_token: 'token-of-machine', expires_in: '86400' }),
    );
    assert.equal(await tokens.token(STORAGE), 'token-of-machine');
    state.now += 20 * 60 * MINUTE;
    await tokens.token(STORAGE);
    assert.equal(state.requests.length, 1);
    const { url, headers } = state.requests[0]!;
    assert.equal(
      url,
      'http://169.254.169.254/metadata/identity/oauth2/token?api-version=2018-02-01&resource=https%3A%2F%2Fstorage.azure.com&client_id=client-id',
    );
    assert.equal(headers?.Metadata, 'true');
  });

  it('as the machine, elsewhere than in Azure, says so', async () => {
    const { tokens } = signIn({ kind: 'managedIdentity' }, () => {
      throw new ConnectionError('No connection to 169.254.169.254: no answer within 5 s.');
    });
    await assert.rejects(tokens.token(STORAGE), /managed identity, which only agents on Azure machines have/);
  });

  it('keeps a token for each scope', async () => {
    const { tokens, state } = signIn();
    const first = await tokens.token(STORAGE);
    assert.notEqual(await tokens.token(MANAGEMENT), first);
    assert.equal(await tokens.token(STORAGE), first);
    assert.equal(state.requests.length, 2);
  });

  for (const [minutes, requests] of [
    [54, 1],
    [55, 2],
    [61, 2],
  ] as const) {
    it(`${requests === 1 ? 'keeps' : 'renews'} a token of an hour after ${minutes} minutes`, async () => {
      const { tokens, state } = signIn();
      const first = await tokens.token(STORAGE);
      state.now += minutes * MINUTE;
      assert.equal((await tokens.token(STORAGE)) === first, requests === 1);
      assert.equal(state.requests.length, requests);
    });
  }

  it('counts the life of a token from before it was asked for', async () => {
    const { tokens, state } = signIn();
    state.reply = () => {
      state.now += 2 * MINUTE;
      return answer(200, { access_token: 'slow-token', expires_in: 3600 });
    };
    await tokens.token(STORAGE);
    state.now += 53 * MINUTE;
    await tokens.token(STORAGE);
    assert.equal(state.requests.length, 2);
  });

  it('asks once for all who wait', async () => {
    const { tokens, state } = signIn();
    const all = await Promise.all([1, 2, 3].map(() => tokens.token(STORAGE)));
    assert.equal(new Set(all).size, 1);
    assert.equal(state.requests.length, 1);
  });

  it('asks again after a failure', async () => {
    const { tokens, state } = signIn();
    const { reply } = state;
    state.reply = () => refusal(7000215);
    await assert.rejects(tokens.token(STORAGE));
    state.reply = reply;
    assert.match(await tokens.token(STORAGE), /^token-/);
  });

  it('goes on with the token in hand while it cannot be renewed, but not to its end', async () => {
    const { tokens, state } = signIn();
    const first = await tokens.token(STORAGE);
    state.reply = () => answer(503, '');
    state.now += 58 * MINUTE;
    assert.equal(await tokens.token(STORAGE), first);
    assert.match(
      state.lines.join('\n'),
      /Going on with the access token in hand, which serves for another 1 min\. .*HTTP 503/,
    );
    state.now += MINUTE;
    await assert.rejects(tokens.token(STORAGE), /busy or out of order/);
  });

  it('ends when the step is cancelled, whatever is in hand', async () => {
    const { tokens, state } = signIn();
    await tokens.token(STORAGE);
    state.now += 56 * MINUTE;
    state.reply = () => {
      throw new CancelledError();
    };
    await assert.rejects(tokens.token(STORAGE), CancelledError);
  });

  it('masks a token before it is handed out', async () => {
    const { tokens, state } = signIn();
    const token = await tokens.token(STORAGE);
    assert.ok(state.lines.includes(`##vso[task.setsecret]${token}`));
    assert.ok(state.lines.every((line) => line.startsWith('##vso[task.setsecret]')));
  });
});

describe('a failure to sign in', () => {
  const federation: AzureCredential = { kind: 'federation' };
  for (const [code, why] of [
    [7000215, /client secret is wrong\. Put the secret's value, not its id/],
    [7000222, /client secret has expired\. Make a new one/],
    [700016, /tenant tenant-id has no application client-id/],
    [7000112, /application client-id is disabled/],
    [90002, /login\.microsoftonline\.com knows no tenant tenant-id/],
    [700024, /not valid at this time. Set the clock of the agent's machine right/],
    [700027, /certificate is not one of application client-id/],
    [53003, /conditional access refuses this agent/],
    [500011, /tenant tenant-id has no service for 'https:\/\/storage/],
    [70021, /trusts no issuer 'https:\/\/issuer' with subject 'sc:\/\/demo\/local\/connection-id'/],
    [700213, /trusts no issuer 'https:\/\/issuer' with subject 'sc:\/\/demo\/local\/connection-id'/],
    [7002137, /trusts no issuer 'https:\/\/issuer' with subject 'sc:\/\/demo\/local\/connection-id'/],
    [7002138, /Put both, in exactly this spelling, into a federated credential/],
    [700223, /Put both, in exactly this spelling, into a federated credential/],
    [99999, /the answer was HTTP 401, AADSTS99999: Words of the server\. Verify the connection/],
  ] as const) {
    it(`with AADSTS${code} says why and what to do`, async () => {
      const { tokens } = signIn(federation, () => refusal(code));
      await assert.rejects(tokens.token(STORAGE), (error: TaskError) => {
        assert.ok(
          error.message.startsWith(
            "Can't sign in to Azure with the service connection of input 'azureServiceConnection': ",
          ),
        );
        assert.match(error.message, why);
        assert.deepEqual(error.details, [
          `AADSTS${code}: Words of the server. Trace ID: 1 Correlation ID: 2`,
        ]);
        return true;
      });
    });
  }

  for (const [title, reply, why] of [
    [
      'reads the code from the words where it stands nowhere else',
      answer(400, { error_description: 'AADSTS90002: x' }),
      /knows no tenant/,
    ],
    [
      'after all tries tells that the service is down',
      answer(503, 'busy'),
      /out of order \(HTTP 503\)\. Try again later/,
    ],
    ['survives a page of a proxy', answer(403, '<html>blocked</html>'), /the answer was HTTP 403\. Verify/],
    [
      'survives an answer of nothing',
      answer(200, 'null'),
      /gave no token: it is null, where an object should be\. Check for a proxy/,
    ],
    ['survives a success without a token', answer(200, {}), /gave no token: it has no 'access_token'/],
  ] as const) {
    it(title, async () => {
      const { tokens } = signIn(undefined, () => reply);
      await assert.rejects(tokens.token(STORAGE), why);
    });
  }

  for (const [title, pem, why] of [
    [
      'without a key',
      '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----',
      /has no private key that is not encrypted/,
    ],
    ['that is damaged', '-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----', /cannot be read \(/],
  ] as const) {
    it(`by a certificate ${title} says so before anything is sent`, async () => {
      const { tokens, state } = signIn({ kind: 'certificate', pem });
      await assert.rejects(tokens.token(STORAGE), why);
      assert.equal(state.requests.length, 0);
    });
  }
});
