import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gunzipSync, gzipSync } from 'node:zlib';
import { type Registry, startRegistry } from '../../../../local/registry/registry';
import { DockerCli } from '../../../../tasks/AcrBuildPush/docker/cli';
import { UnreadableImageError } from '../../../../tasks/AcrBuildPush/docker/engine';
import type { BaseImage } from '../../../../tasks/AcrBuildPush/image/image';
import { setTags } from '../../../../tasks/AcrBuildPush/publish/destination';
import {
  type EnginePublishOptions,
  publishEngineImage,
} from '../../../../tasks/AcrBuildPush/publish/engine-image';
import { RegistryClient } from '../../../../tasks/AcrBuildPush/registry/client';
import { fixedCredentials } from '../../../../tasks/AcrBuildPush/registry/credentials';
import { EarlierImages } from '../../../../tasks/AcrBuildPush/registry/earlier-images';
import { findKnownLayers } from '../../../../tasks/AcrBuildPush/registry/known-layers';
import { Uploads } from '../../../../tasks/AcrBuildPush/registry/upload';
import { CancelledError } from '../../../../tasks/common/errors';
import { HttpClient } from '../../../../tasks/common/http';
import { startLine } from '../../../support/line';
import { capturedLog, fakeDocker } from '../support';

const MEGABYTE = 1024 * 1024;
const robot = { username: 'robot', password: 'p4ssword' };
const credentials = fixedCredentials('r', { kind: 'password', ...robot, input: 'acrPassword' });

/** A docker that holds one image, and notes what it is asked for. */
const DOCKER = `
echo "$1" >> "$LAB/calls"
case "$1" in
image) cat "$LAB/inspect" 2> /dev/null || { echo 'no such image' >&2; exit 1; };;
history) cat "$LAB/history";;
save) [ ! -e "$LAB/full" ] || rmdir "$LAB"/temp/layers-*; cat "$LAB/image.tar"; [ -e "$LAB/complaint" ] && { cat "$LAB/complaint" >&2; exit 1; }; [ ! -e "$LAB/endless" ] || sleep 60;;
esac`;

/** How engines lay out an image that they save. */
const shapes = {
  'folders, as engines before 25 do': writeFolders,
  'blobs, as later engines do': writeBlobs,
  "compressed blobs, as containerd's store does": writeCompressedBlobs,
};

describe('an image that an engine holds', () => {
  let root: string;
  let registry: Registry;
  let line: Awaited<ReturnType<typeof startLine>>;
  let fault: ((request: IncomingMessage, response: ServerResponse) => boolean) | undefined;
  let folder: string;
  let repository: string;
  let count = 0;

  before(async () => {
    root = mkdtempSync(join(tmpdir(), 'engine-image-'));
    mkdirSync(join(root, 'registry'));
    registry = await startRegistry({
      folder: join(root, 'registry'),
      ...robot,
      intercept: (request, response) => fault?.(request, response) ?? false,
    });
    line = await startLine(registry.loginServer);
  });
  beforeEach(() => {
    repository = `models/m${count++}`;
    folder = join(root, `lab-${count}`);
    mkdirSync(join(folder, 'temp'), { recursive: true });
    fault = undefined;
  });
  after(async () => {
    line.stop();
    await registry.stop();
    rmSync(root, { recursive: true, force: true });
  });

  /** Gives the engine an image of these layers. */
  function hold(layers: readonly Buffer[], write = writeBlobs, os = 'linux') {
    const diffIds = layers.map(digestOf);
    const config = Buffer.from(
      JSON.stringify({ os, architecture: 'amd64', rootfs: { type: 'layers', diff_ids: diffIds } }),
    );
    const files = join(folder, 'files');
    rmSync(files, { recursive: true, force: true });
    const id = write(files, config, layers);
    execFileSync('tar', [
      '--sort=name',
      '-C',
      files,
      '-cf',
      join(folder, 'image.tar'),
      ...readdirSync(files),
    ]);
    const size = layers.reduce((sum, { length }) => sum + length, 0);
    writeFileSync(join(folder, 'inspect'), `${JSON.stringify(diffIds)} ${size} ${os}\n`);
    writeFileSync(join(folder, 'history'), layers.map(({ length }) => length).join('\n'));
    return { id, config, diffIds };
  }

  /** Publishes the image over a line that a test may cut. */
  async function publish(id: string, options: Partial<EnginePublishOptions> & { base?: BaseImage } = {}) {
    const { lines, log } = capturedLog();
    const signal = options.signal ?? new AbortController().signal;
    const network = { proxyFor: () => undefined, tls: {} };
    const http = new HttpClient({ log, signal, network, userAgent: 'test' });
    const client = new RegistryClient({ http, log, host: line.host, repository, credentials });
    const docker = new DockerCli({
      env: { ...fakeDocker(folder, DOCKER), LAB: folder },
      signal,
      log,
    });
    const tags = [{ tag: '1', moves: false }];
    const destination = {
      registry: client,
      uploads: new Uploads(client),
      name: `${line.host}/${repository}`,
      tags,
    };
    const earlier = new EarlierImages(client, ['1']);
    const known = await findKnownLayers(client, earlier, options.base);
    const tempFolder = join(folder, 'temp');
    const from = registry.requests.length;
    writeFileSync(join(folder, 'calls'), '');
    const settings = {
      log,
      signal,
      compression: 'none' as const,
      annotations: { a: 'b' },
      known,
      tempFolder,
    };
    try {
      const image = { docker, id, ownInstructions: 2 };
      const result = await publishEngineImage(image, destination, { ...settings, ...options });
      await setTags(result, { ...destination, ifTagExists: 'overwrite', before: new Map() }, settings);
      const requests = registry.requests.slice(from).map(({ method, path }) => `${method} ${path}`);
      return { ...result, requests, lines };
    } finally {
      http.close();
      assert.deepEqual(readdirSync(tempFolder), [], 'files of layers are left');
    }
  }

  const wasSaved = () => readFileSync(join(folder, 'calls'), 'utf8').includes('save');

  async function stored(digest: string): Promise<Buffer> {
    const { log } = capturedLog();
    const { signal } = new AbortController();
    const http = new HttpClient({
      log,
      signal,
      network: { proxyFor: () => undefined, tls: {} },
      userAgent: 'test',
    });
    const client = new RegistryClient({ http, log, host: registry.loginServer, repository, credentials });
    const content = await client.blob(digest);
    http.close();
    return content;
  }

  for (const [shape, write] of Object.entries(shapes)) {
    for (const compression of ['none', 'gzip', 'auto'] as const) {
      it(`is published byte for byte out of ${shape} (compression: ${compression})`, async () => {
        const layers = [compressible(3 * MEGABYTE), randomBytes(100_000), compressible(1000)];
        const { id, config } = hold([...layers, layers[0]!], write);
        const { manifest, sent } = await publish(id, { compression });
        assert.equal(manifest.config?.digest, digestOf(config));
        assert.deepEqual(await stored(manifest.config!.digest), config);
        assert.deepEqual(
          await Promise.all(
            manifest.layers.map(async ({ mediaType, digest, size }) => {
              const blob = await stored(digest);
              assert.equal(blob.length, size);
              return mediaType.endsWith('gzip') ? gunzipSync(blob) : blob;
            }),
          ),
          [...layers, layers[0]!],
        );
        assert.equal(JSON.parse(manifest.body.toString()).annotations.a, 'b');
        assert.equal(sent.size, 4);
      });
    }

    it(`is not read again for layers that the registry has, out of ${shape}`, async () => {
      const [old, fresh] = [compressible(2 * MEGABYTE), compressible(MEGABYTE)];
      await publish(hold([old], write).id, { compression: 'gzip' });
      const { manifest, requests, sent } = await publish(hold([old, fresh], write).id, {
        compression: 'gzip',
      });
      assert.equal(requests.filter((request) => /^POST .*uploads/.test(request)).length, 2);
      assert.ok(!sent.has(manifest.layers[0]!.digest));
      assert.deepEqual(gunzipSync(await stored(manifest.layers[0]!.digest)), old);
      assert.deepEqual(gunzipSync(await stored(manifest.layers[1]!.digest)), fresh);
    });
  }

  it('has layers sent as they are that the engine keeps compressed by zstd', async () => {
    const layer = compressible(MEGABYTE);
    const write = (files: string, config: Buffer, layers: readonly Buffer[]) =>
      writeCompressedBlobs(files, config, layers, asZstd);
    const { manifest } = await publish(hold([layer], write).id, { compression: 'gzip' });
    assert.deepEqual(
      manifest.layers.map(({ mediaType }) => mediaType),
      ['application/vnd.oci.image.layer.v1.tar+zstd'],
    );
    assert.deepEqual(await stored(manifest.layers[0]!.digest), asZstd(layer));
  });

  it('is not read at all when the registry has everything of it', async () => {
    const { id } = hold([compressible(MEGABYTE)]);
    const first = await publish(id, { compression: 'gzip' });
    assert.ok(wasSaved());
    const second = await publish(id, { compression: 'gzip' });
    assert.ok(!wasSaved());
    assert.equal(second.manifest.digest, first.manifest.digest);
    assert.equal(second.sent.size, 0);
  });

  for (const [what, digest] of [
    ['', undefined],
    [', though its engine knows it by a digest of its own', `sha256:${'0'.repeat(64)}`],
  ] as const) {
    it(`has the layers of its base image mounted that lie in another repository${what}`, async () => {
      const [base, model] = [compressible(2 * MEGABYTE), randomBytes(1000)];
      const source = repository;
      const first = await publish(hold([base]).id, { compression: 'gzip' });
      repository = `${source}-api`;
      const { id } = hold([base, model]);
      const { manifest, requests, sent } = await publish(id, {
        base: { name: `${line.host}/${source}:1`, digest },
      });
      assert.ok(requests.some((request) => /^POST .*mount=sha256/.test(request)));
      assert.equal(manifest.layers[0]!.digest, first.manifest.layers[0]!.digest);
      assert.ok(!sent.has(manifest.layers[0]!.digest));
      assert.deepEqual(gunzipSync(await stored(manifest.layers[0]!.digest)), base);
    });
  }

  for (const compression of ['none', 'gzip'] as const) {
    it(`goes on where a broken upload got to, and is read once (compression: ${compression})`, async () => {
      const content = compressible(12 * MEGABYTE);
      const { id } = hold([content]);
      line.breakAfter((compression === 'none' ? 9 : 4) * MEGABYTE, 'cut');
      const { manifest, lines } = await publish(id, { compression });
      assert.match(lines.join('\n'), /Layer 1 of 1 broke off: /);
      assert.match(lines.join('\n'), /has \d.* of Layer 1 of 1; the rest follows/);
      const blob = await stored(manifest.layers[0]!.digest);
      assert.deepEqual(compression === 'none' ? blob : gunzipSync(blob), content);
      assert.equal(readFileSync(join(folder, 'calls'), 'utf8').match(/save/g)?.length, 1);
    });
  }

  it('is not pushed by docker either when the registry refuses a layer', async () => {
    const { id } = hold([randomBytes(2 * MEGABYTE)]);
    writeFileSync(join(folder, 'endless'), '');
    fault = (request, response) => {
      if (request.method !== 'PUT' || !/\/uploads\//.test(request.url!)) return false;
      response.writeHead(403).end('{"errors":[{"code":"DENIED","message":"quota exceeded"}]}');
      return true;
    };
    await assert.rejects(publish(id), (error: Error) => {
      assert.ok(!(error instanceof UnreadableImageError));
      assert.match(error.message, /The storage of .* is used up/);
      return true;
    });
  });

  it('is left when the step is cancelled', async () => {
    const cancel = new AbortController();
    const { id } = hold([randomBytes(2 * MEGABYTE)]);
    writeFileSync(join(folder, 'endless'), '');
    fault = (request) => {
      if (request.method === 'PUT') cancel.abort();
      return false;
    };
    await assert.rejects(publish(id, { signal: cancel.signal }), CancelledError);
  });

  for (const { what, prepare, message } of [
    {
      what: 'docker can not save it',
      prepare: () => {
        writeFileSync(join(folder, 'image.tar'), '');
        writeFileSync(join(folder, 'complaint'), 'no space left on device');
      },
      message: /'docker save' gave could not be read: it lacks manifest\.json/,
    },
    {
      what: 'docker breaks off',
      prepare: () => {
        truncateSync(join(folder, 'image.tar'), 700_000);
        writeFileSync(join(folder, 'complaint'), 'unexpected EOF');
      },
      message: /'docker save' gave could not be read: it ends too early/,
    },
    {
      what: 'docker says that it failed',
      prepare: () => writeFileSync(join(folder, 'complaint'), 'a layer is damaged'),
      message: /'docker save' failed \(exit code 1\)/,
    },
    {
      what: 'the archive is of an unknown kind',
      prepare: () => writeFileSync(join(folder, 'image.tar'), randomBytes(10_000)),
      message: /it is no tar, or a broken one/,
    },
    {
      what: 'the archive holds other bytes of a layer',
      prepare: () => {
        const { id, diffIds } = hold([randomBytes(900_000)]);
        const path = join(folder, 'files', 'blobs', 'sha256', diffIds[0]!.slice(7));
        writeFileSync(path, randomBytes(900_000));
        execFileSync('tar', [
          '--sort=name',
          '-C',
          join(folder, 'files'),
          '-cf',
          join(folder, 'image.tar'),
          '.',
        ]);
        return id;
      },
      message: /it has other bytes of sha256:/,
    },
    {
      what: 'the engine does not know it',
      prepare: () => rmSync(join(folder, 'inspect')),
      message: /engine does not describe the image/,
    },
    {
      what: 'the disk takes none of it',
      prepare: () => writeFileSync(join(folder, 'full'), ''),
      message: /layers could not be kept in .* for a moment: ENOENT/,
    },
    {
      what: 'the disk has too little room for it',
      prepare: () => {
        const { id, diffIds } = hold([randomBytes(1000)]);
        writeFileSync(join(folder, 'inspect'), `${JSON.stringify(diffIds)} 1000000000000000 linux`);
        return id;
      },
      message: /^The disk has only \d.* left, and the image of 1000 TB would pass through it/,
    },
    {
      what: 'it is for Windows',
      prepare: () => hold([randomBytes(1000)], writeBlobs, 'windows').id,
      message: /Layers of Windows may not be copied/,
    },
    {
      what: 'little of it is new',
      prepare: () => {
        const { id, diffIds } = hold([randomBytes(1000)]);
        writeFileSync(join(folder, 'inspect'), `${JSON.stringify(diffIds)} 2000000000 linux`);
        writeFileSync(join(folder, 'history'), '0\n5000000\n1995000000\n');
        return id;
      },
      message: /Only 5\.0 MB of the image's 2\.0 GB were built on its base image/,
    },
  ] as { what: string; prepare: () => string | undefined; message: RegExp }[]) {
    it(`is left to docker's own push when ${what}`, async () => {
      const { id } = hold([randomBytes(900_000)]);
      const other = prepare();
      await assert.rejects(publish(other ?? id), (error: Error) => {
        assert.ok(error instanceof UnreadableImageError, String(error));
        assert.match(error.message, message);
        const complaint = join(folder, 'complaint');
        if (existsSync(complaint)) assert.deepEqual(error.details, [readFileSync(complaint, 'utf8')]);
        return true;
      });
      const client = await fetch(`${registry.url}/v2/${repository}/manifests/1`);
      assert.notEqual(client.status, 200);
    });
  }
});

function writeFolders(files: string, config: Buffer, layers: readonly Buffer[]): string {
  const hex = digestOf(config).slice('sha256:'.length);
  for (const [index, content] of layers.entries()) {
    const folder = join(files, `layer${index}`);
    mkdirSync(folder, { recursive: true });
    writeFileSync(join(folder, 'VERSION'), '1.0');
    writeFileSync(join(folder, 'json'), JSON.stringify({ id: `layer${index}`, os: 'linux' }));
    writeFileSync(join(folder, 'layer.tar'), content);
  }
  writeFileSync(join(files, `${hex}.json`), config);
  const names = layers.map((_, index) => `layer${index}/layer.tar`);
  writeManifest(files, `${hex}.json`, names);
  writeFileSync(join(files, 'repositories'), '{}');
  return `sha256:${hex}`;
}

function writeBlobs(files: string, config: Buffer, layers: readonly Buffer[]): string {
  writeManifest(
    files,
    writeBlob(files, config),
    layers.map((layer) => writeBlob(files, layer)),
  );
  return digestOf(config);
}

/** Such an engine calls an image by the digest of its manifest. */
function writeCompressedBlobs(
  files: string,
  config: Buffer,
  layers: readonly Buffer[],
  compress: (layer: Buffer) => Buffer = (layer) => gzipSync(layer, { level: 6 }),
): string {
  const compressed = layers.map(compress);
  const manifest = Buffer.from(
    JSON.stringify({
      schemaVersion: 2,
      config: { digest: digestOf(config) },
      layers: compressed.map((layer) => ({ digest: digestOf(layer) })),
    }),
  );
  writeBlob(files, manifest);
  writeManifest(
    files,
    writeBlob(files, config),
    compressed.map((layer) => writeBlob(files, layer)),
  );
  return digestOf(manifest);
}

/** Begins as all that zstd has compressed; nobody on the way looks further. */
function asZstd(content: Buffer): Buffer {
  return Buffer.concat([Buffer.from([0x28, 0xb5, 0x2f, 0xfd]), content]);
}

function writeBlob(files: string, content: Buffer): string {
  const path = join('blobs', 'sha256', digestOf(content).slice('sha256:'.length));
  mkdirSync(join(files, 'blobs', 'sha256'), { recursive: true });
  writeFileSync(join(files, path), content);
  return path;
}

function writeManifest(files: string, config: string, layers: readonly string[]): void {
  writeFileSync(
    join(files, 'manifest.json'),
    JSON.stringify([{ Config: config, RepoTags: null, Layers: layers }]),
  );
  writeFileSync(join(files, 'oci-layout'), '{"imageLayoutVersion":"1.0.0"}');
}

function digestOf(content: Buffer): string {
  return `sha256:${createHash('sha256').update(content).digest('hex')}`;
}

function compressible(length: number): Buffer {
  return Buffer.from(randomBytes(length / 2).toString('hex'));
}
