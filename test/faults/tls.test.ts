import assert from 'node:assert/strict';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { explainConnectionError } from '../../tasks/common/connection';
import { HttpClient } from '../../tasks/common/http';
import { createLogger } from '../../tasks/common/log';
import { openContainer } from '../../tasks/ModelRegistryDownload/registry/client';
import { isTransient } from '../../tasks/ModelRegistryDownload/registry/errors';
import { AUTHORITY, TLS_FAULTS } from './matrix/tls';

/** What is said of a fault that does not pass. */
const WORDS: Readonly<Record<string, RegExp>> = {
  'TLS: a certificate of an authority that is not known': /not trusted \(UNABLE_TO\w+\).*--sslcacert/,
  'TLS: a certificate that has expired': /not valid at this time \(CERT_HAS_EXPIRED\)/,
  'TLS: the certificate of another host': /for another host \(ERR_TLS_CERT_ALTNAME_INVALID\)/,
  'TLS: a wish for a client certificate': /refused the TLS connection \(ERR_SSL\w+\).*--sslclientcert/,
  'TLS: a protocol of old': /no version of TLS that is safe \(ERR_SSL\w*PROTOCOL\w*\)/,
  'TLS: plain HTTP in its place': /does not speak TLS \(ERR_SSL\w+\)/,
};

/** Time enough for some tries, of which none is to be made. */
const RETRY = { forMilliseconds: 3_000 };

describe('a connection that can not be made for TLS', () => {
  let server: Server;
  let connections: number;
  let meet: (socket: Socket) => void;
  const sockets = new Set<Socket>();
  const { signal } = new AbortController();
  const network = { proxyFor: () => undefined, tls: { ca: [AUTHORITY] } };

  before(async () => {
    server = createServer((socket) => {
      connections += 1;
      sockets.add(socket);
      meet(socket.on('error', () => undefined));
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  });

  beforeEach(() => {
    connections = 0;
  });

  after(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });

  async function send(method: 'GET' | 'POST'): Promise<unknown> {
    const { port } = server.address() as AddressInfo;
    const log = createLogger(() => undefined);
    const http = new HttpClient({ log, signal, network, userAgent: 'test', retry: RETRY });
    const body = method === 'POST' ? 'x'.repeat(100_000) : undefined;
    try {
      return await http.send({
        ...{ method, url: `https://localhost:${port}/`, repeatable: true },
        ...(body && { body }),
      });
    } finally {
      http.close();
    }
  }

  async function list(): Promise<unknown> {
    const { port } = server.address() as AddressInfo;
    const container = openContainer({
      ...{
        account: 'models',
        credential: { kind: 'anonymous', input: 'authType' } as const,
        container: 'titanic',
        network,
      },
      endpoint: `https://localhost:${port}/models`,
    });
    try {
      return await container.listBlobs('1', undefined, { signal, touch() {} });
    } finally {
      container.close();
    }
  }

  for (const { name, meet: fault } of TLS_FAULTS) {
    const words = WORDS[name];
    if (!words) continue;
    for (const [what, ask] of [
      ['a request', () => send('GET')],
      ['a request with a body', () => send('POST')],
    ] as const) {
      it(`is given up at once, with the reason: ${name}, ${what}`, async () => {
        meet = fault;
        await assert.rejects(ask(), words);
        assert.equal(connections, 1);
      });
    }

    it(`is told with the reason: ${name}, a listing`, async () => {
      meet = fault;
      await assert.rejects(list(), (error) => {
        assert.ok(!isTransient(error as Error), String(error));
        assert.match(explainConnectionError(error as Error), words);
        return true;
      });
    });
  }
});
