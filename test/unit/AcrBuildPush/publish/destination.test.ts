import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { type Registry, startRegistry } from '../../../../local/registry/registry';
import { digestOfBytes, type Layer, type Manifest } from '../../../../tasks/AcrBuildPush/image/image';
import { setTags, verifyTags } from '../../../../tasks/AcrBuildPush/publish/destination';
import { publish } from '../../../../tasks/AcrBuildPush/publish/publish';
import { RegistryClient } from '../../../../tasks/AcrBuildPush/registry/client';
import { fixedCredentials } from '../../../../tasks/AcrBuildPush/registry/credentials';
import { Uploads } from '../../../../tasks/AcrBuildPush/registry/upload';
import type { ExistingTagPolicy } from '../../../../tasks/AcrBuildPush/tags';
import { HttpClient } from '../../../../tasks/common/http';
import { capturedLog } from '../support';

const robot = { username: 'robot', password: 'p4ssword' };
const credentials = fixedCredentials('r', { kind: 'password', ...robot, input: 'acrPassword' });

function layerOf(text: string): Layer {
  const content = Buffer.from(text);
  const open = (start = 0) => Readable.from([content.subarray(start)], { objectMode: false });
  const diffId = `sha256:${createHash('sha256').update(content).digest('hex')}`;
  return { kind: 'local', diffId, size: content.length, open };
}

describe('the tags of an image', () => {
  const folder = mkdtempSync(join(tmpdir(), 'destination-'));
  let registry: Registry;
  let fault: ((request: IncomingMessage, response: ServerResponse) => boolean) | undefined;
  let repository: string;
  let count = 0;
  let http: HttpClient;
  let lines: string[];
  let waits: number[];
  let requests: string[];

  before(async () => {
    registry = await startRegistry({
      folder,
      ...robot,
      intercept: (request, response) => {
        requests.push(`${request.method} ${request.url}`);
        return fault?.(request, response) ?? false;
      },
    });
  });
  beforeEach(() => {
    fault = undefined;
    repository = `models/m${count++}`;
    waits = [];
    requests = [];
  });
  afterEach(() => http.close());
  after(async () => {
    await registry.stop();
    rmSync(folder, { recursive: true, force: true });
  });

  const pause = async (milliseconds: number) => {
    waits.push(milliseconds);
  };

  /** A step that has been checked, and what it goes by. */
  function begin(ifTagExists: ExistingTagPolicy, before: Record<string, string> = {}) {
    const captured = capturedLog();
    lines = captured.lines;
    const { log } = captured;
    const { signal } = new AbortController();
    const network = { proxyFor: () => undefined, tls: {} };
    http = new HttpClient({ log, signal, network, userAgent: 'test', sleep: pause });
    const host = registry.loginServer;
    const client = new RegistryClient({ http, log, host, repository, credentials });
    const tags = [
      { tag: '1.0.0', moves: false },
      { tag: 'latest', moves: true },
    ];
    const destination = {
      registry: client,
      uploads: new Uploads(client),
      name: `${host}/${repository}`,
      tags,
      ifTagExists,
      before: new Map(Object.entries(before)),
    };
    return { client, destination, options: { log, signal, sleep: pause } };
  }

  type Step = ReturnType<typeof begin>;

  function publishOne({ destination, options }: Step, text: string) {
    const layers = [layerOf(text)];
    const platform = { os: 'linux', architecture: 'amd64' };
    const rootfs = { type: 'layers', diff_ids: layers.map(({ diffId }) => diffId) };
    const image = { config: Buffer.from(JSON.stringify({ ...platform, rootfs })), layers, platform };
    const known = Promise.resolve(new Map());
    const settings = { ...options, compression: 'none' as const, known, tempFolder: folder };
    return publish(image, {}, destination, settings);
  }

  async function pushAll(step: Step, text: string): Promise<Manifest> {
    const published = await publishOne(step, text);
    await setTags(published, step.destination, step.options);
    return published.manifest;
  }

  const error = (response: ServerResponse, status: number, code: string) =>
    response.writeHead(status).end(JSON.stringify({ errors: [{ code, message: code }] }));

  it('are set when the image is there under its digest', async () => {
    const step = begin('overwrite');
    const { digest } = await pushAll(step, 'one');
    const puts = requests.filter((one) => /^PUT .*manifests/.test(one));
    assert.deepEqual(
      puts.map((one) => one.replace(/.*manifests\//, '')),
      [digest, '1.0.0', 'latest'],
    );
  });

  for (const policy of ['fail', 'skip'] as const) {
    it(`that somebody sets during a build stay what they are, where 'ifTagExists' is '${policy}'`, async () => {
      const step = begin(policy);
      const published = await publishOne(step, 'mine');
      const theirs = await pushAll(begin('overwrite'), 'theirs');
      const setting = setTags(published, step.destination, step.options);
      if (policy === 'fail') {
        await assert.rejects(setting, {
          name: 'TaskError',
          message: /Somebody has set .*:1\.0\.0 while this step built.*'ifTagExists' is 'fail'.*set no tag/,
        });
      } else assert.deepEqual(await setting, []);
      assert.equal(await step.client.digestOf('1.0.0'), theirs.digest);
      assert.equal(await step.client.digestOf('latest'), theirs.digest);
    });
  }

  it('that another attempt has set to the same image are no reason to fail', async () => {
    await pushAll(begin('overwrite'), 'the same');
    const step = begin('fail');
    const published = await publishOne(step, 'the same');
    assert.equal((await setTags(published, step.destination, step.options)).length, 2);
  });

  for (const [what, answer] of [
    ['nothing', (response: ServerResponse) => response.writeHead(404).end()],
    [
      'what was there before',
      (response: ServerResponse) =>
        response.setHeader('Docker-Content-Digest', `sha256:${'0'.repeat(64)}`).end(),
    ],
  ] as const) {
    it(`are waited for where a replicated registry shows ${what} for a while`, async () => {
      const step = begin('overwrite', { '1.0.0': `sha256:${'0'.repeat(64)}` });
      const manifest = await pushAll(step, 'one');
      let looks = 0;
      fault = ({ method, url }, response) => {
        if (method !== 'HEAD' || !url!.endsWith('/1.0.0') || looks++ >= 5) return false;
        answer(response);
        return true;
      };
      await verifyTags(step.destination, step.destination.tags, manifest, step.options);
      assert.equal(lines.filter((line) => /replicated to several regions/.test(line)).length, 1);
    });

    it(`that show ${what} for more than a minute fail the step`, async () => {
      const step = begin('overwrite', { '1.0.0': `sha256:${'0'.repeat(64)}` });
      const manifest = await pushAll(step, 'one');
      fault = ({ method, url }, response) => {
        if (method !== 'HEAD' || !url!.endsWith('/1.0.0')) return false;
        answer(response);
        return true;
      };
      const verified = verifyTags(step.destination, step.destination.tags, manifest, step.options);
      await assert.rejects(verified, /:1\.0\.0 was set to sha256:.*, but now is (gone|sha256:0+)/);
      const waited = waits.reduce((sum, wait) => sum + wait, 0);
      assert.ok(waited >= 59_000 && waited <= 61_000, `waited ${waited} ms`);
    });
  }

  it('that show a third image fail the step at once', async () => {
    const step = begin('overwrite');
    const manifest = await pushAll(step, 'mine');
    await pushAll(begin('overwrite'), 'theirs');
    waits = [];
    const verified = verifyTags(step.destination, step.destination.tags, manifest, step.options);
    await assert.rejects(verified, /Another run may have pushed the same tag/);
    assert.deepEqual(waits, []);
  });

  it('may be none: the image is read back by its digest', async () => {
    const step = begin('fail');
    const { manifest } = await publishOne(step, 'one');
    await verifyTags(step.destination, [], manifest, step.options);
    assert.equal(requests.at(-1), `HEAD /v2/${repository}/manifests/${manifest.digest}`);
  });

  it('may be none: an image that the registry does not show fails the step, which talks of no tag', async () => {
    const step = begin('overwrite');
    const { manifest } = await publishOne(step, 'one');
    fault = ({ url }, response) => {
      if (!url!.endsWith(manifest.digest)) return false;
      response.writeHead(404).end();
      return true;
    };
    await assert.rejects(verifyTags(step.destination, [], manifest, step.options), ({ message }: Error) => {
      assert.match(
        message,
        new RegExp(`/${repository}@${manifest.digest} was pushed, but .* does not show it`),
      );
      assert.doesNotMatch(message, /same tag|was set/);
      return true;
    });
  });

  it('are set again where a server does not know the blobs yet', async () => {
    const step = begin('overwrite');
    let refusals = 0;
    fault = ({ method, url }, response) => {
      if (method !== 'PUT' || !url!.endsWith('/1.0.0') || refusals++ >= 3) return false;
      error(response, 400, 'MANIFEST_BLOB_UNKNOWN');
      return true;
    };
    const { digest } = await pushAll(step, 'one');
    assert.equal(await step.client.digestOf('1.0.0'), digest);
    assert.equal(lines.filter((line) => /replicated to several regions/.test(line)).length, 1);
  });

  describe('of an image whose blobs the registry does not know,', () => {
    it('come after those blobs were looked for, and the lost one was sent again', async () => {
      const step = begin('overwrite');
      const lost = digestOfBytes(Buffer.from('lost'));
      let isLost = true;
      fault = ({ method, url }, response) => {
        if (method === 'HEAD' && isLost && url!.endsWith(lost)) {
          response.writeHead(404).end();
          return true;
        }
        if (method !== 'PUT' || !/manifests/.test(url!) || !isLost) return false;
        // The blob is lost until it is sent for the second time.
        if (requests.filter((one) => /^PUT .*uploads/.test(one) && one.includes(lost.slice(7))).length > 1) {
          isLost = false;
          return false;
        }
        error(response, 400, 'MANIFEST_BLOB_UNKNOWN');
        return true;
      };
      const manifest = await pushAll(step, 'lost');
      assert.equal(await step.client.digestOf('latest'), manifest.digest);
      assert.equal((await step.client.blob(lost)).toString(), 'lost');
      assert.match(lines.join('\n'), /replicated to several regions.*looked for again/);
    });

    it('come with no byte sent twice where all are there after all', async () => {
      const step = begin('overwrite');
      let refusals = 0;
      fault = ({ method, url }, response) => {
        if (method !== 'PUT' || !/manifests/.test(url!) || refusals++ >= 3) return false;
        error(response, 404, 'MANIFEST_BLOB_UNKNOWN');
        return true;
      };
      await pushAll(step, 'there');
      assert.equal(requests.filter((one) => /^PUT .*uploads/.test(one)).length, 2);
    });

    it('are given up after five minutes, with the reason', async () => {
      const step = begin('overwrite');
      fault = ({ method, url }, response) => {
        if (method !== 'PUT' || !/manifests/.test(url!)) return false;
        error(response, 400, 'MANIFEST_BLOB_UNKNOWN');
        return true;
      };
      await assert.rejects(
        pushAll(step, 'never'),
        /does not know all parts .* replicated to several regions/,
      );
      const waited = waits.reduce((sum, wait) => sum + wait, 0);
      assert.ok(waited > 290_000 && waited < 310_000, `waited ${waited} ms`);
    });
  });
});
