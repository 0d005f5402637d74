import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { readLayerFiles } from '../../../../../tasks/AcrBuildPush/build/direct/layer-files';
import { tarHeader } from '../../../../../tasks/AcrBuildPush/files/tar';
import type { LocalLayer } from '../../../../../tasks/AcrBuildPush/image/image';
import { RegistryClient } from '../../../../../tasks/AcrBuildPush/registry/client';
import { remoteLayer } from '../../../../../tasks/AcrBuildPush/registry/pull';
import { scriptedServer } from '../../support';

const MEBIBYTE = 1024 * 1024;
const digestOf = (content: Buffer) => `sha256:${createHash('sha256').update(content).digest('hex')}`;

describe('a layer in a registry', () => {
  let server: Awaited<ReturnType<typeof scriptedServer>>;
  /** What the registry has, by digest. */
  let blobs: Map<string, Buffer>;
  /** Where the parts begin that were asked for. */
  let starts: number[];
  /** From this byte on, it has nothing to give. */
  let broken: number;

  beforeEach(async () => {
    blobs = new Map();
    starts = [];
    broken = Number.POSITIVE_INFINITY;
    server = await scriptedServer((request, response) => {
      const [, start, end] = /bytes=(\d+)-(\d+)/.exec(request.headers.range!)!.map(Number);
      starts.push(start!);
      if (start! >= broken) return response.writeHead(404).end('{"errors":[]}');
      const blob = blobs.get(request.url!.split('/').at(-1)!)!;
      return response.writeHead(206).end(blob.subarray(start, end! + 1));
    });
  });
  afterEach(() => server.stop());

  function layer(content: Buffer) {
    const { http, log, host } = server;
    const client = new RegistryClient({ http, log, host, repository: 'base', credentials: undefined });
    const digest = digestOf(content);
    blobs.set(digest, content);
    const descriptor = { mediaType: 'application/vnd.oci.image.layer.v1.tar', digest, size: content.length };
    return remoteLayer(client, descriptor, digest);
  }

  for (const size of [0, 1, 4 * MEBIBYTE, 9 * MEBIBYTE + 5]) {
    it(`of ${size} bytes is read in parts, each once and in order`, async () => {
      const content = randomBytes(size);
      assert.deepEqual(await buffer(await layer(content).open()), content);
      assert.deepEqual(
        starts,
        [0, 4, 8].map((at) => at * MEBIBYTE).filter((at) => at < size),
      );
    });
  }

  it('is read from any byte on', async () => {
    const content = randomBytes(5 * MEBIBYTE);
    const start = 3 * MEBIBYTE + 7;
    assert.deepEqual(await buffer(await layer(content).open(start)), content.subarray(start));
    assert.deepEqual(starts, [start]);
  });

  it('is asked for no more than one part ahead of its reader', async () => {
    const stream = await layer(randomBytes(20 * MEBIBYTE)).open();
    for await (const _ of stream) break;
    assert.ok(starts.length <= 3, `${starts.length} parts were asked for`);
  });

  it('fails its reader when a part does not come', async () => {
    broken = 4 * MEBIBYTE;
    const content = randomBytes(12 * MEBIBYTE);
    await assert.rejects(buffer(await layer(content).open()), { name: 'TaskError' });
  });
});

describe('the layers of a base image', () => {
  it('are read four at a time, and all of them', async () => {
    const folder = { kind: 'directory', mode: 0o700, uid: 7, gid: 8 } as const;
    const waiting: (() => void)[] = [];
    const layers = Array.from({ length: 10 }, (_, index): LocalLayer => {
      const header = tarHeader({ path: `d${index}`, node: folder, linkTo: undefined, size: 0 });
      const tar = Buffer.concat([header, Buffer.alloc(1024)]);
      async function* content() {
        await new Promise<void>((resolve) => waiting.push(resolve));
        yield tar;
      }
      return {
        kind: 'local',
        diffId: digestOf(tar),
        size: tar.length,
        open: () => Readable.from(content(), { objectMode: false }),
      };
    });
    const reading = readLayerFiles(layers, new AbortController().signal);
    let read = 0;
    while (read < layers.length) {
      await turns();
      assert.ok(waiting.length > 0 && waiting.length <= 4, `${waiting.length} are being read`);
      waiting.shift()!();
      read += 1;
    }
    assert.equal((await reading).list('').length, layers.length);
  });
});

/** Lets everything happen that waits for nothing from outside. */
async function turns(): Promise<void> {
  for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setImmediate(resolve));
}
