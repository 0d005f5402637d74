import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import sinon from 'sinon';
import { type Registry, startRegistry } from '../../../../local/registry/registry';
import { RegistryClient } from '../../../../tasks/AcrBuildPush/registry/client';
import { fixedCredentials } from '../../../../tasks/AcrBuildPush/registry/credentials';
import type { BlobSource } from '../../../../tasks/AcrBuildPush/registry/send-blob';
import { Uploads } from '../../../../tasks/AcrBuildPush/registry/upload';
import { CancelledError } from '../../../../tasks/common/errors';
import { HttpClient } from '../../../../tasks/common/http';
import { capturedLog } from '../support';

const MEGABYTE = 1024 * 1024;
const robot = { username: 'robot', password: 'p4ssword' };
const credentials = fixedCredentials('r', { kind: 'password', ...robot, input: 'acrPassword' });

type Fault = (request: IncomingMessage, response: ServerResponse) => boolean | Promise<boolean>;

/** A blob whose size is known, or only when it was read once. */
function blobOf(content: Buffer, isKnown = true): BlobSource & { read: number } {
  let wasRead = isKnown;
  const source = {
    name: 'Layer 1 of 1',
    read: 0,
    get size() {
      return wasRead ? content.length : undefined;
    },
    digest: () => `sha256:${createHash('sha256').update(content).digest('hex')}`,
    open(start: number) {
      const pieces = function* () {
        for (let at = start; at < content.length; at += 100_000) {
          const piece = content.subarray(at, at + 100_000);
          source.read += piece.length;
          yield piece;
        }
        wasRead = true;
      };
      return Readable.from(pieces(), { objectMode: false });
    },
  };
  return source;
}

describe('an upload', () => {
  const folder = mkdtempSync(join(tmpdir(), 'upload-'));
  const size = 12 * MEGABYTE;
  let registry: Registry;
  let fault: Fault | undefined;
  let repository: string;
  let count = 0;
  let http: HttpClient;
  let cancel: AbortController;
  let waits: number[];
  let client: RegistryClient;
  let uploads: Uploads;
  /** Where the requests of a test begin. */
  let from: number;

  before(async () => {
    registry = await startRegistry({
      folder,
      ...robot,
      intercept: (request, response) => fault?.(request, response) ?? false,
    });
  });
  beforeEach(() => {
    fault = undefined;
    repository = `models/m${count++}`;
    cancel = new AbortController();
    waits = [];
    const { log } = capturedLog();
    const { signal } = cancel;
    const network = { proxyFor: () => undefined, tls: {} };
    http = new HttpClient({ log, signal, network, userAgent: 'test', sleep: pause });
    client = new RegistryClient({ http, log, host: registry.loginServer, repository, credentials });
    uploads = new Uploads(client);
    from = registry.requests.length;
  });
  afterEach(() => http.close());
  after(async () => {
    await registry.stop();
    rmSync(folder, { recursive: true, force: true });
  });

  const pause = async (milliseconds: number) => {
    waits.push(milliseconds);
  };

  /** What was asked of the registry: uploads go by `u`, digests by `D`. */
  const requests = () =>
    registry.requests
      .slice(from)
      .filter(({ path }) => path.startsWith('/v2/models/'))
      .map(({ method, path, status }) => {
        const place = path.replace(/^.*?\/blobs\//, '').replace(/sha256[^&]*/, 'D');
        return `${method} ${place.replace(/[0-9a-f]{8}-.*?(?=&digest|$)/, 'u')} ${status}`;
      });

  const send = (source: BlobSource) =>
    uploads.send(source, { log: capturedLog().log, signal: cancel.signal, sleep: pause });

  /** Has the first requests of a kind meet with a fault. */
  function meet(kind: RegExp, times: number, what: (response: ServerResponse) => void): void {
    let met = 0;
    fault = (request, response) => {
      if (met === times || !kind.test(`${request.method} ${request.url}`)) return false;
      met += 1;
      request.resume();
      what(response);
      return true;
    };
  }

  /** Has the registry do what it was asked, and lose its answer. */
  function loseAnswer(kind: RegExp): void {
    let isLost = false;
    fault = (request, response) => {
      if (isLost || !kind.test(`${request.method} ${request.url}`)) return false;
      isLost = true;
      response.writeHead = () => response.destroy();
      return false;
    };
  }

  const error = (status: number, code: string) => (response: ServerResponse) => {
    response.writeHead(status).end(JSON.stringify({ errors: [{ code, message: code }] }));
  };

  describe('that a registry loses its way in, is stored with no byte sent twice,', () => {
    const CLOSE = /^PUT .*uploads.*&digest=/;
    for (const [what, spoil] of [
      ['when the answer to its bytes is lost', () => loseAnswer(/^PATCH/)],
      ['when the answer to its end is lost', () => loseAnswer(CLOSE)],
      ['when its end meets 404 once', () => meet(CLOSE, 1, error(404, 'BLOB_UPLOAD_UNKNOWN'))],
      ['when its end meets 404 three times', () => meet(CLOSE, 3, error(404, 'NOT_FOUND'))],
      ['when its end meets 416 once', () => meet(CLOSE, 1, error(416, 'RANGE_INVALID'))],
      ['when its end is called invalid', () => meet(CLOSE, 1, error(400, 'BLOB_UPLOAD_INVALID'))],
      ['when its end meets 500 for a while', () => meet(CLOSE, 12, error(500, 'GENERIC_STORAGE_ERROR'))],
      [
        'when its end meets 404 and another server does not know it at once',
        () => meet(/^(PUT .*&digest=|GET .*uploads)/, 3, error(404, 'BLOB_UPLOAD_UNKNOWN')),
      ],
    ] as const) {
      for (const isKnown of [true, false]) {
        it(`${what}${isKnown ? '' : ' (of a size that only reading tells)'}`, async () => {
          spoil();
          const content = randomBytes(size);
          const source = blobOf(content, isKnown);
          assert.equal(await send(source), size);
          assert.equal(source.read, size);
          assert.ok((await client.blob(source.digest())).equals(content), requests().join('\n'));
          assert.ok(!requests().some((request) => /^PATCH .* 416/.test(request)), requests().join('\n'));
        });
      }
    }

    it('for a small one, when the answer to it is lost', async () => {
      loseAnswer(/^PUT/);
      const source = blobOf(randomBytes(1000));
      assert.equal(await send(source), 1000);
    });
  });

  it('whose end the registry refuses is refused', async () => {
    meet(/^PUT .*&digest=/, 99, error(403, 'DENIED'));
    await assert.rejects(send(blobOf(randomBytes(size))), /does not let it push/);
  });

  it('that the registry forgets each time before its end is sent no more than four times', async () => {
    fault = (request, response) => {
      if (!/^(PUT|GET) .*uploads/.test(`${request.method} ${request.url}`)) return false;
      response.writeHead(404).end('{"errors":[{"code":"BLOB_UPLOAD_UNKNOWN"}]}');
      return true;
    };
    const source = blobOf(randomBytes(size));
    await assert.rejects(send(source), /refused to take Layer 1 of 1 \(HTTP 404\)/);
    assert.equal(source.read, 4 * size);
  });

  it('has all patience again whenever it got on', async () => {
    const step = 1.5 * MEGABYTE;
    const content = randomBytes(size);
    const received = Buffer.alloc(size);
    let reached = 0;
    let tries = 0;
    // A registry that is busy five times of six, and else takes in a part before it breaks the line.
    fault = (request, response) => {
      const location = `/v2/${repository}/blobs/uploads/u1`;
      if (request.method === 'POST') response.writeHead(202, { Location: location }).end();
      else if (request.method === 'GET' && /uploads/.test(request.url!)) {
        response.writeHead(204, { Location: location, Range: `0-${Math.max(0, reached - 1)}` }).end();
      } else if (request.method === 'PATCH') {
        if (tries++ % 6 < 5) return response.writeHead(503, { 'Retry-After': '40' }).end() && true;
        const end = Math.min(size, reached + step);
        request.on('data', (chunk: Buffer) => {
          const taken = chunk.subarray(0, end - reached);
          taken.copy(received, reached);
          reached += taken.length;
          if (reached === end) request.destroy();
        });
      } else if (request.method === 'PUT') response.writeHead(201).end();
      else return false;
      return true;
    };
    await send(blobOf(content));
    assert.ok(received.equals(content));
    const waited = waits.reduce((sum, wait) => sum + wait, 0);
    assert.ok(waited > 600_000, `waited ${waited} ms`);
  });

  it('that never gets on is given up after five minutes', async () => {
    meet(/^PATCH/, 999, error(503, 'UNAVAILABLE'));
    await assert.rejects(send(blobOf(randomBytes(size))), /refused to take Layer 1 of 1 \(HTTP 503\)/);
    const waited = waits.reduce((sum, wait) => sum + wait, 0);
    assert.ok(waited > 240_000 && waited < 360_000, `waited ${waited} ms`);
  });

  it('of unknown size goes on only when two answers agree how far it came', async () => {
    const content = randomBytes(size);
    // A registry that takes in the bytes of a broken connection while it is being asked.
    const received: Buffer[] = [];
    let growing = [4 * MEGABYTE, 6 * MEGABYTE, 8 * MEGABYTE, 8 * MEGABYTE];
    let patches = 0;
    fault = (request, response) => {
      const location = `/v2/${repository}/blobs/uploads/u1`;
      if (request.method === 'POST') response.writeHead(202, { Location: location }).end();
      else if (request.method === 'GET' && /uploads/.test(request.url!)) {
        const reached = growing.shift() ?? 0;
        response.writeHead(204, { Location: location, Range: `0-${reached - 1}` }).end();
      } else if (request.method === 'PATCH') {
        patches += 1;
        if (patches === 1) return request.destroy() && true;
        request.on('data', (chunk: Buffer) => received.push(chunk));
        request.on('end', () => {
          response.writeHead(202, { Location: location, Range: `0-${size - 1}` }).end();
        });
      } else if (request.method === 'PUT') response.writeHead(201).end();
      else return false;
      return true;
    };
    const source = blobOf(content, false);
    await send(source);
    growing = [];
    assert.ok(Buffer.concat(received).equals(content.subarray(8 * MEGABYTE)), 'it went on elsewhere');
  });

  it('that a cancelled step has just begun is known to it, and dropped', async () => {
    const cancel = new AbortController();
    fault = ({ method }) => {
      if (method === 'POST') cancel.abort();
      return false;
    };
    const options = { log: capturedLog().log, signal: cancel.signal };
    await assert.rejects(uploads.send(blobOf(randomBytes(size)), options), CancelledError);
    await uploads.close();
    assert.deepEqual(
      requests().filter((one) => /20[24]$/.test(one)),
      ['POST uploads/ 202', 'DELETE uploads/u 204'],
    );
  });

  describe('of the check before a build', () => {
    it('proves that the registry lets us push, and is dropped when no blob took it', async () => {
      await uploads.check();
      await uploads.close();
      await uploads.close();
      assert.deepEqual(requests().slice(1), [
        'POST uploads/ 202',
        'DELETE uploads/u 401',
        'DELETE uploads/u 204',
      ]);
    });

    it('is given to one large blob', async () => {
      await uploads.check();
      await send(blobOf(randomBytes(size)));
      await send(blobOf(randomBytes(size)));
      assert.equal(requests().filter((one) => /^POST .* 202/.test(one)).length, 2);
    });

    it('is not counted on long after it began', async () => {
      const clock = sinon.useFakeTimers({ toFake: ['performance'] });
      try {
        await uploads.check();
        clock.tick(61_000);
        await send(blobOf(randomBytes(size)));
        assert.equal(requests().filter((one) => /^POST .* 202/.test(one)).length, 2);
        await uploads.close();
        assert.equal(requests().filter((one) => /^DELETE .* 204/.test(one)).length, 1);
      } finally {
        clock.restore();
      }
    });

    for (const location of ['http://10.0.0.1/upload', 'http://[', '']) {
      it(`is refused at '${location}'`, async () => {
        fault = (request, response) => {
          if (request.method !== 'POST') return false;
          response.writeHead(202, { Location: location }).end();
          return true;
        };
        await assert.rejects(uploads.check(), /where this step must not send it/);
      });
    }

    for (const [status, code, message] of [
      [401, 'insufficient_scope: authorization failed', /does not let it push to 'models/],
      [405, 'REGISTRY_DISALLOWED_OPERATION', /is locked/],
    ] as const) {
      it(`that is refused (${code}) says so before the build`, async () => {
        meet(/^POST/, 99, error(status, code));
        await assert.rejects(uploads.check(), { name: 'TaskError', message });
      });
    }
  });

  describe('that has begun with the first bytes of a blob', () => {
    const content = randomBytes(size);
    const head = content.subarray(0, MEGABYTE);
    const start = () => uploads.start(head, cancel.signal);
    const goOn = async (isKnown: boolean, started: Awaited<ReturnType<typeof start>>) => {
      const source = blobOf(content, isKnown);
      const options = { log: capturedLog().log, signal: cancel.signal, sleep: pause };
      const sent = await uploads.send(source, options, started);
      assert.deepEqual(await client.blob(source.digest()), content);
      return { sent, read: source.read };
    };

    for (const isKnown of [true, false]) {
      it(`goes on with the others${isKnown ? '' : ' (of a size that only reading tells)'}`, async () => {
        const { sent, read } = await goOn(isKnown, await start());
        assert.equal(sent, size);
        assert.ok(read <= size - MEGABYTE + 100_000, `${read} bytes were read`);
        assert.equal(requests().filter((request) => /^POST .* 202$/.test(request)).length, 1);
      });

      it(`and breaks off then, goes on from there${isKnown ? '' : ' (of a size that only reading tells)'}`, async () => {
        const started = await start();
        meet(/^PATCH/, 1, (response) => response.destroy());
        await goOn(isKnown, started);
        assert.ok(waits.length > 0);
      });
    }

    it('begins anew where the registry did not take them, and drops what it had', async () => {
      meet(/^PATCH/, 1, (response) => response.writeHead(416).end());
      const started = await start();
      assert.equal(started.line, undefined);
      const { sent } = await goOn(false, started);
      assert.equal(sent, size + MEGABYTE);
      await uploads.close();
      assert.ok(requests().includes('DELETE uploads/u 204'));
    });

    it('is dropped at once when another one goes on', async () => {
      uploads.drop(await start());
      await uploads.close();
      assert.equal(requests().at(-1), 'DELETE uploads/u 204');
      assert.equal(requests().filter((request) => /^DELETE .* 204$/.test(request)).length, 1);
    });
  });

  it('that a mount became is used for the blob that follows', async () => {
    assert.equal(await uploads.mount(`sha256:${'a'.repeat(64)}`, 'models/none', cancel.signal), false);
    await send(blobOf(randomBytes(size)));
    assert.equal(requests().filter((one) => /^POST .* 202/.test(one)).length, 1);
    await uploads.close();
    assert.ok(!requests().some((one) => /^DELETE/.test(one)));
  });

  it('is not left in the registry by a step that is cancelled', async () => {
    await uploads.check();
    fault = (request) => {
      if (request.method === 'PATCH') cancel.abort();
      return false;
    };
    await assert.rejects(send(blobOf(randomBytes(size))), { name: 'CancelledError' });
    await uploads.close();
    assert.equal(requests().filter((one) => /^DELETE .* 204/.test(one)).length, 1, requests().join('\n'));
  });

  it('is not left in the registry when its blob is refused', async () => {
    meet(/^PATCH/, 1, error(403, 'DENIED'));
    await assert.rejects(send(blobOf(randomBytes(size))));
    await uploads.close();
    assert.equal(requests().filter((one) => /^DELETE .* 204/.test(one)).length, 1, requests().join('\n'));
  });

  it('whose dropping the registry refuses fails no step', async () => {
    meet(/^DELETE/, 99, error(405, 'UNSUPPORTED'));
    await uploads.check();
    await uploads.close();
  });
});
