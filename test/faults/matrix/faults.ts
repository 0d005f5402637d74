import { gzipSync } from 'node:zlib';
import { type Fault, headOf, type Reply, write } from './relay';
import { TLS_FAULTS } from './tls';

const PASSING_STATUSES = [408, 429, 500, 502, 503, 504];
const OTHER_STATUSES = [400, 401, 403, 404, 405, 409, 410, 412, 413, 416, 418, 421, 501, 505, 507];

const DAY = 86_400_000;
const RETRY_AFTER = {
  zero: '0',
  'a second': '1',
  'half a second': '0.5',
  'a negative number': '-5',
  'thirty years': '1e9',
  'no number': 'soon',
  nothing: '',
  'a date just past': new Date(Date.now() - 1_000).toUTCString(),
  'a date far past': new Date(0).toUTCString(),
  'a date soon': new Date(Date.now() + 5_000).toUTCString(),
  'a date next year': new Date(Date.now() + 365 * DAY).toUTCString(),
  'two values': '1, 2',
};

/** What stands where JSON, XML or a page of a list should. */
const BODIES: Record<string, () => Buffer> = {
  null: () => Buffer.from('null'),
  nothing: () => Buffer.alloc(0),
  'a page of HTML': () =>
    Buffer.from(`<!DOCTYPE html><html><title>Sign in</title>${'<p>Sign in</p>'.repeat(50)}</html>`),
  'many angles': () => Buffer.from('<'.repeat(200_000)),
  'a list': () => Buffer.from('[]'),
  'a list of null': () => Buffer.from('[null]'),
  'a text': () => Buffer.from('"text"'),
  'a number': () => Buffer.from('17'),
  'an empty object': () => Buffer.from('{}'),
  'an object of null': () =>
    Buffer.from(
      JSON.stringify(
        Object.fromEntries(
          [
            'jobs',
            'job_id',
            'run_id',
            'state',
            'tasks',
            'runs',
            'access_token',
            'token',
            'tag',
            'config',
            'layers',
            'settings',
          ].map((name) => [name, null]),
        ),
      ),
    ),
  'half of it': () => Buffer.from('{"jobs": [{"job_id": 12, "settings'),
  'more than it may be': () => Buffer.alloc(5_000_000, ' '),
  'a bomb': () => Buffer.alloc(40_000_000),
  'brackets within brackets': () => Buffer.from('['.repeat(100_000) + ']'.repeat(100_000)),
  'bytes that are no text': () => Buffer.from(Array.from({ length: 256 }, (_, byte) => 255 - byte)),
};

const BOMB = gzipSync(Buffer.alloc(40_000_000));

/** What a message must not be able to do, and what it must not repeat. */
export const INJECTION =
  '##vso[task.setvariable variable=injected]yes\n##vso[task.complete result=Succeeded]\u001b[31m';

function fault(name: string, passes: boolean, answer: Fault['answer'], isCarriedOut = false): Fault {
  return { name, passes, isCarriedOut, isSilent: name.startsWith('silence'), answer };
}

const faults: Fault[] = [
  ...PASSING_STATUSES.map((status) => fault(`HTTP ${status}`, true, ({ send }) => send({ status }))),
  ...OTHER_STATUSES.map((status) => fault(`HTTP ${status}`, false, ({ send }) => send({ status }))),
  ...Object.entries(RETRY_AFTER).map(([name, value]) =>
    fault(`503 and Retry-After of ${name}`, true, ({ send }) =>
      send({ status: 503, headers: { 'Retry-After': value } }),
    ),
  ),
  ...Object.entries(BODIES).map(([name, body]) =>
    fault(`${name} as the answer`, false, ({ send }) =>
      name === 'a bomb'
        ? send({ headers: { 'content-encoding': 'gzip' }, body: BOMB })
        : send({ body: body() }),
    ),
  ),
  fault('a refusal that repeats what was sent, and gives orders', false, ({ asked, send }) => {
    const words = `${INJECTION} ${asked}`;
    send({
      status: 403,
      body: Buffer.from(
        JSON.stringify({ error_code: 'NO', message: words, errors: [{ code: 'DENIED', message: words }] }),
      ),
    });
  }),
  fault('a page that repeats what was sent, and gives orders', false, ({ asked, send }) =>
    send({ status: 400, body: Buffer.from(`<html><title>${INJECTION}</title><pre>${asked}</pre></html>`) }),
  ),

  fault('a connection that is closed', true, ({ socket }) => socket.end()),
  fault('a connection that is reset', true, ({ socket }) => socket.resetAndDestroy()),
  fault('a head that breaks off', true, ({ socket }) => socket.end('HTTP/1.1 200 O')),
  fault('headers that break off', true, ({ socket }) => socket.end('HTTP/1.1 200 OK\r\nContent-Le')),
  fault('silence', true, () => undefined),
  fault(
    'silence after the headers',
    true,
    ({ socket }) => void socket.write('HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n'),
  ),
  fault('what is no HTTP', true, ({ socket }) => socket.end('220 mail.example ESMTP\r\n')),
  fault('headers without end', true, ({ socket }) => {
    socket.end(`HTTP/1.1 200 OK\r\n${'X-Padding: none\r\n'.repeat(20_000)}\r\n`);
  }),

  fault('an answer that is lost', true, ({ socket }) => socket.resetAndDestroy(), true),
  fault('a 503 after it was done', true, ({ send }) => send({ status: 503 }), true),
  fault('a 504 after it was done', true, ({ send }) => send({ status: 504 }), true),
  fault(
    'an answer that breaks off',
    true,
    ({ socket, real }) => {
      const { status, headers, body } = real;
      socket.write(`${headOf(status, { ...headers, 'content-length': String(body.length + 1) })}\r\n\r\n`);
      socket.end(body.subarray(0, body.length / 2));
    },
    true,
  ),
  fault(
    'an answer with less than it says',
    true,
    ({ socket, real }) => {
      const { status, headers, body } = real;
      socket.end(
        Buffer.concat([
          Buffer.from(`${headOf(status, { ...headers, 'content-length': String(body.length + 7) })}\r\n\r\n`),
          body,
        ]),
      );
    },
    true,
  ),
  fault('an answer byte by byte', true, drip, true),
  fault(
    // Whoever has to know where an answer ends may refuse it.
    'an answer that ends with its connection',
    false,
    ({ socket, real: { status, headers, body } }) => {
      const { 'content-length': _, ...rest } = headers;
      socket.end(
        Buffer.concat([Buffer.from(`${headOf(status, { ...rest, connection: 'close' })}\r\n\r\n`), body]),
      );
    },
    true,
  ),
  fault(
    'an answer in chunks',
    true,
    ({ socket, real: { status, headers, body } }) => {
      const { 'content-length': _, ...rest } = headers;
      socket.write(`${headOf(status, { ...rest, 'transfer-encoding': 'chunked' })}\r\n\r\n`);
      const chunk =
        body.length > 0 && status !== 204
          ? [Buffer.from(`${body.length.toString(16)}\r\n`), body, Buffer.from('\r\n')]
          : [];
      socket.write(Buffer.concat([...chunk, Buffer.from('0\r\n\r\n')]));
    },
    true,
  ),
  fault(
    'an answer after one that only announces it',
    true,
    ({ socket, real }) => {
      socket.write('HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n');
      write(socket, real);
    },
    true,
  ),
  fault(
    'a flipped bit',
    false,
    ({ send, real }) => {
      const body = Buffer.from(real.body);
      if (body.length > 0) body[body.length >> 1]! ^= 1;
      send({ ...real, body });
    },
    true,
  ),
  fault(
    'gzip that is none',
    false,
    ({ send, real }) => send({ ...real, headers: { ...real.headers, 'content-encoding': 'gzip' } }),
    true,
  ),

  ...[301, 302, 303, 307, 308].map((status) =>
    fault(`${status} to elsewhere`, false, ({ send, elsewhere }) =>
      send({ status, headers: { location: `${elsewhere}/a` } }),
    ),
  ),
  fault('302 to nowhere', false, ({ send }) => send({ status: 302 })),
  fault('302 to what is no address', false, ({ send }) =>
    send({ status: 302, headers: { location: 'http://[' } }),
  ),
  fault('a realm elsewhere', false, ({ send, elsewhere }) =>
    send({ status: 401, headers: { 'www-authenticate': `Bearer realm="${elsewhere}/token",service="s"` } }),
  ),
  fault('a wish for a password', false, ({ send }) =>
    send({ status: 401, headers: { 'www-authenticate': 'Basic realm="x"' } }),
  ),
  fault('a challenge that is none', false, ({ send }) =>
    send({ status: 401, headers: { 'www-authenticate': 'Bearer realm=' } }),
  ),
  fault(
    'a place elsewhere to go on',
    false,
    ({ send, real, elsewhere }) =>
      send({ ...real, headers: { ...real.headers, location: `${elsewhere}/v2/a/blobs/uploads/1` } }),
    true,
  ),
  fault(
    'a place to go on that is no address',
    false,
    ({ send, real }) => send({ ...real, headers: { ...real.headers, location: 'http://[' } }),
    true,
  ),
];

async function drip({ socket, real: { status, headers, body } }: Reply): Promise<void> {
  socket.setNoDelay(true);
  const head = Buffer.from(
    `${headOf(status, { 'content-length': String(body.length), ...headers })}\r\n\r\n`,
  );
  const step = Math.max(1, Math.ceil(body.length / 100));
  socket.write(head.subarray(0, 9));
  socket.write(head.subarray(9));
  for (let at = 0; at < body.length && !socket.destroyed; at += step) {
    socket.write(body.subarray(at, at + step));
    await new Promise(setImmediate);
  }
}

export const FAULTS: readonly Fault[] = [
  ...faults,
  ...TLS_FAULTS.map((one) => ({ isSilent: false, isCarriedOut: false, answer: () => undefined, ...one })),
];
