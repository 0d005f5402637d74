import assert from 'node:assert/strict';
import { createServer, type RequestListener, type Server } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import { type AddressInfo, connect, type Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { proxyRules } from '../../../../../tasks/common/proxy';
import { stoppedBy } from '../../../../../tasks/ModelRegistryDownload/registry/http/answer';
import { Connections } from '../../../../../tasks/ModelRegistryDownload/registry/http/connections';
import { makeCertificate } from '../../../../support/certificate';

describe('connections to the service', () => {
  const { certificate, pem } = makeCertificate('localhost');
  let server: Server;
  let connections: Connections;
  let sockets: Set<Duplex>;
  let respond: RequestListener;

  beforeEach(() => {
    sockets = new Set();
    respond = (request, response) => response.end(request.url);
  });

  afterEach(() => stop(server));

  async function stop(started: Server): Promise<void> {
    connections.close();
    for (const socket of sockets) socket.destroy();
    await new Promise((resolve) => started.close(resolve));
  }

  async function listen(started: Server): Promise<number> {
    started.on('connection', (socket: Socket) => sockets.add(socket));
    started.on('secureConnection', (socket: Socket) => sockets.add(socket));
    await new Promise<void>((resolve) => started.listen(0, '127.0.0.1', resolve));
    return (started.address() as AddressInfo).port;
  }

  async function open({ secure = false, ca = [certificate], proxy }: Options = {}): Promise<void> {
    server = secure
      ? createTlsServer({ key: pem, cert: certificate }, (...pair) => respond(...pair))
      : createServer((...pair) => respond(...pair));
    const port = await listen(server);
    const url = new URL(secure ? `https://localhost:${port}` : `http://127.0.0.1:${port}`);
    connections = new Connections(url, {
      proxyFor: proxyRules(proxy ? { url: proxy, bypass: [] } : undefined, {}),
      tls: secure ? { ca } : {},
    });
  }

  async function get(path: string, signal: AbortSignal = new AbortController().signal): Promise<string> {
    let text = '';
    const take = (piece: Buffer) => {
      text += piece.toString();
    };
    const request = { method: 'GET', path, headers: { 'x-test': '1' } } as const;
    await stoppedBy(signal, (stop) => connections.send(request, { begin() {}, take }, stop));
    return text;
  }

  it('are used again, one request at a time', async () => {
    await open();
    for (const path of ['/a', '/b', '/c']) assert.equal(await get(path), path);
    assert.equal(sockets.size, 1);
    assert.deepEqual(await Promise.all([get('/d'), get('/e')]), ['/d', '/e']);
    assert.equal(sockets.size, 2);
  });

  it('are used again after a refusal', async () => {
    await open();
    respond = (_, response) => response.writeHead(503).end('busy');
    await assert.rejects(get('/a'), { name: 'RestError', statusCode: 503 });
    await assert.rejects(get('/b'), { name: 'RestError', statusCode: 503 });
    assert.equal(sockets.size, 1);
  });

  it('are replaced when the service has closed them meanwhile', async () => {
    await open();
    await get('/a');
    let requests = 0;
    respond = (request, response) => {
      requests += 1;
      if (requests === 1) request.socket.destroy();
      else response.end(request.url);
    };
    assert.equal(await get('/b'), '/b');
    assert.equal(sockets.size, 2);
  });

  it('that break before any answer are an error when they are new', async () => {
    await open();
    respond = (request) => request.socket.destroy();
    await assert.rejects(get('/a'), { name: 'BrokenAnswerError', code: 'ECONNRESET' });
  });

  it('end with a request that is given up, and are not used again', async () => {
    await open();
    const stop = new AbortController();
    respond = (_, response) => {
      response.writeHead(200, { 'Content-Length': 100 }).write('half');
      stop.abort();
    };
    await assert.rejects(get('/a', stop.signal), /given up/);
    await assert.rejects(get('/a', stop.signal), /given up/);
    respond = (request, response) => response.end(request.url);
    assert.equal(await get('/b'), '/b');
    assert.equal(sockets.size, 2);
  });

  it('that nobody listens at are refused', async () => {
    await open();
    await stop(server);
    await assert.rejects(get('/a'), { name: 'BrokenAnswerError', code: 'ECONNREFUSED' });
  });

  it('are encrypted, and bring more than one buffer holds', async () => {
    await open({ secure: true });
    respond = (_, response) => response.end('x'.repeat(300_000));
    assert.equal((await get('/a')).length, 300_000);
    assert.equal((await get('/b')).length, 300_000);
  });

  it('bring all that came before they broke', async () => {
    await open({ secure: true });
    const length = 3 * 16 * 1024;
    respond = (request, response) => {
      response.writeHead(200, { 'Content-Length': length + 1 }).flushHeaders();
      response.write('x'.repeat(length), () => request.socket.end());
    };
    let received = 0;
    const take = (piece: Buffer) => {
      received += piece.length;
    };
    const request = { method: 'GET', path: '/a', headers: {} } as const;
    const stop = { stopped: false, onStop: undefined };
    await assert.rejects(connections.send(request, { begin() {}, take }, stop), {
      name: 'BrokenAnswerError',
      code: 'ECONNRESET',
    });
    assert.equal(received, length);
  });

  it('trust only whom the agent trusts', async () => {
    await open({ secure: true, ca: [] });
    await assert.rejects(get('/a'), { name: 'BrokenAnswerError', code: 'DEPTH_ZERO_SELF_SIGNED_CERT' });
  });

  describe('by way of a proxy', () => {
    let proxy: Server;
    let asked: (string | undefined)[];
    let answer: string;

    beforeEach(() => {
      asked = [];
      answer = 'HTTP/1.1 200 Connection established\r\n\r\n';
      proxy = createServer().on('connect', (request, socket) => {
        asked.push(request.url, request.headers['proxy-authorization']);
        sockets.add(socket);
        const [host, port] = request.url!.split(':');
        const target = connect(Number(port), host, () => {
          socket.write(answer);
          socket.pipe(target).pipe(socket);
        });
        sockets.add(target);
        for (const end of [socket, target]) end.on('error', () => {});
      });
    });

    afterEach(() => stop(proxy));

    for (const secure of [false, true]) {
      it(`go on ${secure ? 'encrypted' : 'in the clear'}, with its password`, async () => {
        const port = await listen(proxy);
        await open({ secure, proxy: `http://user:pass%21@127.0.0.1:${port}` });
        assert.equal(await get('/a'), '/a');
        assert.equal(await get('/b'), '/b');
        const basic = `Basic ${Buffer.from('user:pass!').toString('base64')}`;
        const { port: target } = server.address() as AddressInfo;
        assert.deepEqual(asked, [`${secure ? 'localhost' : '127.0.0.1'}:${target}`, basic]);
      });
    }

    it('say what it answered when it does not let them through', async () => {
      answer = 'HTTP/1.1 407 Proxy Authentication Required\r\n\r\n';
      const port = await listen(proxy);
      await open({ proxy: `http://127.0.0.1:${port}` });
      await assert.rejects(get('/a'), {
        name: 'BrokenAnswerError',
        code: 'ERR_PROXY_DENIED',
        message:
          /^the agent's proxy, 127\.0\.0\.1:\d+, does not let this agent in \(HTTP 407\)\. Give the agent a user/,
      });
    });
  });
});

interface Options {
  readonly secure?: boolean;
  readonly ca?: string[];
  readonly proxy?: string;
}
