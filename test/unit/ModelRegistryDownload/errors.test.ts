import assert from 'node:assert/strict';
import { createLogger } from '../../../tasks/common/log';
import { openContainer } from '../../../tasks/ModelRegistryDownload/registry/client';
import { explainRegistryError } from '../../../tasks/ModelRegistryDownload/registry/errors';
import { listFiles } from '../../../tasks/ModelRegistryDownload/registry/listing';
import { BlobServer, type Fault } from '../../support/blob-server';
import { impatient } from './support';

describe('an error of the registry', () => {
  let server: BlobServer;

  beforeEach(async () => {
    server = await BlobServer.start();
    server.createContainer('titanic');
  });

  afterEach(() => server.stop());

  /** What a user reads when a listing has met an error. */
  async function explain(
    endpoint = server.endpoint,
    tls = {},
  ): Promise<{ message: string; details: string[]; waits: number }> {
    const container = openContainer({
      account: server.account,
      key: server.key,
      endpoint,
      container: 'titanic',
      network: { proxyFor: () => undefined, tls },
    });
    const patience = impatient();
    const connection = { log: createLogger(() => {}), signal: new AbortController().signal, patience };
    try {
      await listFiles(container, '1.0.0/', connection);
    } catch (error) {
      const { name, message, details } = explainRegistryError(error, container.address) as Error & {
        details: string[];
      };
      assert.equal(name, 'TaskError');
      return { message, details, waits: patience.waits.length };
    } finally {
      container.close();
    }
    throw new Error('The listing succeeded.');
  }

  const hourAgo = new Date(Date.now() - 3_600_000).toUTCString();
  const answers: [what: string, fault: Fault, message: RegExp][] = [
    ['a wrong key', { status: 403, code: 'AuthenticationFailed' }, /refused the key in 'storageKey'/],
    [
      'a wrong clock',
      { status: 403, code: 'AuthenticationFailed', headers: { Date: hourAgo } },
      /clock of this agent is 1 h \d min off/,
    ],
    ['a firewall', { status: 403, code: 'AuthorizationFailure' }, /network rules .* keep this agent out/],
    ['a missing role', { status: 403, code: 'AuthorizationPermissionMismatch' }, /Storage Blob Data Reader/],
    [
      'an account without keys',
      { status: 403, code: 'KeyBasedAuthenticationNotPermitted' },
      /does not accept account keys/,
    ],
    ['a disabled account', { status: 403, code: 'AccountIsDisabled' }, /'teststorage' is disabled/],
    ['an account that wants https', { status: 400, code: 'AccountRequiresHttps' }, /accepts only https/],
    [
      'a missing container',
      { status: 404, code: 'ContainerNotFound' },
      /no container 'titanic'. Check 'modelName'/,
    ],
    ['a container that is going away', { status: 409, code: 'ContainerBeingDeleted' }, /is being deleted/],
    [
      'something unheard of',
      { status: 418, code: 'Teapot' },
      /answered HTTP 418 Teapot about container 'titanic'/,
    ],
    ['a proxy without a code', { status: 407 }, /answered HTTP 407 .*whether a proxy stands in between/],
  ];
  for (const [what, fault, message] of answers) {
    it(`from ${what} is told at once, with what to do`, async () => {
      server.fault = () => fault;
      const told = await explain();
      assert.match(told.message, message);
      assert.equal(told.waits, 0);
      assert.match(told.details.join(), /^HTTP \d+.*request test$/);
    });
  }

  it('from a busy account is told after all tries', async () => {
    server.fault = () => ({ status: 503, code: 'ServerBusy' });
    const told = await explain();
    assert.match(told.message, /too busy to answer/);
    assert.equal(told.waits, 7);
  });

  it('from a connection that breaks is told after all tries', async () => {
    server.fault = () => ({ resetAfter: 0 });
    const told = await explain();
    assert.match(told.message, /^No connection to 127\.0\.0\.1:\d+: .*proxy, firewall/);
    assert.equal(told.waits, 7);
  });

  it('from an account that does not exist is told at once', async () => {
    const lookup = (_host: string, _options: unknown, done: (error: Error) => void) =>
      done(Object.assign(new Error('getaddrinfo ENOTFOUND'), { code: 'ENOTFOUND' }));
    const told = await explain('https://teststorage.blob.core.windows.net', { lookup });
    assert.match(told.message, /no storage account 'teststorage'.*Check 'storageAccount'/);
    assert.equal(told.waits, 0);
  });
});
