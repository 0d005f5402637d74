import assert from 'node:assert/strict';
import { type Entra, type EntraOptions, startEntra } from '../../../local/entra/entra';
import type { Application } from '../../../local/entra/login';
import { EntraTokens } from '../../../tasks/common/entra';
import type { TaskError } from '../../../tasks/common/errors';
import { HttpClient } from '../../../tasks/common/http';
import { createLogger } from '../../../tasks/common/log';
import { requestOidcToken } from '../../../tasks/common/pipeline-oidc';
import type { AzureCredential } from '../../../tasks/common/service-connection';
import { makeCertificate, type TestCertificate } from '../../support/certificate';

const TENANT = '72f988bf-0000-4000-8000-2d7cd011db47';
const CLIENT = 'c3b7a1f2-0000-4000-8000-9a1f5e3d7b11';
const CONNECTION = { id: '8a1c6bb0-5a3f-4a5e-9b0e-d0c7f0f5a111', name: 'azure-demo' };
const SCOPE = 'https://storage.azure.com/.default';
const ISSUER = 'https://vstoken.dev.azure.com/d0a3bd55-8a21-4b3a-93c7-2c1d32b4a6f1';
const SUBJECT = 'sc://demo/local/azure-demo';

describe('the local login server', () => {
  let entra: Entra;
  let http: HttpClient;
  let certificate: TestCertificate;
  let now: number;
  let lines: string[];

  before(() => {
    certificate = makeCertificate();
  });

  beforeEach(() => {
    now = Date.UTC(2026, 10, 23);
    lines = [];
    http = new HttpClient({
      log: createLogger((line) => lines.push(line)),
      signal: new AbortController().signal,
      network: { proxyFor: () => undefined, tls: {} },
      userAgent: 'test',
      sleep: async () => undefined,
    });
  });

  afterEach(async () => {
    http.close();
    await entra.stop();
  });

  async function start(application: Partial<Application>, options: Partial<EntraOptions> = {}) {
    entra = await startEntra({
      tenantId: TENANT,
      applications: [{ clientId: CLIENT, ...application }],
      accessToken: 'job-token',
      serviceConnections: [CONNECTION],
      now: () => now,
      ...options,
    });
  }

  /** The sign-in that tasks do. */
  function signIn(
    credential: AzureCredential,
    { tenantId = TENANT, clientId = CLIENT, accessToken = 'job-token' } = {},
  ) {
    const log = createLogger((line) => lines.push(line));
    const connection = {
      input: 'azureServiceConnection',
      id: CONNECTION.id,
      tenantId,
      clientId,
      subscriptionId: undefined,
      cloud: 'AzureCloud',
      authorityUrl: entra.url,
      resourceManagerUrl: 'https://management.azure.com',
      credential,
    };
    return new EntraTokens(connection, {
      http,
      log,
      now: () => now,
      oidcToken: (id) => oidcToken(id, accessToken),
    });
  }

  const oidcToken = (id?: string, accessToken = 'job-token') =>
    requestOidcToken(
      {
        http,
        log: createLogger((line) => lines.push(line)),
        accessToken,
        variable: (name) =>
          name === 'System.OidcRequestUri'
            ? `${entra.collectionUri}p/_apis/distributedtask/hubs/build/plans/1-a/jobs/2-b/oidctoken`
            : undefined,
      },
      id,
    );

  const trusted = { issuer: ISSUER, subject: SUBJECT };

  for (const [title, application, credential] of [
    [
      'a secret',
      () => ({ secret: 'se/cr+et=' }),
      (): AzureCredential => ({ kind: 'secret', secret: 'se/cr+et=' }),
    ],
    [
      'a certificate',
      () => ({ certificate: certificate.certificate }),
      (): AzureCredential => ({ kind: 'certificate', pem: certificate.pem }),
    ],
    [
      'a certificate whose line breaks were lost',
      () => ({ certificate: certificate.certificate }),
      (): AzureCredential => ({ kind: 'certificate', pem: certificate.pem.replaceAll('\n', ' ') }),
    ],
    [
      'federation',
      () => ({ federatedCredentials: [trusted] }),
      (): AzureCredential => ({ kind: 'federation' }),
    ],
  ] as const) {
    it(`signs in by ${title}, for an hour`, async () => {
      await start(application());
      const token = await signIn(credential()).token(SCOPE);
      const { aud, tid, appid } = entra.accessTokenClaims(token)!;
      assert.deepEqual({ aud, tid, appid }, { aud: 'https://storage.azure.com', tid: TENANT, appid: CLIENT });
      now += 60 * 60_000;
      assert.equal(entra.accessTokenClaims(token), undefined);
    });
  }

  it('gives tokens of the lifetime that it is told, which are renewed in time', async () => {
    await start({ secret: 'secret' }, { tokenLifetime: 10 * 60_000 });
    const tokens = signIn({ kind: 'secret', secret: 'secret' });
    const seen = new Set<string>();
    for (let minute = 0; minute < 30; minute++) {
      const token = await tokens.token(SCOPE);
      assert.ok(entra.accessTokenClaims(token));
      seen.add(token);
      now += 60_000;
    }
    assert.equal(seen.size, 6);
    assert.equal(entra.requests.length, 6);
  });

  const federation: AzureCredential = { kind: 'federation' };
  for (const [title, application, credential, identity, error] of [
    [
      'a wrong secret',
      { secret: 'right' },
      { kind: 'secret', secret: 'wrong' },
      {},
      /client secret is wrong/,
    ],
    [
      'an expired secret',
      { secret: 'old', secretExpired: true },
      { kind: 'secret', secret: 'old' },
      {},
      /has expired/,
    ],
    [
      'an unknown application',
      {},
      { kind: 'secret', secret: 'any' },
      { clientId: 'other' },
      /has no application other/,
    ],
    [
      'an unknown tenant',
      {},
      { kind: 'secret', secret: 'any' },
      { tenantId: 'other' },
      /knows no tenant other/,
    ],
    ['an application that trusts nobody', {}, federation, {}, /trusts no issuer/],
    [
      'an issuer that is not trusted',
      { federatedCredentials: [{ issuer: 'https://other', subject: SUBJECT }] },
      federation,
      {},
      new RegExp(`trusts no issuer '${ISSUER}' with subject '${SUBJECT}'`),
    ],
    [
      'a subject that differs in case',
      { federatedCredentials: [{ issuer: ISSUER, subject: SUBJECT.toUpperCase() }] },
      federation,
      {},
      new RegExp(`with subject '${SUBJECT}'`),
    ],
    [
      'a job of another server',
      { federatedCredentials: [trusted] },
      federation,
      { accessToken: 'other' },
      /access token was not accepted/,
    ],
  ] as const) {
    it(`refuses ${title}`, async () => {
      await start(application);
      await assert.rejects(signIn(credential, identity).token(SCOPE), error);
    });
  }

  it('refuses the certificate of somebody else', async () => {
    await start({ certificate: certificate.certificate });
    const { pem } = makeCertificate();
    await assert.rejects(signIn({ kind: 'certificate', pem }).token(SCOPE), /certificate is not one of/);
  });

  it('refuses a key that is not the one of its certificate before anything is sent', async () => {
    await start({ certificate: certificate.certificate });
    const pem = certificate.pem.replace(/-----BEGIN CERT.*/s, makeCertificate().certificate);
    await assert.rejects(
      signIn({ kind: 'certificate', pem }).token(SCOPE),
      /the certificate and its private key do not belong together/,
    );
    assert.equal(entra.requests.length, 0);
  });

  it('refuses a certificate whose assertion comes from a clock that is wrong', async () => {
    let skew = 60 * 60_000;
    await start({ certificate: certificate.certificate }, { now: () => now + skew });
    const tokens = signIn({ kind: 'certificate', pem: certificate.pem });
    await assert.rejects(tokens.token(SCOPE), (error: TaskError) => {
      assert.match(error.message, /Set the clock of the agent's machine right/);
      assert.match(error.details[0]!, /^AADSTS700024: .*Current time: 2026-11-23T01:00/);
      return true;
    });
    skew = 0;
    assert.ok(await tokens.token(SCOPE));
  });

  it('vouches for a connection and for the pipeline', async () => {
    await start({});
    const claims = async (id?: string) => entra.oidcTokenClaims(await oidcToken(id));
    assert.equal((await claims(CONNECTION.id))?.sub, SUBJECT);
    assert.equal(entra.oidcSubject(CONNECTION.name), SUBJECT);
    assert.equal((await claims())?.sub, 'p://demo/local/pipeline');
    assert.equal((await claims())?.iss, entra.oidcIssuer);
    assert.equal((await claims())?.aud, 'api://AzureADTokenExchange');
  });

  it('vouches for no connection that the job does not refer to', async () => {
    await start({});
    await assert.rejects(oidcToken('other'), /no token for service connection other .*no explicit reference/);
  });

  it('redirects a stranger to a page, unless asked not to', async () => {
    await start({});
    const url = `${entra.collectionUri}p/_apis/distributedtask/hubs/build/plans/1/jobs/2/oidctoken?api-version=7.1`;
    const ask = (headers: Record<string, string>) =>
      fetch(url, { method: 'POST', headers, redirect: 'manual' }).then(({ status }) => status);
    assert.equal(await ask({}), 302);
    assert.equal(await ask({ 'X-TFS-FedAuthRedirect': 'Suppress' }), 401);
  });

  it('can be told to fail, which a sign-in survives or explains', async () => {
    let faults = 2;
    await start({ secret: 'secret' }, { intercept: () => (faults-- > 0 ? 'cut' : undefined) });
    const tokens = signIn({ kind: 'secret', secret: 'secret' });
    assert.ok(await tokens.token(SCOPE));
    faults = Number.POSITIVE_INFINITY;
    await assert.rejects(
      tokens.token('https://management.azure.com/.default'),
      /^TaskError: No connection to 127\.0\.0\.1:\d+ after \d+ tries in 5 min: .*Check that this agent may reach it/,
    );
  });

  for (const [kind, application, credential] of [
    ['federation', () => ({ federatedCredentials: [trusted] }), () => federation],
    [
      'a certificate',
      () => ({ certificate: certificate.certificate }),
      (): AzureCredential => ({ kind: 'certificate', pem: certificate.pem }),
    ],
  ] as const) {
    it(`shows no secret in the log of a sign-in by ${kind}, and masks what it made`, async () => {
      await start(application());
      const token = await signIn(credential()).token(SCOPE);
      const assertion = entra.requests.at(-1)!.form.get('client_assertion')!;
      const shown = lines.filter((line) => !line.startsWith('##vso[task.setsecret]')).join('\n');
      for (const secret of [token, assertion, 'job-token']) assert.ok(!shown.includes(secret));
      for (const secret of [token, assertion]) assert.ok(lines.includes(`##vso[task.setsecret]${secret}`));
    });
  }
});
