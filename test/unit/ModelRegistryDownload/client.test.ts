import assert from 'node:assert/strict';
import { createServer, type Server } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import type { Duplex } from 'node:stream';
import { openContainer } from '../../../tasks/ModelRegistryDownload/registry/client';
import { BlobServer } from '../../support/blob-server';

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

  const proxyUrl = () => `http://127.0.0.1:${(proxy.address() as AddressInfo).port}`;

  async function listThrough(agentProxy: string | undefined): Promise<string[]> {
    const container = openContainer({
      account: server.account,
      key: server.key,
      endpoint: server.endpoint,
      container: 'titanic',
      network: { proxyFor: () => agentProxy, tls: {} },
    });
    try {
      const page = await container.listBlobs('1.0.0/', undefined, new AbortController().signal);
      return page.items.map(({ name }) => name);
    } finally {
      container.close();
    }
  }

  it('goes through the proxy of the agent', async () => {
    assert.deepEqual(await listThrough(proxyUrl()), ['1.0.0/model.pkl']);
    assert.deepEqual(asked, [new URL(server.endpoint).host]);
  });

  it('does not go through a proxy that only the environment names: the agent has its own list of exceptions', async () => {
    const before = process.env.HTTPS_PROXY;
    process.env.HTTPS_PROXY = proxyUrl();
    try {
      assert.deepEqual(await listThrough(undefined), ['1.0.0/model.pkl']);
      assert.deepEqual(asked, []);
    } finally {
      if (before === undefined) delete process.env.HTTPS_PROXY;
      else process.env.HTTPS_PROXY = before;
    }
  });
});
