import assert from 'node:assert/strict';
import { TaskError } from '../../../../tasks/common/errors';
import { createLogger } from '../../../../tasks/common/log';
import { openContainer } from '../../../../tasks/ModelRegistryDownload/registry/client';
import type { RegistryCredential } from '../../../../tasks/ModelRegistryDownload/registry/credential';
import { listFiles } from '../../../../tasks/ModelRegistryDownload/registry/listing';
import { connect } from '../../../../tasks/ModelRegistryDownload/registry/persist';
import { BlobServer, type Fault } from '../../../support/blob-server';
import { impatient } from '../support';

const BLOB = `<Blob><Name>a</Name><Properties /><Metadata>${'<a>1</a>'.repeat(10_000)}</Metadata></Blob>`;
const LARGE_LISTING = `<EnumerationResults><Blobs>${BLOB.repeat(330)}</Blobs></EnumerationResults>`;

describe('an error of the registry', () => {
  let server: BlobServer;

  beforeEach(async () => {
    server = await BlobServer.start();
    server.createContainer('titanic');
  });

  afterEach(() => server.stop());

  /** What a user reads when a listing has met an error. */
  async function explain({
    endpoint = server.endpoint,
    tls = {},
    credential = server.credential as RegistryCredential,
  } = {}): Promise<{ message: string; details: string[]; waits: number; waited: number }> {
    const container = openContainer({
      account: server.account,
      credential,
      endpoint,
      container: 'titanic',
      network: { proxyFor: () => undefined, tls },
    });
    const patience = impatient();
    const log = createLogger(() => {});
    const connection = connect(log, new AbortController().signal, patience);
    try {
      await listFiles(container, '1.0.0/', connection);
    } catch (error) {
      const { name, message, details } = container.explain(error) as Error & {
        details: string[];
      };
      assert.equal(name, 'TaskError');
      const waited = patience.waits.reduce((sum, wait) => sum + wait, 0);
      return { message, details, waits: patience.waits.length, waited };
    } finally {
      container.close();
    }
    throw new Error('The listing succeeded.');
  }

  const hourAgo = () => new Date(Date.now() - 3_600_000).toUTCString();
  const answers: [what: string, fault: Fault, message: RegExp][] = [
    ['a wrong key', { status: 403, code: 'AuthenticationFailed' }, /refused the key in 'storageKey'/],
    [
      'a wrong clock',
      { status: 403, code: 'AuthenticationFailed', headers: { Date: 'an hour ago' } },
      /clock of this agent is 1 h off/,
    ],
    ['a firewall', { status: 403, code: 'AuthorizationFailure' }, /network rules .* keep this agent out/],
    ['a missing role', { status: 403, code: 'AuthorizationPermissionMismatch' }, /Storage Blob Data Reader/],
    [
      'an account without keys',
      { status: 403, code: 'KeyBasedAuthenticationNotPermitted' },
      /accepts no account keys.*'authType' to azureServiceConnection/,
    ],
    ['a disabled account', { status: 403, code: 'AccountIsDisabled' }, /'teststorage' is disabled/],
    ['an account that wants https', { status: 400, code: 'AccountRequiresHttps' }, /accepts only https/],
    [
      'a missing container',
      { status: 404, code: 'ContainerNotFound' },
      /no container 'titanic'. Check 'modelName'/,
    ],
    [
      'a key in Key Vault that is gone',
      { status: 403, code: 'KeyVaultEncryptionKeyNotFound' },
      /customer-managed key in Key Vault/,
    ],
    [
      'another trouble with such a key',
      { status: 403, code: 'KeyVaultKeyDisabledOrExpired' },
      /customer-managed key in Key Vault/,
    ],
    [
      'a policy on places',
      { status: 403, code: 'LocationRestricted' },
      /may not be used from where this agent is/,
    ],
    [
      'no public access',
      { status: 409, code: 'PublicAccessNotPermitted' },
      /without signing in\. Set 'authType'/,
    ],
    ['a container that is going away', { status: 409, code: 'ContainerBeingDeleted' }, /is being deleted/],
    [
      'something unheard of',
      { status: 418, code: 'Teapot' },
      /answered HTTP 418 Teapot about container 'titanic': Teapot\. Check 'storageAccount'/,
    ],
    ['a proxy without a code', { status: 407 }, /answered HTTP 407 .*whether a proxy stands in between/],
  ];
  for (const [what, fault, message] of answers) {
    it(`from ${what} is told at once, with what to do`, async () => {
      // The time is that of the test: a long run of others may have gone before it.
      server.fault = () =>
        'headers' in fault ? { ...fault, headers: { ...fault.headers, Date: hourAgo() } } : fault;
      const told = await explain();
      assert.match(told.message, message);
      assert.equal(told.waits, 0);
      assert.match(told.details.join(), /^HTTP \d+.*request test$/);
    });
  }

  const sas = (changes: Partial<RegistryCredential>): RegistryCredential => ({
    kind: 'sas',
    input: 'sasToken',
    token: 'sp=rl&sig=x',
    starts: undefined,
    expires: undefined,
    ...(changes as object),
  });
  const entra: RegistryCredential = {
    kind: 'entra',
    input: 'azureServiceConnection',
    token: async () => 'a token',
  };
  const anHourAgo = new Date(Date.now() - 3_600_000);
  const tomorrow = new Date(Date.now() + 86_400_000);
  const refusals: [
    what: string,
    credential: RegistryCredential,
    status: number,
    code: string,
    message: RegExp,
  ][] = [
    [
      'an expired signature',
      sas({ expires: anHourAgo }),
      403,
      'AuthenticationFailed',
      /in 'sasToken': it expired at 20.*Make a new one/,
    ],
    [
      'a signature of tomorrow',
      sas({ starts: tomorrow }),
      403,
      'AuthenticationFailed',
      /begins to be valid at/,
    ],
    [
      'a broken signature',
      sas({ expires: tomorrow }),
      403,
      'AuthenticationFailed',
      /cut while it was copied.*Make a new one/,
    ],
    [
      'a signature that may not',
      sas({}),
      403,
      'AuthorizationPermissionMismatch',
      /signature in 'sasToken' may not list and read.*Read and List/,
    ],
    [
      'a signature for something else',
      sas({}),
      403,
      'AuthorizationResourceTypeMismatch',
      /resource types Container and Object/,
    ],
    ['a signature for https', sas({}), 403, 'AuthorizationProtocolMismatch', /https alone.*'blobEndpoint'/],
    [
      'a signature for other addresses',
      sas({}),
      403,
      'AuthorizationSourceIPMismatch',
      /not for the address of this agent/,
    ],
    [
      'a signature made with a key that does not count',
      sas({}),
      403,
      'KeyBasedAuthenticationNotPermitted',
      /nor shared access signatures/,
    ],
    [
      'a connection without the role',
      entra,
      403,
      'AuthorizationPermissionMismatch',
      /What 'azureServiceConnection' signs in as may not read.*Storage Blob Data Reader/,
    ],
    [
      'a connection of another tenant',
      entra,
      401,
      'InvalidAuthenticationInfo',
      /same Microsoft Entra tenant/,
    ],
    ['a connection behind a firewall', entra, 403, 'AuthorizationFailure', /network rules/],
  ];
  for (const [what, credential, status, code, message] of refusals) {
    it(`from ${what} is told at once, with what to do`, async () => {
      server.fault = () => ({ status, code });
      const told = await explain({ credential });
      assert.match(told.message, message);
      assert.equal(told.waits, 0);
    });
  }

  const anonymous: RegistryCredential = { kind: 'anonymous', input: 'authType' };
  for (const [status, code, message] of [
    [404, 'ResourceNotFound', /no container 'titanic' that can be read without signing in/],
    [409, 'PublicAccessNotPermitted', /cannot be read without signing in\. Set 'authType'/],
    [401, 'NoAuthenticationInformation', /cannot be read without signing in/],
    [403, 'AuthorizationPermissionMismatch', /cannot be read without signing in/],
  ] as const) {
    it(`from ${code} tells who does not sign in that this takes a sign-in`, async () => {
      server.fault = () => ({ status, code });
      const told = await explain({ credential: anonymous });
      assert.match(told.message, message);
      assert.equal(told.waits, 0);
      assert.equal(server.requests[0]!.authorization, undefined);
    });
  }

  for (const [status, type, body] of [
    [200, 'text/html', '<html>Sign in</html>'],
    [200, 'application/xhtml+xml', '<?xml version="1.0"?><html>Sign in</html>'],
    [200, 'text/plain', '\n<!DOCTYPE html>\n<html>Sign in</html>'],
    [200, '', '<HTML lang="en">Sign in</HTML>'],
    [302, 'text/html', ''],
    [403, 'text/html; charset=utf-8', '<html>Blocked by policy</html>'],
    [407, 'text/html', '<html>Who are you?</html>'],
    [511, '', ''],
  ] as const) {
    it(`from a page in place of the registry (${status} ${type}) is told at once`, async () => {
      const instead = { status, headers: type ? { 'Content-Type': type } : {}, body };
      server.fault = () => ({ instead: { ...instead, headers: instead.headers as Record<string, string> } });
      const told = await explain();
      assert.match(told.message, /^A web page answered in place of 127\.0\.0\.1:/);
      assert.equal(told.waits, 0);
    });
  }

  it('from a port at which nothing listens is told after five seconds, with the input', async () => {
    const { endpoint } = server;
    await server.stop();
    const told = await explain({ endpoint });
    assert.match(told.message, /nothing listens there\. Check 'blobEndpoint', and that the emulator runs/);
    assert.ok(told.waited <= 5_000, `${told.waited}`);
    server = await BlobServer.start();
  });

  it('from a wrong key is not put down to a clock that is off by less than the service bears', async () => {
    const headers = { Date: new Date(Date.now() - 12 * 60_000).toUTCString() };
    server.fault = () => ({ status: 403, code: 'AuthenticationFailed', headers });
    assert.match((await explain()).message, /refused the key in 'storageKey'/);
  });

  it('from Microsoft Entra is told as it is', async () => {
    const token = async () => {
      throw new TaskError('The secret of the connection has expired. Make a new one.');
    };
    const told = await explain({ credential: { ...entra, token } });
    assert.equal(told.message, 'The secret of the connection has expired. Make a new one.');
    assert.equal(server.requests.length, 0);
  });

  for (const [status, code] of [
    [500, 'InternalError'],
    [502, ''],
    [504, ''],
    [408, ''],
  ] as const) {
    it(`from a service that answers ${status} ${code} to all tries puts it down to no input`, async () => {
      server.fault = () => ({ status, code });
      const told = await explain();
      assert.match(told.message, new RegExp(`answered HTTP ${status}.* It did so through all tries`));
      assert.doesNotMatch(told.message, /Check '/);
      assert.ok(told.waited > 200_000, `${told.waited}`);
    });
  }

  it('from a busy account is told after all tries', async () => {
    server.fault = () => ({ status: 503, code: 'ServerBusy' });
    const told = await explain();
    assert.match(told.message, /too busy to answer/);
    assert.equal(told.waits > 7, true);
  });

  it('from a connection that breaks is told after all tries', async () => {
    server.fault = () => ({ resetAfter: 0 });
    const told = await explain();
    assert.match(told.message, /^No connection to 127\.0\.0\.1:\d+: .*proxy, firewall/);
    assert.equal(told.waits > 7, true);
  });

  const useless: [what: string, fault: Fault, reason: RegExp][] = [
    [
      'that is no listing',
      { instead: { status: 200, headers: { 'Content-Type': 'application/xml' }, body: '<Other/>' } },
      /the answer is not a whole listing/,
    ],
    ['that breaks off', { resetAfter: 20 }, /the connection broke/],
    [
      'that is too large',
      { instead: { status: 200, headers: {}, body: LARGE_LISTING } },
      /the listing is larger than 25\.2 MB, which no such answer is/,
    ],
  ];
  for (const [what, fault, reason] of useless) {
    it(`from an answer ${what} is not told as a connection that failed`, async () => {
      server.fault = () => fault;
      const { message } = await explain();
      assert.match(message, /^No usable answer from 127\.0\.0\.1:\d+: /);
      assert.match(message, reason);
      assert.match(message, /Check the address, and whether a proxy stands in between/);
    });
  }

  it('from an account that does not exist is told at once', async () => {
    const lookup = (_host: string, _options: unknown, done: (error: Error) => void) =>
      done(Object.assign(new Error('getaddrinfo ENOTFOUND'), { code: 'ENOTFOUND' }));
    const told = await explain({ endpoint: 'https://teststorage.blob.core.windows.net', tls: { lookup } });
    assert.match(told.message, /no storage account 'teststorage'.*Check 'storageAccount'/);
    assert.equal(told.waits, 0);
  });
});
