import assert from 'node:assert/strict';
import { RestError } from '../../../../../tasks/ModelRegistryDownload/registry/errors';
import { AnswerReader } from '../../../../../tasks/ModelRegistryDownload/registry/http/answer';

describe('an answer of the service', () => {
  /** Reads what a connection brings, in pieces of some bytes, and tells what became of it. */
  function read(text: string, pieceSize = text.length) {
    const events: string[] = [];
    let body = '';
    const reader = new AnswerReader({
      begin: ({ status, headers }) => events.push(`${status} ${headers.get('etag')}`),
      take(piece) {
        body += piece.toString('latin1');
      },
    });
    let isWhole = false;
    // One buffer for all pieces, as connections have it: nothing may hold on to a piece.
    const buffer = Buffer.alloc(pieceSize);
    for (let at = 0; at < text.length; at += pieceSize) {
      const length = buffer.write(text.slice(at, at + pieceSize), 'latin1');
      isWhole = reader.read(buffer.subarray(0, length));
    }
    return { events, body, isWhole, reader };
  }

  const answers: [what: string, text: string, body: string][] = [
    ['with a length', 'HTTP/1.1 206 Partial\r\nContent-Length: 5\r\nETag: "1"\r\n\r\nmodel', 'model'],
    ['of nothing', 'HTTP/1.1 200 OK\r\nContent-Length: 0\r\nETag: "1"\r\n\r\n', ''],
    [
      'in chunks',
      'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\netag: "1"\r\n\r\n3\r\nmod\r\nA;x=1\r\nel\r\n123456\r\n0\r\nTrailer: x\r\n\r\n',
      'model\r\n123456',
    ],
    [
      'after one that only announces it',
      'HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200\r\nCONTENT-LENGTH:5\r\nETag: "1"\r\n\r\nmodel',
      'model',
    ],
  ];
  for (const [what, text, body] of answers) {
    for (const pieceSize of [1, 2, 7, text.length]) {
      it(`${what} is read in pieces of ${pieceSize}`, () => {
        const answer = read(text, pieceSize);
        assert.equal(answer.body, body);
        assert.ok(answer.isWhole);
        assert.ok(answer.reader.leavesOpen);
        assert.match(answer.events.join(), /^20\d "1"$/);
      });
    }
  }

  it('is not whole before its last byte', () => {
    for (const text of [
      'HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nmode',
      'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nmodel\r\n0\r\n',
    ]) {
      const { isWhole, reader } = read(text);
      assert.ok(!isWhole);
      assert.match(reader.end().message, /the connection broke/);
    }
  });

  it('ends its connection where it says so', () => {
    const { reader } = read('HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 1\r\n\r\nx');
    assert.ok(!reader.leavesOpen);
  });

  const REFUSAL = '<Error><Code>ServerBusy</Code><Message>Not now.</Message></Error>';
  const refusals: [how: string, text: string, leavesOpen: boolean][] = [
    ['with a length', `Content-Length: ${REFUSAL.length}\r\n\r\n${REFUSAL}`, true],
    [
      'in chunks',
      `Transfer-Encoding: chunked\r\n\r\n${REFUSAL.length.toString(16)}\r\n${REFUSAL}\r\n0\r\n\r\n`,
      true,
    ],
  ];
  for (const [how, text, leavesOpen] of refusals) {
    it(`that refuses, ${how}, is an error with the service's code`, () => {
      const reader = new AnswerReader({ begin: () => assert.fail(), take: () => assert.fail() });
      assert.throws(
        () => reader.read(Buffer.from(`HTTP/1.1 503 Busy\r\nRetry-After: 7\r\n${text}`)),
        (error) => {
          assert.ok(error instanceof RestError);
          const { statusCode, code, message, headers } = error;
          assert.deepEqual(
            [statusCode, code, message, headers.get('retry-after')],
            [503, 'ServerBusy', 'Not now.', '7'],
          );
          return true;
        },
      );
      assert.equal(reader.leavesOpen, leavesOpen);
    });
  }

  it('that refuses counts without an end of its own too', () => {
    const { reader } = read('HTTP/1.1 403 No\r\nx-ms-error-code: AuthenticationFailed\r\n\r\n<html>', 9);
    const error = reader.end();
    assert.equal(error.name, 'RestError');
    assert.equal((error as Error & { code: string }).code, 'AuthenticationFailed');
  });

  it('that refuses at great length is cut off', () => {
    const page = `HTTP/1.1 502 Bad\r\nContent-Length: 9000000\r\n\r\n${'x'.repeat(100_000)}`;
    assert.throws(() => read(page), { name: 'RestError', statusCode: 502 });
  });

  const strange: [what: string, text: string, message: RegExp][] = [
    ['is none of HTTP', 'SSH-2.0-OpenSSH\r\n\r\n', /not HTTP/],
    ['has an endless head', `HTTP/1.1 200 OK\r\n${'a: b\r\n'.repeat(20_000)}`, /not HTTP/],
    ['does not tell its length', 'HTTP/1.1 200 OK\r\n\r\nmodel', /does not tell its length/],
    ['has more than its length', 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nmodel', /more came/],
    [
      'has no size before a chunk',
      'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nmodel\r\n',
      /not HTTP/,
    ],
    [
      'goes on after a chunk',
      'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nmodel\r\n',
      /not HTTP/,
    ],
  ];
  for (const [what, text, message] of strange) {
    it(`is an error where it ${what}`, () => {
      assert.throws(() => read(text), { name: 'BrokenAnswerError', message });
    });
  }
});
