import assert from 'node:assert/strict';
import { CancelledError } from '../../../tasks/common/errors';
import { ConnectionError, type HttpAnswer, type HttpRequest } from '../../../tasks/common/http';
import { type Credential, tokenProvider } from '../../../tasks/DatabricksRunJob/databricks/auth';
import { isOutage } from '../../../tasks/DatabricksRunJob/databricks/errors';
import { answer, collectLog, ORIGIN } from './support';

const MINUTE = 60_000;
const PRINCIPAL: Credential = { kind: 'servicePrincipal', clientId: 'c', clientSecret: 's:x' };
const PIPELINE: Credential = { kind: 'federation', clientId: 'c', serviceConnectionId: undefined };

const jwt = (claims: object) => `h.${Buffer.from(JSON.stringify(claims)).toString('base64url')}.s`;

/** A sign-in whose server and clock the test holds. */
function signingIn(credential: Credential) {
  const { log, text } = collectLog();
  const one = {
    now: 0,
    requests: [] as HttpRequest[],
    asked: [] as (string | undefined)[],
    reply: (): HttpAnswer =>
      answer(200, { access_token: `oauth-token-${one.requests.length}`, expires_in: 3600 }),
    text,
    token: async (_refused?: string) => '',
  };
  one.token = tokenProvider(
    credential,
    { origin: ORIGIN, workspaceId: undefined },
    {
      log,
      now: () => one.now,
      http: {
        send: async (request) => {
          one.requests.push(request);
          return one.reply();
        },
      },
      oidcToken: async (id) => {
        one.asked.push(id);
        return jwt({ iss: 'https://vstoken', sub: `p://org/${one.asked.length}`, aud: 'api://x' });
      },
    },
  );
  return one;
}

const formOf = ({ body }: HttpRequest) => Object.fromEntries(new URLSearchParams(String(body)));

describe('signing in to Databricks', () => {
  it('needs nothing with a token', async () => {
    const one = signingIn({ kind: 'token', token: 'dapi' });
    assert.equal(await one.token(), 'dapi');
    assert.equal(one.requests.length, 0);
  });

  it('sends the secret of a service principal as a password, and masks the token', async () => {
    const one = signingIn(PRINCIPAL);
    assert.equal(await one.token(), 'oauth-token-1');
    const [request] = one.requests;
    assert.equal(request?.url, `${ORIGIN}/oidc/v1/token`);
    assert.equal(request?.headers?.Authorization, `Basic ${Buffer.from('c:s:x').toString('base64')}`);
    assert.deepEqual(formOf(request!), { grant_type: 'client_credentials', scope: 'all-apis' });
    assert.match(one.text(), /^##vso\[task\.setsecret\]oauth-token-1$/m);
  });

  it('exchanges what Azure DevOps vouches for', async () => {
    const one = signingIn(PIPELINE);
    await one.token();
    assert.deepEqual(formOf(one.requests[0]!), {
      grant_type: 'urn:ietf:params:oauth:grant-type:token-exchange',
      subject_token: jwt({ iss: 'https://vstoken', sub: 'p://org/1', aud: 'api://x' }),
      subject_token_type: 'urn:ietf:params:oauth:token-type:jwt',
      client_id: 'c',
      scope: 'all-apis',
    });
    assert.equal(one.requests[0]?.headers?.Authorization, undefined);
  });

  it('has Azure DevOps vouch for a service connection, and needs no client for a policy of the account', async () => {
    const one = signingIn({ kind: 'federation', clientId: undefined, serviceConnectionId: 'sc-1' });
    await one.token();
    assert.deepEqual(one.asked, ['sc-1']);
    assert.ok(!('client_id' in formOf(one.requests[0]!)));
  });

  it('renews the token in time for twelve hours, with a fresh assertion each time', async () => {
    const one = signingIn(PIPELINE);
    for (; one.now < 12 * 60 * MINUTE; one.now += MINUTE) {
      const issued = Number((await one.token()).split('-').at(-1));
      assert.equal(issued, one.requests.length);
    }
    assert.equal(one.requests.length, 14);
    assert.equal(new Set(one.requests.map((request) => formOf(request).subject_token)).size, 14);
  });

  it('goes on with the token in hand while that is good, and then takes the failure for one that passes', async () => {
    const one = signingIn(PRINCIPAL);
    await one.token();
    one.reply = () => {
      throw new ConnectionError('No connection.');
    };
    one.now = 57 * MINUTE;
    assert.equal(await one.token(), 'oauth-token-1');
    one.now = 60 * MINUTE;
    await assert.rejects(one.token(), (error) => isOutage(error));
    one.reply = () => answer(401, { error: 'invalid_client' });
    await assert.rejects(one.token(), (error) => isOutage(error));
  });

  it('signs in anew when the service refuses a token before its time', async () => {
    const one = signingIn(PRINCIPAL);
    assert.equal(await one.token(), 'oauth-token-1');
    assert.equal(await one.token('oauth-token-1'), 'oauth-token-2');
    assert.equal(await one.token('oauth-token-1'), 'oauth-token-2');
    assert.equal(await signingIn({ kind: 'token', token: 'dapi' }).token('dapi'), 'dapi');
  });

  it('leaves a step that is cancelled the token to cancel its run with', async () => {
    const one = signingIn(PRINCIPAL);
    await one.token();
    one.now = 59 * MINUTE;
    one.reply = () => {
      throw new CancelledError();
    };
    assert.equal(await one.token(), 'oauth-token-1');
  });

  const refusals: [title: string, credential: Credential, reply: HttpAnswer, message: RegExp][] = [
    [
      'a wrong secret',
      PRINCIPAL,
      answer(401, { error: 'invalid_client', error_description: 'Client authentication failed' }),
      /did not let the step sign in \(HTTP 401, invalid_client: Client authentication failed\)\. .*'clientId'.*'clientSecret'.*Microsoft Entra/,
    ],
    [
      'a policy that is missing',
      PIPELINE,
      answer(400, { error: 'invalid_grant' }),
      /service principal c has a federation policy with the issuer 'https:\/\/vstoken', the audience 'api:\/\/x' and the subject 'p:\/\/org\/1'/,
    ],
    ['an outage', PRINCIPAL, answer(503, '<html>'), /HTTP 503\)\. Try again later/],
    [
      'a workspace behind Private Link',
      PRINCIPAL,
      answer(302, '', { location: `${ORIGIN}/login.html?error=private-link-validation-error` }),
      /behind Private Link/,
    ],
    [
      'a host that is no workspace',
      PRINCIPAL,
      answer(404, ''),
      /'databricksHost' is the address of a workspace/,
    ],
  ];
  for (const [title, credential, reply, message] of refusals) {
    it(`says what to do about ${title}`, async () => {
      const one = signingIn(credential);
      one.reply = () => reply;
      await assert.rejects(one.token(), (error: Error) => {
        assert.match(error.message, message);
        assert.ok(!isOutage(error));
        return true;
      });
    });
  }
});
