import assert from 'node:assert/strict';
import { createServer, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { CancelledError } from '../../../tasks/common/errors';
import { ConnectionError, HttpClient } from '../../../tasks/common/http';
import { createLogger } from '../../../tasks/common/log';

describe('HTTP requests', () => {
  let server: Server;
  let url: string;
  let answer: RequestListener;
  let requests: string[];
  let waits: number[];
  let client: HttpClient;
  let lines: string[];
  let cancel: AbortController;

  before(async () => {
    server = createServer((request, response) => {
      requests.push(`${request.method} ${request.url}`);
      answer(request, response);
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  });

  after(() => {
    server.closeAllConnections();
    server.close();
  });

  beforeEach(() => {
    [requests, waits, lines] = [[], [], []];
    cancel = new AbortController();
    client = new HttpClient({
      log: createLogger((line) => lines.push(line)),
      signal: cancel.signal,
      network: { proxyFor: () => undefined, tls: {} },
      userAgent: 'test',
      sleep: async (milliseconds) => void waits.push(milliseconds),
    });
  });

  afterEach(() => client.close());

  /** Answers each request with the next of these, and with 200 after that. */
  function answers(...script: RequestListener[]) {
    answer = (request, response) => (script.shift() ?? ((_, r) => r.end('fine')))(request, response);
  }
  const status =
    (code: number, headers = {}): RequestListener =>
    (_, response) =>
      response.writeHead(code, headers).end();

  for (const code of [408, 429, 500, 502, 503, 504]) {
    it(`are tried again after ${code}`, async () => {
      answers(status(code));
      const result = await client.send({ method: 'GET', url: `${url}/a` });
      assert.equal(result.body.toString(), 'fine');
      assert.equal(requests.length, 2);
      assert.match(lines.join('\n'), new RegExp(`HTTP ${code}. Trying again in`));
    });
  }

  for (const code of [400, 401, 403, 404, 409, 412, 501]) {
    it(`are not tried again after ${code}`, async () => {
      answers(status(code));
      assert.equal((await client.send({ method: 'GET', url })).status, code);
      assert.equal(requests.length, 1);
    });
  }

  it('that change something are not repeated unless told that it is safe', async () => {
    answers(status(503), status(503));
    assert.equal((await client.send({ method: 'POST', url })).status, 503);
    assert.equal(requests.length, 1);
    assert.equal((await client.send({ method: 'POST', url, repeatable: true })).status, 200);
    assert.equal(requests.length, 3);
  });

  it('that change something are repeated after 429, which says that nothing was done', async () => {
    answers(status(429));
    const result = await client.send({ method: 'POST', url: `${url}/a`, body: '{}' });
    assert.equal(result.body.toString(), 'fine');
    assert.deepEqual(requests, ['POST /a', 'POST /a']);
  });

  it('wait as long as the server asks', async () => {
    answers(status(429, { 'Retry-After': '7' }));
    await client.send({ method: 'GET', url });
    assert.deepEqual(waits, [7000]);
  });

  it('survive a connection that breaks before the answer, and in its body', async () => {
    answers(
      (request) => request.socket.destroy(),
      (request, response) => {
        response.writeHead(200, { 'Content-Length': '100' });
        response.write('half', () => request.socket.destroy());
      },
    );
    assert.equal((await client.send({ method: 'GET', url })).body.toString(), 'fine');
    assert.equal(requests.length, 3);
  });

  it('give up on a silent server, saying so', async () => {
    answer = () => undefined;
    const request = client.send({
      method: 'GET',
      url,
      idleTimeout: 20,
      retry: { maxTries: 2, forMilliseconds: 60_000 },
    });
    await assert.rejects(request, (error: Error) => {
      assert.ok(error instanceof ConnectionError);
      assert.match(
        error.message,
        /^No connection to 127\.0\.0\.1:\d+ after 2 tries: no answer within 0\.02 s/,
      );
      return true;
    });
  });

  it('fail at once for a host that does not exist', async () => {
    await assert.rejects(
      client.send({ method: 'GET', url: 'http://no-such-host.invalid/' }),
      /no such host. Check the name/,
    );
    assert.deepEqual(waits, []);
  });

  it('end with the last answer when the server never recovers', async () => {
    answer = status(503);
    assert.equal((await client.send({ method: 'GET', url })).status, 503);
    assert.equal(requests.length, 5);
  });

  it('stop when the step is cancelled', async () => {
    answer = () => cancel.abort();
    await assert.rejects(client.send({ method: 'GET', url }), CancelledError);
  });

  it('keep queries, which may hold signatures, out of the log', async () => {
    answers(status(503));
    await client.send({ method: 'GET', url: `${url}/blob?sig=secret-signature` });
    assert.doesNotMatch(lines.join('\n'), /secret-signature/);
  });

  it('do not follow redirects', async () => {
    answers(status(302, { Location: 'https://elsewhere.example/login.html' }));
    const result = await client.send({ method: 'GET', url });
    assert.equal(result.status, 302);
    assert.equal(result.headers.get('location'), 'https://elsewhere.example/login.html');
  });

  it('go through the proxy of the agent', async () => {
    const targets: string[] = [];
    const proxy = createServer().on('connect', (request, socket) => {
      targets.push(request.url!);
      socket.end('HTTP/1.1 200 OK\r\n\r\n');
    });
    await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve));
    const { port } = proxy.address() as AddressInfo;
    const proxied = new HttpClient({
      log: createLogger(() => undefined),
      signal: cancel.signal,
      network: { proxyFor: () => `http://127.0.0.1:${port}`, tls: {} },
      userAgent: 'test',
      retry: { maxTries: 1, forMilliseconds: 0 },
    });
    await assert.rejects(proxied.send({ method: 'GET', url: 'https://workspace.example/api' }));
    assert.deepEqual(targets, ['workspace.example:443']);
    proxy.closeAllConnections();
    proxy.close();
  });
});
