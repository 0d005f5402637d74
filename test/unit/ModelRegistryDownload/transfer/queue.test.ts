import assert from 'node:assert/strict';
import { createHash, randomFillSync } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import sinon from 'sinon';
import { OpenFolder } from '../../../../tasks/common/files/open-folder';
import { OpenTree } from '../../../../tasks/common/files/open-tree';
import { createLogger } from '../../../../tasks/common/log';
import { openContainer } from '../../../../tasks/ModelRegistryDownload/registry/client';
import type { ModelContainer } from '../../../../tasks/ModelRegistryDownload/registry/container';
import { listFiles } from '../../../../tasks/ModelRegistryDownload/registry/listing';
import { connect } from '../../../../tasks/ModelRegistryDownload/registry/persist';
import { transferFiles } from '../../../../tasks/ModelRegistryDownload/transfer/queue';
import { BlobServer } from '../../../support/blob-server';
import { impatient, temporaryFolder } from '../support';

const MIB = 1024 * 1024;
const content = randomFillSync(Buffer.alloc(9 * MIB + 5));

describe('the transfer of a big file', () => {
  let server: BlobServer;
  let container: ModelContainer;
  let folder: Awaited<ReturnType<typeof temporaryFolder>>;
  let lines: string[];
  let bytes: number;
  let waits: number[];

  beforeEach(async () => {
    server = await BlobServer.start();
    folder = await temporaryFolder();
    container = openContainer({
      account: server.account,
      credential: server.credential,
      endpoint: server.endpoint,
      container: 'titanic',
      network: { proxyFor: () => undefined, tls: {} },
    });
    server.put('titanic', '1/model.bin', content);
    [lines, bytes] = [[], 0];
  });

  afterEach(async () => {
    container.close();
    await server.stop();
    await folder.remove();
  });

  async function transfer({
    concurrency = 4,
    afterListing = () => {},
    signal = new AbortController().signal,
  } = {}) {
    const patience = impatient();
    waits = patience.waits;
    const log = createLogger((line) => lines.push(line));
    const connection = connect(log, signal, patience);
    const files = await listFiles(container, '1/', connection);
    afterListing();
    const onBytes = (count: number) => {
      bytes += count;
    };
    return transferFiles(
      container,
      files,
      { files: new OpenTree(OpenFolder.open(folder.path)), concurrency, onBytes },
      connection,
    );
  }

  async function assertIntact() {
    assert.ok(
      content.equals(await readFile(join(folder.path, 'model.bin'))),
      'the file is as it was published',
    );
  }

  /** Makes the first read that begins at an offset go wrong. */
  function faultOnce(offset: number, fault: ReturnType<BlobServer['fault']>) {
    let left = 1;
    server.fault = (request) =>
      request.kind === 'read' && request.offset === offset && left-- > 0 ? fault : undefined;
  }

  it('is cut into ranges of 8 MiB', async () => {
    await transfer();
    await assertIntact();
    const ranges = server.reads.map(({ offset, length }) => [offset, length]).sort(([a], [b]) => a! - b!);
    assert.deepEqual(ranges, [
      [0, 8 * MIB],
      [8 * MIB, MIB + 5],
    ]);
  });

  it('never has more requests under way than allowed', async () => {
    for (let n = 0; n < 20; n++) server.put('titanic', `1/small-${n}`, 'small');
    await transfer({ concurrency: 3 });
    assert.ok(Math.max(...server.reads.map(({ atOnce }) => atOnce)) <= 3);
  });

  for (const status of [408, 429, 500, 502, 503, 504]) {
    it(`goes on after HTTP ${status}`, async () => {
      faultOnce(8 * MIB, { status });
      await transfer();
      await assertIntact();
      assert.match(lines.join('\n'), new RegExp(`model\\.bin: HTTP ${status}.*Trying again`));
    });
  }

  it('waits as long as the service asks', async () => {
    faultOnce(0, { status: 503, code: 'ServerBusy', headers: { 'Retry-After': '7' } });
    await transfer();
    assert.deepEqual(waits, [7_000]);
  });

  it('goes on from the byte it had reached when a connection breaks', async () => {
    faultOnce(0, { resetAfter: 3 * MIB });
    await transfer();
    await assertIntact();
    const resumed = server.reads.find(({ offset }) => offset > 0 && offset < 8 * MIB);
    assert.equal(resumed?.length, 8 * MIB - resumed!.offset);
    assert.equal(bytes, content.length);
  });

  it('goes on after one refusal among reads that are granted', async () => {
    faultOnce(8 * MIB, { status: 403, code: 'AuthenticationFailed' });
    await transfer();
    await assertIntact();
  });

  it('does not give up while every try brings 40 KB', async () => {
    server.put('titanic', '1/model.bin', content.subarray(0, MIB));
    server.fault = ({ kind, length }) =>
      kind === 'read' && length > 40_000 ? { resetAfter: 40_000 } : undefined;
    await transfer({ concurrency: 1 });
    assert.ok(server.reads.length > 20);
    assert.deepEqual(waits, []);
  });

  it('does not give up while every try brings a part', async () => {
    server.fault = ({ kind, length }) => (kind === 'read' && length > MIB ? { resetAfter: MIB } : undefined);
    await transfer();
    await assertIntact();
  });

  it('gives up when no try brings anything', async () => {
    server.fault = ({ kind }) => (kind === 'read' ? { resetAfter: 0 } : undefined);
    await assert.rejects(transfer({ concurrency: 1 }), { code: 'ECONNRESET' });
    const waited = waits.reduce((sum, wait) => sum + wait);
    assert.ok(waited > 240_000 && waited <= 300_000, `${waited} ms`);
  });

  for (const [where, stallAfter] of [
    ['before the headers', 0],
    ['in the body', MIB / 2],
  ] as const) {
    it(`goes on elsewhere when a connection falls silent ${where}`, async () => {
      const clock = sinon.useFakeTimers({ toFake: ['setInterval', 'clearInterval', 'performance'] });
      try {
        faultOnce(8 * MIB, { stallAfter, onStall: () => clock.tick(31_000) });
        await transfer({ concurrency: 1 });
      } finally {
        clock.restore();
      }
      await assertIntact();
      assert.match(lines.join('\n'), /model\.bin: nothing came for \d+(\.\d)? s\. Trying again/);
    });
  }

  it('is patient with a slow link, as long as something comes', async () => {
    const clock = sinon.useFakeTimers({ toFake: ['setInterval', 'clearInterval', 'performance'] });
    try {
      const before = async (sent: number) => {
        while (bytes < sent) await new Promise((resolve) => setImmediate(resolve));
        clock.tick(29_000);
      };
      server.put('titanic', '1/model.bin', content.subarray(0, 1000));
      server.fault = ({ kind }) => (kind === 'read' ? { pieces: 100, before } : undefined);
      await transfer({ concurrency: 1 });
    } finally {
      clock.restore();
    }
    assert.equal(server.reads.length, 1);
    assert.equal(bytes, 1000);
  });

  it('is stopped by a blob that was replaced after it was listed', async () => {
    const afterListing = () => server.put('titanic', '1/model.bin', Buffer.alloc(content.length));
    await assert.rejects(transfer({ afterListing }), { name: 'MovedError', blob: 'model.bin' });
  });

  it('notices another blob even where the service ignores the condition', async () => {
    const afterListing = () => server.put('titanic', '1/model.bin', Buffer.alloc(content.length));
    server.fault = () => ({ ignoreIfMatch: true });
    await assert.rejects(transfer({ afterListing }), { name: 'MovedError' });
  });

  it('takes nothing but the range it asked for', async () => {
    faultOnce(8 * MIB, { wholeBlob: true });
    await transfer();
    await assertIntact();
    assert.match(lines.join('\n'), /9437189 bytes came where 1048581 were asked for/);
  });

  for (const [status, code] of [
    [503, 'ServerBusy'],
    [429, undefined],
    [500, 'OperationTimedOut'],
  ] as const) {
    it(`asks for less at once when the account is throttled, as HTTP ${status} says`, async () => {
      for (let n = 0; n < 40; n++) server.put('titanic', `1/small-${n}`, 'small');
      server.fault = ({ kind, atOnce }) =>
        kind === 'read' && atOnce > 2 ? { status, ...(code && { code }) } : undefined;
      await transfer({ concurrency: 16 });
      await assertIntact();
      const late = server.reads.slice(-10);
      assert.ok(Math.max(...late.map(({ atOnce }) => atOnce)) <= 4, 'few requests at once in the end');
    });
  }

  it('digests the file once, when all its ranges have come to their end', async () => {
    const read = container.read;
    let firstHasAll = () => {};
    const first = new Promise<void>((resolve) => {
      firstHasAll = resolve;
    });
    // The second range brings the last byte of the file, and the first ends long after it.
    container.read = async (blob, range, receiver, signal) => {
      if (range.offset > 0) await first;
      await read(blob, range, receiver, signal);
      if (range.offset > 0) return;
      firstHasAll();
      for (let turns = 0; turns < 500; turns++) await new Promise((resolve) => setImmediate(resolve));
    };
    const digests = await transfer();
    await assertIntact();
    assert.equal(digests.get('model.bin')?.sha256, createHash('sha256').update(content).digest('hex'));
  });

  it('starts no request after the step was cancelled, not even one that was waiting for its turn', async () => {
    for (let n = 0; n < 20; n++) server.put('titanic', `1/small-${n}`, 'small');
    const cancel = new AbortController();
    let stalled = 0;
    const onStall = () => {
      stalled += 1;
      if (stalled === 2) cancel.abort();
    };
    // Four requests are refused, after which two may run while the other two wait.
    server.fault = ({ kind }) => {
      if (kind !== 'read') return undefined;
      return server.reads.length <= 4 ? { status: 503 } : { stallAfter: 0, onStall };
    };
    await assert.rejects(transfer({ signal: cancel.signal }), { name: 'CancelledError' });
    assert.equal(server.reads.length, 6);
  });
});
