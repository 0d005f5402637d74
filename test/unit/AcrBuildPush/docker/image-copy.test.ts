import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { Server } from 'node:net';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { gzipSync } from 'node:zlib';
import { ArrivingLayers } from '../../../../tasks/AcrBuildPush/docker/arriving-layers';
import { DockerCli, NoEngineError } from '../../../../tasks/AcrBuildPush/docker/cli';
import { UnreadableImageError } from '../../../../tasks/AcrBuildPush/docker/engine';
import { copyImage, type EngineCopyRequest } from '../../../../tasks/AcrBuildPush/docker/image-copy';
import { removeForgottenName } from '../../../../tasks/AcrBuildPush/docker/pushed-name';
import type { Layer } from '../../../../tasks/AcrBuildPush/image/image';
import { CancelledError } from '../../../../tasks/common/errors';
import { capturedLog, fakeDocker } from '../support';

/** A docker whose engine holds one image, and notes what it is asked for. */
const DOCKER = `
echo "$*" >> "$LAB/calls"
echo "$1 $DOCKER_CONTENT_TRUST" >> "$LAB/trust"
case "$1 $2" in
"info "*) cat "$LAB/info";;
"image inspect") cat "$LAB/names";;
"image tag") exit "$(cat "$LAB/tag")";;
"push --quiet") exec "${process.execPath}" "$LAB/push.mjs" "$3";;
save*) exit 9;;
esac`;

/**
 * What containerd asks a registry for in a push, as it was seen on the line: TLS first, then each blob by a look, the
 * beginning of an upload, and one request with all of it; the manifest comes last. Before 2.2, as in Docker 25 to 29.0,
 * containerd takes no answer to a blob that does not tell its digest.
 */
const PUSH = `
import { readFileSync } from 'node:fs';
import { request } from 'node:http';
import { connect } from 'node:tls';
const [host, name] = [process.argv[2].split('/')[0], process.argv[2].split('/')[1].split(':')[0]];
const { blobs, manifest, others, wrong, stranger, hangs, breaks } = JSON.parse(readFileSync(process.env.LAB + '/push.json', 'utf8'));
const [address, port] = host.split(':');
await new Promise((resolve) => connect({ host: address, port: Number(port) }).on('error', resolve));
const base = 'http://' + host + '/v2/' + (stranger ?? name) + '/';
const must = (answer, status) => { if (answer.status !== status) { console.error('HTTP ' + answer.status); process.exit(1); } return answer; };
// Somebody else on this machine looks who is there.
must(await fetch('http://' + host + '//'), 404);
await Promise.all(blobs.map(async ({ digest, path }) => {
  const look = await fetch(base + 'blobs/' + digest, { method: 'HEAD' });
  if (look.status === 200) return;
  must(look, 404);
  const begun = must(await fetch(base + 'blobs/uploads/', { method: 'POST' }), 202);
  const place = new URL(begun.headers.get('location'), base);
  place.searchParams.set('digest', digest);
  const body = readFileSync(path);
  if (wrong === digest) body[0] ^= 1;
  if (breaks === digest) {
    const broken = request(place, { method: 'PUT', headers: { 'content-length': body.length } }).on('error', () => {});
    broken.write(body.subarray(0, 1_000_000));
    await new Promise((resolve) => setTimeout(resolve, 200));
    broken.destroy();
    await new Promise((resolve) => setTimeout(resolve, 200));
    console.error('it is out of reach');
    process.exit(1);
  }
  const taken = must(await fetch(place, { method: 'PUT', body }), 201);
  if (taken.headers.get('docker-content-digest') === digest) return;
  console.error('invalid content digest in response');
  process.exit(1);
}));
for (const { path, type, digest } of others ?? []) {
  must(await fetch(base + 'manifests/' + digest, { method: 'PUT', body: readFileSync(path), headers: { 'content-type': type } }), 201);
}
if (hangs) await new Promise((resolve) => setTimeout(resolve, 60_000));
const body = readFileSync(manifest.path);
const put = must(await fetch(base + 'manifests/image', { method: 'PUT', body, headers: { 'content-type': manifest.type } }), 201);
if (put.headers.get('docker-content-digest') !== manifest.digest) process.exit(1);
`;

const MANIFEST = 'application/vnd.oci.image.manifest.v1+json';

describe('a copy of an image of an engine', () => {
  let folder: string;
  let settings: Record<string, unknown>;
  let image: { id: string; diffIds: string[]; config: Buffer; contents: Buffer[] };

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'image-copy-'));
    mkdirSync(join(folder, 'layers'));
    writeFileSync(join(folder, 'push.mjs'), PUSH);
    writeFileSync(join(folder, 'names'), '1\n');
    writeFileSync(join(folder, 'tag'), '0');
    describeEngine();
    hold([
      { content: randomBytes(3_000_000), isCompressed: false },
      { content: randomBytes(40_000), isCompressed: true },
    ]);
  });
  afterEach(() => rmSync(folder, { recursive: true, force: true }));

  function describeEngine(driver = 'io.containerd.snapshotter.v1', host = hostname()): void {
    writeFileSync(join(folder, 'info'), `[["driver-type","${driver}"]] "${host}"\n`);
  }

  function hold(layers: readonly { content: Buffer; isCompressed: boolean }[]): void {
    const blobs: { digest: string; path: string }[] = [];
    const keep = (content: Buffer) => {
      const digest = digestOf(content);
      const path = join(folder, digest.slice(7));
      writeFileSync(path, content);
      if (!blobs.some((blob) => blob.digest === digest)) blobs.push({ digest, path });
      return { digest, size: content.length, path };
    };
    const contents = layers.map(({ content, isCompressed }) => (isCompressed ? gzipSync(content) : content));
    const diffIds = layers.map(({ content }) => digestOf(content));
    const config = Buffer.from(
      JSON.stringify({ os: 'linux', architecture: 'amd64', rootfs: { type: 'layers', diff_ids: diffIds } }),
    );
    const descriptor = (content: Buffer, mediaType: string) => {
      const { digest, size } = keep(content);
      return { mediaType, digest, size };
    };
    const body = Buffer.from(
      JSON.stringify({
        schemaVersion: 2,
        mediaType: MANIFEST,
        config: descriptor(config, 'application/vnd.oci.image.config.v1+json'),
        layers: contents.map((content) => descriptor(content, 'application/vnd.oci.image.layer.v1.tar')),
      }),
    );
    const path = join(folder, 'manifest');
    writeFileSync(path, body);
    const id = digestOf(body);
    settings = { blobs, manifest: { path, type: MANIFEST, digest: id } };
    image = { id, diffIds, config, contents };
  }

  function write(content: string): { digest: string; path: string } {
    const digest = digestOf(Buffer.from(content));
    const path = join(folder, digest.slice(7));
    writeFileSync(path, content);
    return { digest, path };
  }

  /** Takes the image out of the engine, and reads its layers. */
  async function copy(options: Partial<EngineCopyRequest> = {}, Cli = DockerCli) {
    writeFileSync(join(folder, 'push.json'), JSON.stringify(settings));
    writeFileSync(join(folder, 'calls'), '');
    const { log } = capturedLog();
    const signal = options.signal ?? new AbortController().signal;
    const env = { ...fakeDocker(folder, DOCKER), LAB: folder, DOCKER_CONTENT_TRUST: '1' };
    const docker = new Cli({ env, signal, log });
    const given: { layer: Layer; content: Promise<Buffer> }[] = [];
    const request: EngineCopyRequest = {
      id: image.id,
      diffIds: image.diffIds,
      folder: join(folder, 'layers'),
      host: 'r.example',
      repository: 'models',
      isWanted: () => true,
      onLayer(layer) {
        const content = Promise.resolve(layer.open(0)).then(buffer);
        // It is awaited when all have arrived.
        content.catch(() => undefined);
        given.push({ layer, content });
      },
      size: 60_000_000,
      isPart: false,
      log,
      ...options,
      signal,
    };
    const taken = await copyImage(docker, request);
    const contents = await Promise.all(given.map(({ content }) => content));
    await taken.close();
    return { ...taken, layers: given.map(({ layer }) => layer), contents };
  }

  const calls = () => readFileSync(join(folder, 'calls'), 'utf8').split('\n').filter(Boolean);
  const commands = () => calls().map((call) => call.split(' ')[0]);

  it("comes by a push out of containerd's store, byte for byte, and leaves no name behind", async () => {
    const { config, command, layers, contents } = await copy();
    assert.equal(command, 'docker push');
    assert.deepEqual(config, image.config);
    const order = image.diffIds.map((diffId) => layers.findIndex((layer) => layer.diffId === diffId));
    assert.deepEqual(
      order.map((index) => contents[index]),
      image.contents,
    );
    assert.deepEqual(
      order.map((index) => layers[index]!.kind),
      ['local', 'remote'],
    );
    const name = calls()
      .find((call) => call.startsWith('push'))!
      .split(' ')[2]!;
    assert.match(name, /^127\.0\.0\.1:\d+\/model-pipelines-step:image$/);
    assert.ok(calls().includes(`image tag ${image.id} ${name}`));
    assert.equal(calls().at(-1), `image rm ${name}`);
    assert.ok(!commands().includes('save'));
    await assert.rejects(fetch(`http://${name.split('/')[0]}/v2/`), 'nobody listens any more');
  });

  it('has no layer sent that is not wanted, nor one twice', async () => {
    const unwanted = randomBytes(2_000_000);
    // It begins like a document.
    const wanted = Buffer.concat([Buffer.from('{'), randomBytes(1_000_000)]);
    hold([unwanted, wanted, wanted].map((content) => ({ content, isCompressed: false })));
    const { contents } = await copy({ isWanted: (digest) => digest !== digestOf(unwanted) });
    assert.deepEqual(contents, [wanted]);
  });

  for (const [why, prepare, options] of [
    ['an engine with a store of its own', () => describeEngine('overlay2'), {}],
    [
      'an engine that is elsewhere',
      () => describeEngine('io.containerd.snapshotter.v1', 'another-machine'),
      {},
    ],
    ['an engine that says nothing of itself', () => writeFileSync(join(folder, 'info'), ''), {}],
    ['an engine of a small image', () => undefined, { size: 40_000_000 }],
    [
      'an engine that would forget it with its only name',
      () => writeFileSync(join(folder, 'names'), '0'),
      {},
    ],
  ] as [string, () => void, Partial<EngineCopyRequest>][]) {
    it(`comes by docker save out of ${why}`, async () => {
      prepare();
      await assert.rejects(copy(options), /'docker save' .*/);
      assert.ok(commands().includes('save'));
      assert.ok(!commands().includes('push'));
    });
  }

  for (const [why, prepare] of [
    ['can give it no name', () => writeFileSync(join(folder, 'tag'), '1')],
    ['does not reach this step', () => writeFileSync(join(folder, 'push.mjs'), 'process.exit(1)')],
    [
      'asks for another name than it was told',
      () => {
        settings = { ...settings, stranger: 'library' };
      },
    ],
  ] as [string, () => void][]) {
    it(`comes by docker save where the engine ${why}`, async () => {
      prepare();
      await assert.rejects(copy(), /'docker save' .*/);
      assert.deepEqual(commands().slice(-2), ['save', 'image']);
    });
  }

  it('comes by docker save out of an engine that does not say in time what it is', async () => {
    class Slow extends DockerCli {
      override async capture(args: readonly string[], timeout: number) {
        if (args[0] === 'info') throw new NoEngineError('Docker did not answer.');
        return super.capture(args, timeout);
      }
    }
    await assert.rejects(copy({}, Slow), /'docker save' .*/);
  });

  it('comes by docker save where nothing may listen', async () => {
    const { listen } = Server.prototype;
    Server.prototype.listen = function (this: Server) {
      process.nextTick(() => this.emit('error', new Error('listen EPERM')));
      return this;
    };
    try {
      await assert.rejects(copy(), /'docker save' .*/);
    } finally {
      Server.prototype.listen = listen;
    }
  });

  it('keeps the only name of a part until docker save has it', async () => {
    writeFileSync(join(folder, 'push.mjs'), 'process.exit(1)');
    await assert.rejects(copy({ isPart: true }), /'docker save' .*/);
    assert.deepEqual(commands().slice(-2), ['save', 'image']);
  });

  it('is signed by nobody on its way to the step', async () => {
    await copy();
    assert.match(readFileSync(join(folder, 'trust'), 'utf8'), /^push 0$/m);
  });

  it('may be a list of images with notes on how it was built', async () => {
    const type = 'application/vnd.oci.image.index.v1+json';
    const { manifest } = settings as { manifest: { path: string; type: string; digest: string } };
    const size = readFileSync(manifest.path).length;
    const one = { mediaType: MANIFEST, digest: manifest.digest, size };
    const index = write(JSON.stringify({ schemaVersion: 2, mediaType: type, manifests: [one] }));
    settings = { ...settings, others: [manifest], manifest: { ...index, type } };
    image = { ...image, id: index.digest };
    const { config } = await copy();
    assert.deepEqual(config, image.config);
  });

  it('has its own configuration, whatever somebody else on this machine sends', async () => {
    const { manifest, blobs } = settings as { manifest: { path: string }; blobs: object[] };
    const forged = JSON.stringify({
      ...JSON.parse(image.config.toString()),
      config: { Entrypoint: ['/evil'] },
    });
    const config = write(forged);
    const { mediaType } = JSON.parse(readFileSync(manifest.path, 'utf8')).config;
    const other = { ...JSON.parse(readFileSync(manifest.path, 'utf8')) };
    other.config = { mediaType, digest: config.digest, size: forged.length };
    const others = [{ ...write(JSON.stringify(other)), type: MANIFEST }];
    settings = { ...settings, others, blobs: [...blobs, config] };
    const taken = await copy();
    assert.deepEqual(taken.config, image.config);
  });

  it('says why the engine left off', async () => {
    settings = { ...settings, breaks: image.diffIds[0] };
    await assert.rejects(copy(), (error: UnreadableImageError) => {
      assert.match(`${error.message} ${error.details}`, /it is out of reach/);
      return true;
    });
  });

  it('is not whole while one of its layers is still coming', async () => {
    const layers = new ArrivingLayers({
      ...{ id: image.id, diffIds: image.diffIds.slice(0, 1), folder: join(folder, 'layers') },
      ...{ host: 'r.example', repository: 'models', isWanted: () => true, onLayer: () => undefined },
      signal: new AbortController().signal,
    });
    const [diffId] = image.diffIds as [string];
    await layers.take(diffId, 10, diffId)!(Buffer.alloc(5));
    const config = Buffer.from(JSON.stringify({ rootfs: { type: 'layers', diff_ids: [diffId] } }));
    const listed = [{ key: diffId, digest: diffId }];
    assert.throws(() => layers.complete(config, listed), /it lacks sha256:/);
    await layers.close();
  });

  it('is pushed though it has no name where it is but a part of what is built', async () => {
    writeFileSync(join(folder, 'names'), '0');
    const { contents } = await copy({ isPart: true });
    assert.equal(contents.length, 2);
  });

  for (const [what, prepare, message] of [
    [
      'other bytes of a layer',
      () => {
        settings = { ...settings, wrong: image.diffIds[0] };
      },
      /What 'docker push' gave could not be read: it has other bytes of sha256:/,
    ],
    [
      'another image',
      () => {
        image = { ...image, id: `sha256:${'0'.repeat(64)}` };
      },
      /it holds another image than sha256:0+/,
    ],
  ] as [string, () => void, RegExp][]) {
    it(`is not believed where the engine gives ${what}`, async () => {
      prepare();
      await assert.rejects(copy(), (error: Error) => {
        assert.ok(error instanceof UnreadableImageError, String(error));
        assert.match(error.message, message);
        return true;
      });
      assert.equal(commands().at(-1), 'image');
    });
  }

  it('leaves its name to the end of the job where the step is killed, which takes away no other', async () => {
    const names: string[] = [];
    await copy({ onName: (name) => names.push(name) });
    writeFileSync(join(folder, 'calls'), '');
    const { lines, log } = capturedLog();
    const env = { ...fakeDocker(folder, DOCKER), LAB: folder };
    const variable = 'VSTS_TASKVARIABLE_IMAGEPUSHEDHERE';
    for (const name of [
      '',
      'titanic:1',
      '--force',
      `${names[0]} titanic`,
      'r.example/model-pipelines-step:image',
    ])
      await removeForgottenName({ ...env, [variable]: name }, log);
    assert.deepEqual(calls(), []);
    await removeForgottenName({ ...env, [variable]: names[0] }, log);
    assert.deepEqual(calls(), [`image rm ${names[0]}`]);
    assert.equal(lines.at(-1), `Removed the name ${names[0]} of an image, which the step left.`);
  });

  it('is left, and its name removed, when the step is cancelled', async () => {
    settings = { ...settings, hangs: true };
    const cancel = new AbortController();
    const onLayer = () => cancel.abort();
    await assert.rejects(copy({ signal: cancel.signal, onLayer }), CancelledError);
    assert.match(calls().at(-1)!, /^image rm 127\.0\.0\.1:/);
  });
});

function digestOf(content: Buffer): string {
  return `sha256:${createHash('sha256').update(content).digest('hex')}`;
}
