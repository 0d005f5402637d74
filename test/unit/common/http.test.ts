import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type RequestListener, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Readable } from 'node:stream';
import { brotliCompressSync, constants, deflateSync, gzipSync } from 'node:zlib';
import sinon from 'sinon';
import { CancelledError } from '../../../tasks/common/errors';
import { ConnectionError, HttpClient } from '../../../tasks/common/http';
import { ANSWER_LIMITS } from '../../../tasks/common/limits';
import { createLogger } from '../../../tasks/common/log';
import { proxyRules } from '../../../tasks/common/proxy';
import { ONE_TRY } from '../../../tasks/common/retry';

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
      assert.match(lines.join('\n'), new RegExp(`HTTP ${code}. Trying again for up to 5 min`));
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
      retry: { forMilliseconds: 10_000 },
    });
    await assert.rejects(request, (error: Error) => {
      assert.ok(error instanceof ConnectionError);
      assert.match(
        error.message,
        /^No connection to 127\.0\.0\.1:\d+ after \d+ tries in \d+ s: no answer within 0\.02 s/,
      );
      return true;
    });
  });

  const useless: [what: string, answer: RequestListener, reason: RegExp][] = [
    [
      'breaks in its body',
      (request, response) => {
        response.writeHead(200, { 'Content-Length': '100' });
        response.write('half', () => request.socket.destroy());
      },
      /aborted|Premature close/i,
    ],
    [
      'stops in its body',
      (_, response) => void response.writeHead(200, { 'Content-Length': '100' }).write('half'),
      /the answer stopped, and nothing came for 3 s/,
    ],
    [
      'is not packed as it says',
      (_, response) => response.writeHead(200, { 'Content-Encoding': 'gzip' }).end('plain'),
      /incorrect header check/,
    ],
    ['is no HTTP', (request) => void request.socket.end('SSH-2.0-OpenSSH\r\n\r\n'), /Parse Error/],
  ];
  for (const [what, listener, reason] of useless) {
    it(`tell an answer that ${what} from a connection that failed`, async () => {
      answer = listener;
      const request = { method: 'GET', url, idleTimeout: 3_000, retry: ONE_TRY } as const;
      await assert.rejects(client.send(request), (error: Error) => {
        assert.ok(error instanceof ConnectionError);
        assert.match(error.message, /^No usable answer from 127\.0\.0\.1:\d+: /);
        assert.match(error.message, reason);
        assert.doesNotMatch(error.message, /http:/);
        return true;
      });
    });
  }

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
    const waited = waits.reduce((sum, wait) => sum + wait);
    assert.ok(waited > 240_000 && waited <= 300_000, `${waited} ms`);
  });

  for (const request of [{ method: 'GET' }, { method: 'PUT', body: Buffer.from('a manifest') }] as const) {
    it(`stop when the step is cancelled before they are on their way: ${request.method}`, async () => {
      let closed: Promise<unknown> | undefined;
      answer = (request) => {
        closed = once(request, 'close');
      };
      const sent = client.send({ ...request, url });
      cancel.abort();
      await assert.rejects(sent, CancelledError);
      await closed;
    });
  }

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

  it('tell when a server begins to fail and when it serves again, once, and the rest only to who debugs', async () => {
    answers(...Array.from({ length: 6 }, () => status(503)));
    const send = () => client.send({ method: 'GET', url: `${url}/a` });
    await Promise.all([send(), send(), send()]);
    const shown = lines.filter((line) => !line.startsWith('##vso[task.debug]'));
    assert.equal(shown.length, 2, shown.join('\n'));
    assert.match(shown[0]!, /^GET http:\/\/\S+\/a: HTTP 503\. Trying again for up to 5 min/);
    assert.match(shown[1]!, /^127\.0\.0\.1:\d+ answers again, after 6 failed requests in [\d.]+ s\.$/);
    assert.equal(lines.filter((line) => /Trying again in/.test(line)).length, 6);
  });

  it('tell when a server did not recover', async () => {
    answer = status(503);
    await client.send({ method: 'GET', url: `${url}/a` });
    assert.match(
      lines.filter((line) => !line.startsWith('##vso[task.debug]')).at(-1)!,
      /HTTP 503 after \d+ tries in 5 min/,
    );
  });

  it('give up a body of which next to nothing goes, as after silence', async () => {
    answer = (request, response) => request.resume().on('end', () => response.end());
    const drip = () => Readable.from(trickle(), { objectMode: false });
    let time: NodeJS.Timeout | undefined;
    async function* trickle() {
      for (;;) {
        yield Buffer.from('a');
        await new Promise((resolve) => {
          time = setTimeout(resolve, 5);
        });
      }
    }
    const request = { method: 'PATCH', url, body: drip, idleTimeout: 200 } as const;
    await assert.rejects(client.send(request), /no answer within 0\.2 s/);
    clearTimeout(time);
  });

  describe('of hostile servers', () => {
    const zeros = Buffer.alloc(64 * 1024 * 1024);
    const gzipped = gzipSync(zeros);

    it('refuse an answer that is larger than what was asked for can be, at once', async () => {
      answers(
        ...Array.from(
          { length: 9 },
          (): RequestListener => (_, response) => response.end(Buffer.alloc(5_000_000)),
        ),
      );
      await assert.rejects(
        client.send({ method: 'GET', url }),
        /No usable answer from 127\S+: the answer is larger than 4\.2 MB/,
      );
      assert.equal(requests.length, 1);
    });

    it('take a larger one where it was asked for', async () => {
      answers((_, response) => response.end(Buffer.alloc(5_000_000)));
      assert.equal((await client.send({ method: 'GET', url, answer: 'blob' })).body.length, 5_000_000);
    });

    const fast = { params: { [constants.BROTLI_PARAM_QUALITY]: 1 } };
    for (const [encoding, pack] of Object.entries({
      gzip: () => gzipped,
      deflate: () => deflateSync(zeros),
      br: () => brotliCompressSync(zeros, fast),
    })) {
      it(`count what ${encoding} unpacks to`, async () => {
        const packed = pack();
        answers((_, response) => response.writeHead(200, { 'Content-Encoding': encoding }).end(packed));
        const before = process.memoryUsage().arrayBuffers;
        await assert.rejects(client.send({ method: 'GET', url }), /larger than 4\.2 MB/);
        assert.ok(process.memoryUsage().arrayBuffers - before < 40_000_000);
      });
    }

    it('read of a refusal as much as is worth reading', async () => {
      answers((_, response) => response.writeHead(403, { 'Content-Encoding': 'gzip' }).end(gzipped));
      const result = await client.send({ method: 'GET', url });
      assert.equal(result.status, 403);
      assert.equal(result.body.length, ANSWER_LIMITS.refusal.bytes);
    });

    it('end an answer that comes a byte at a time', async () => {
      const clock = sinon.useFakeTimers({ toFake: ['performance'] });
      const drip: RequestListener = (_, response) => {
        response.write('a');
        const timer = setInterval(() => {
          clock.tick(20_000);
          response.write('a');
        }, 1);
        response.on('close', () => clearInterval(timer));
      };
      try {
        answers(drip, drip, drip, drip, drip, drip, drip, drip);
        await assert.rejects(client.send({ method: 'GET', url }), /the answer did not end within 1 min/);
        assert.ok(requests.length > 1 && requests.length < 8);
      } finally {
        clock.restore();
      }
    });

    it('keep addresses with their signatures out of errors', async () => {
      answer = (request) => request.socket.destroy();
      const broken = (_: unknown, response: ServerResponse) => {
        response.writeHead(200, { 'Content-Encoding': 'gzip' }).end('no gzip');
      };
      for (const one of [answer, broken]) {
        answer = one;
        await assert.rejects(
          client.send({ method: 'GET', url: `${url}/?sig=secret-signature` }),
          (error: Error) => {
            assert.doesNotMatch(`${error.message}${lines.join()}`, /secret-signature/);
            return true;
          },
        );
      }
    });
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
      network: { proxyFor: proxyRules({ url: `http://127.0.0.1:${port}`, bypass: [] }, {}), tls: {} },
      userAgent: 'test',
      retry: ONE_TRY,
    });
    await assert.rejects(proxied.send({ method: 'GET', url: 'https://workspace.example/api' }));
    assert.deepEqual(targets, ['workspace.example:443']);
    proxy.closeAllConnections();
    proxy.close();
  });
});
