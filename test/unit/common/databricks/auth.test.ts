import assert from 'node:assert/strict';
import {
  type Credential,
  FederationRefusedError,
  tokenProvider,
} from '../../../../tasks/common/databricks/auth';
import { isOutage } from '../../../../tasks/common/databricks/errors';
import { CancelledError } from '../../../../tasks/common/errors';
import { ConnectionError, type HttpAnswer, type HttpRequest } from '../../../../tasks/common/http';
import { answer, collectLog, ORIGIN } from '../../DatabricksRunJob/support';

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
  it('asks a host of many workspaces where to sign in, and sends no credential anywhere else', async () => {
    const { log } = collectLog();
    const ask = async (config: HttpAnswer) => {
      const asked: string[] = [];
      const workspace = { origin: 'https://acme.azuredatabricks.net', workspaceId: '42' };
      const token = tokenProvider(PRINCIPAL, workspace, {
        log,
        oidcToken: async () => '',
        http: {
          send: async ({ url }) => {
            asked.push(url);
            return url.endsWith('/databricks-config')
              ? config
              : answer(200, { access_token: 't', expires_in: 3600 });
          },
        },
      });
      return { asked, token: token() };
    };
    const host = 'https://acme.azuredatabricks.net';
    const cases: [config: HttpAnswer, endpoint: string][] = [
      [
        answer(200, { oidc_endpoint: `${host}/oidc/accounts/{account_id}`, account_id: 'a1' }),
        `${host}/oidc/accounts/a1/v1/token`,
      ],
      [
        answer(200, { oidc_endpoint: 'https://accounts.azuredatabricks.net/oidc' }),
        'https://accounts.azuredatabricks.net/oidc/v1/token',
      ],
      [answer(404, ''), `${host}/oidc/v1/token`],
    ];
    for (const [config, endpoint] of cases) {
      const { asked, token } = await ask(config);
      await token;
      assert.deepEqual(asked, [`${host}/.well-known/databricks-config`, endpoint]);
    }
    for (const evil of [
      'https://evil.example/oidc',
      'http://accounts.azuredatabricks.net/oidc',
      'https://azuredatabricks.net.evil.example',
    ]) {
      const { asked, token } = await ask(answer(200, { oidc_endpoint: evil }));
      await assert.rejects(token, /no address of Databricks.*No credential was sent/);
      assert.equal(asked.length, 1);
    }
  });

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

  it('does not wait for a new token while the one in hand serves: one short try, and the next a minute later', async () => {
    const one = signingIn(PRINCIPAL);
    await one.token();
    one.reply = () => {
      throw new ConnectionError('No connection to adb-1: no answer within 5 s.');
    };
    for (const minute of [56, 56.2, 56.9, 57.1, 57.5]) {
      one.now = minute * MINUTE;
      assert.equal(await one.token(), 'oauth-token-1');
    }
    const tries = one.requests.slice(1);
    assert.equal(tries.length, 2);
    for (const { retry, idleTimeout } of tries) {
      assert.deepEqual([retry, idleTimeout], [{ forMilliseconds: 0 }, 5_000]);
    }
    assert.match(
      one.text(),
      /Going on with the access token in hand, which serves for another 3 min.*No connection to adb-1/,
    );
  });

  it('gives the exact command that would let a pipeline in, whatever its project is called', async () => {
    const one = signingIn(PIPELINE);
    one.reply = () => answer(400, { error: 'invalid_grant' });
    await assert.rejects(one.token(), (error) => {
      assert.ok(error instanceof FederationRefusedError);
      assert.equal(
        error.command,
        `databricks account service-principal-federation-policy create "$(databricks account service-principals list --filter 'applicationId eq "c"' --output json | jq -r '.[0].id')" --json '{"oidc_policy":{"issuer":"https://vstoken","audiences":["api://x"],"subject":"p://org/1"}}'`,
      );
      return true;
    });
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
      'an address that is not allowed',
      PRINCIPAL,
      answer(403, {
        error_code: 403,
        message: 'Source IP address: 20.1.2.3 is blocked by Databricks IP ACL',
      }),
      /IP access list.*20\.1\.2\.3.*self-hosted agent/,
    ],
    [
      'a network that is not admitted, for a pipeline',
      PIPELINE,
      answer(403, '<html><pre>Unauthorized network access to workspace: 1</pre></html>'),
      /no requests from the public network/,
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
