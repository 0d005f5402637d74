import assert from 'node:assert/strict';
import { getEventListeners } from 'node:events';
import { createServer, type Server, type ServerResponse } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import type { Duplex } from 'node:stream';
import { proxyRules } from '../../../../tasks/common/proxy';
import { openContainer } from '../../../../tasks/ModelRegistryDownload/registry/client';
import type { ModelContainer } from '../../../../tasks/ModelRegistryDownload/registry/container';
import type { RegistryCredential } from '../../../../tasks/ModelRegistryDownload/registry/credential';
import { isTransient } from '../../../../tasks/ModelRegistryDownload/registry/errors';
import { stoppedBy } from '../../../../tasks/ModelRegistryDownload/registry/http/answer';
import { BlobServer } from '../../../support/blob-server';

describe('the client of the registry', () => {
  let server: BlobServer;
  let proxy: Server;
  let asked: string[];
  const sockets = new Set<Duplex>();

  beforeEach(async () => {
    server = await BlobServer.start();
    server.put('titanic', '1.0.0/model.pkl', 'the model');
    asked = [];
    proxy = createServer().on('connect', (request, socket) => {
      asked.push(request.url!);
      const [host, port] = request.url!.split(':');
      const target = connect(Number(port), host, () => {
        socket.write('HTTP/1.1 200 OK\r\n\r\n');
        socket.pipe(target).pipe(socket);
      });
      sockets.add(socket).add(target);
    });
    await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve));
  });

  afterEach(async () => {
    for (const socket of sockets) socket.destroy();
    await new Promise((resolve) => proxy.close(resolve));
    await server.stop();
  });

  /** A watch that never gives up. */
  const idle = { signal: new AbortController().signal, touch() {} };

  const proxyUrl = () => `http://127.0.0.1:${(proxy.address() as AddressInfo).port}`;

  /** Opens the container through a proxy of the agent's, and uses it. */
  async function use<T>(
    work: (container: ModelContainer) => Promise<T>,
    {
      agentProxy,
      credential,
      endpoint = server.endpoint,
    }: { agentProxy?: string; credential?: RegistryCredential; endpoint?: string } = {},
  ): Promise<T> {
    const container = openContainer({
      account: server.account,
      credential: credential ?? server.credential,
      endpoint,
      container: 'titanic',
      network: {
        proxyFor: proxyRules(agentProxy ? { url: agentProxy, bypass: [] } : undefined, {}),
        tls: {},
      },
    });
    try {
      return await work(container);
    } finally {
      container.close();
    }
  }

  const names = (container: ModelContainer) =>
    container.listBlobs('1.0.0/', undefined, idle).then(({ items }) => items.map(({ name }) => name));

  async function readFirst(container: ModelContainer) {
    const { items } = await container.listBlobs('1.0.0/', undefined, idle);
    const pieces: string[] = [];
    const receiver = { begin() {}, take: (piece: Buffer) => void pieces.push(piece.toString()) };
    const all = { offset: 0, length: items[0]!.size };
    await stoppedBy(idle.signal, (stop) => container.read(items[0]!, all, receiver, stop));
    return pieces.join('');
  }

  it('leaves nothing with the signal that could have ended its requests', async () => {
    await use(readFirst);
    server.fault = () => ({ status: 503 });
    await assert.rejects(use(readFirst), { statusCode: 503 });
    assert.deepEqual(getEventListeners(idle.signal, 'abort'), []);
  });

  it('signs with the key of the account', async () => {
    assert.equal(await use(readFirst), 'the model');
    for (const { authorization } of server.requests) assert.match(authorization!, /^SharedKey teststorage:/);
  });

  for (const sig of ['a%2Fb%2Bc%3D', 'a%2fb%2bc%3d', 'a/b+c='])
    it(`goes with a shared access signature that is written ${sig}, in every request and to the letter`, async () => {
      const token = `sv=2026-02-06&sr=c&sp=rl&sig=${sig}`;
      const credential = {
        kind: 'sas',
        input: 'sasToken',
        token,
        starts: undefined,
        expires: undefined,
      } as const;
      assert.equal(await use(readFirst, { credential }), 'the model');
      assert.deepEqual(
        server.requests.map(({ authorization, signature }) => [authorization, signature]),
        [
          [undefined, 'a/b+c='],
          [undefined, 'a/b+c='],
        ],
      );
    });

  it('asks for an access token before each request, so that a long download is not cut off by its end', async () => {
    let tokens = 0;
    const token = async () => `token-${++tokens}`;
    const credential = { kind: 'entra', input: 'azureServiceConnection', token } as const;
    assert.equal(await use(readFirst, { credential }), 'the model');
    assert.deepEqual(
      server.requests.map(({ authorization }) => authorization),
      ['Bearer token-1', 'Bearer token-2'],
    );
  });

  it('asks for another access token after the service turned one away', async () => {
    const asked: (string | undefined)[] = [];
    const token = async (refused?: string) => {
      asked.push(refused);
      return `token-${asked.length}`;
    };
    const credential = { kind: 'entra', input: 'azureServiceConnection', token } as const;
    let refusals = 1;
    server.fault = () => (refusals-- > 0 ? { status: 401, code: 'InvalidAuthenticationInfo' } : undefined);
    await use(
      async (container) => {
        await assert.rejects(readFirst(container), { statusCode: 401 });
        return readFirst(container);
      },
      { credential },
    );
    assert.deepEqual(asked.slice(0, 2), [undefined, 'token-1']);
  });

  const LISTING = '<?xml version="1.0"?><EnumerationResults><Blobs><Blob><Name>1.0.0/model.pkl</Name>';
  type Respond = (response: ServerResponse) => void;
  const strange: [what: string, respond: Respond, fault: object][] = [
    [
      'a page of some proxy',
      (response) => response.end('<html><body>Sign in</body></html>'),
      { name: 'PageError', message: 'a web page came' },
    ],
    [
      'something else in XML',
      (response) => response.end('<?xml version="1.0"?><Error />'),
      { name: 'BrokenAnswerError', message: 'the answer is not a whole listing' },
    ],
    [
      'half a listing',
      (response) => response.end(LISTING),
      { name: 'BrokenAnswerError', message: 'the answer is not a whole listing' },
    ],
    [
      'a listing cut off',
      (response) => response.write(LISTING, () => response.destroy()),
      { name: 'BrokenAnswerError' },
    ],
    [
      'no answer',
      (response) => response.destroy(),
      { name: 'BrokenAnswerError', message: 'the connection broke', code: 'ECONNRESET' },
    ],
    [
      'a refusal without a body',
      (response) => response.writeHead(403, { 'x-ms-error-code': 'AuthenticationFailed' }).end(),
      { name: 'RestError', statusCode: 403, code: 'AuthenticationFailed' },
    ],
    [
      'a gateway that is down',
      (response) => response.writeHead(502).end('<html>Bad gateway</html>'),
      { name: 'RestError', statusCode: 502, code: undefined },
    ],
  ];
  for (const [what, respond, fault] of strange) {
    it(`gives the errors of reads for ${what} to a listing, after one request`, async () => {
      let requests = 0;
      proxy.on('request', (_, response) => {
        requests += 1;
        respond(response);
      });
      await use(
        async (container) => {
          await assert.rejects(container.listBlobs('1.0.0/', undefined, idle), fault);
          await assert.rejects(container.listFolders('', undefined, idle), fault);
        },
        { endpoint: `${proxyUrl()}/${server.account}` },
      );
      assert.equal(requests, 2);
    });
  }

  it('takes each piece of a listing for a sign of life', async () => {
    let signs = 0;
    const watch = {
      signal: idle.signal,
      touch() {
        signs += 1;
      },
    };
    let [pieces, seen] = [0, 0];
    // Each piece is sent when the one before it was seen.
    const before = async () => {
      while (pieces > 0 && signs === seen) await new Promise((resolve) => setImmediate(resolve));
      pieces += 1;
      seen = signs;
    };
    server.fault = () => ({ pieces: 100, before });
    await use((container) => container.listBlobs('1.0.0/', undefined, watch));
    assert.ok(signs >= pieces && pieces > 5, `${signs} signs of ${pieces} pieces`);
  });

  it('goes through the proxy of the agent', async () => {
    const { host } = new URL(server.endpoint);
    assert.deepEqual(await use(readFirst, { agentProxy: proxyUrl() }), 'the model');
    assert.deepEqual(asked, [host]);
    const folders = (container: ModelContainer) =>
      container.listFolders('', undefined, idle).then(({ items }) => items);
    assert.deepEqual(await use(folders, { agentProxy: proxyUrl() }), ['1.0.0']);
    assert.deepEqual(asked, [host, host]);
  });

  it('does not go through a proxy that only the environment names: the agent has its own list of exceptions', async () => {
    const before = process.env.HTTPS_PROXY;
    process.env.HTTPS_PROXY = proxyUrl();
    try {
      assert.deepEqual(await use(names), ['1.0.0/model.pkl']);
      assert.deepEqual(asked, []);
    } finally {
      if (before === undefined) delete process.env.HTTPS_PROXY;
      else process.env.HTTPS_PROXY = before;
    }
  });

  it('asks for smaller pages where a page is larger than there is memory for, and never for an endless one', async () => {
    const counts: (string | null)[] = [];
    let isEndless = false;
    const huge = createServer((request, response) => {
      const count = new URL(request.url!, 'http://a').searchParams.get('maxresults');
      counts.push(count);
      const blob = `<Blob><Name>a</Name><Metadata>${' '.repeat(100_000)}</Metadata></Blob>`;
      const blobs = blob.repeat(count === '500' && !isEndless ? 0 : 300);
      const page = `<EnumerationResults><Blobs>${blobs}</Blobs></EnumerationResults>`;
      response.on('error', () => undefined).end(page);
    });
    await new Promise<void>((resolve) => huge.listen(0, '127.0.0.1', resolve));
    const endpoint = `http://127.0.0.1:${(huge.address() as AddressInfo).port}/models`;
    try {
      const list = () => use((container) => container.listBlobs('', undefined, idle), { endpoint });
      assert.deepEqual((await list()).items, []);
      assert.deepEqual(counts, ['5000', '500']);
      isEndless = true;
      await assert.rejects(list(), (error) => {
        assert.ok(!isTransient(error as Error));
        assert.match(String(error), /the listing is larger than 25/);
        return true;
      });
      assert.equal(counts.length, 4);
    } finally {
      huge.closeAllConnections();
      huge.close();
    }
  });
});
