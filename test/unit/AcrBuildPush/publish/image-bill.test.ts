import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { type Registry, startRegistry } from '../../../../local/registry/registry';
import { type Inventory, takeInventory } from '../../../../tasks/AcrBuildPush/bill-of-materials/inventory';
import { LayerPackages } from '../../../../tasks/AcrBuildPush/bill-of-materials/layer-packages';
import type { Layer, RemoteLayer } from '../../../../tasks/AcrBuildPush/image/image';
import { attach } from '../../../../tasks/AcrBuildPush/publish/attach';
import { attachBill, ImageBill } from '../../../../tasks/AcrBuildPush/publish/image-bill';
import { publishImage } from '../../../../tasks/AcrBuildPush/publish/publish-image';
import { RegistryClient } from '../../../../tasks/AcrBuildPush/registry/client';
import { fixedCredentials } from '../../../../tasks/AcrBuildPush/registry/credentials';
import { EarlierImages } from '../../../../tasks/AcrBuildPush/registry/earlier-images';
import { remoteLayer } from '../../../../tasks/AcrBuildPush/registry/pull';
import { findReferrers } from '../../../../tasks/AcrBuildPush/registry/referrers';
import { Uploads } from '../../../../tasks/AcrBuildPush/registry/upload';
import { HttpClient } from '../../../../tasks/common/http';
import { withoutReferrers } from '../../../support/registry-without-referrers';
import {
  debian,
  digestOf,
  gzipped,
  type LayerEntry,
  layerTar,
  localLayer,
  python,
} from '../bill-of-materials/support';
import { capturedLog } from '../support';

const user = { username: 'robot', password: 'pa55-word' };

const BASE = {
  'etc/os-release': 'ID=debian\nVERSION_ID=13\n',
  'var/lib/dpkg/status': debian('libc6', '2.41'),
  'usr/lib/python3/dist-packages/pip-25.0.dist-info/METADATA': python('pip', '25.0'),
};

/** Some bytes, as a disk gives them. */
function* inPieces(content: Buffer, onPiece: (size: number) => void) {
  for (let at = 0; at < content.length; at += 65_536) {
    const piece = content.subarray(at, at + 65_536);
    onPiece(piece.length);
    yield piece;
  }
}

function readableOf(content: Buffer): Readable {
  return Readable.from([content], { objectMode: false });
}

describe('the bill of materials of a step', () => {
  const folder = mkdtempSync(join(tmpdir(), 'bill-'));
  let registry: Registry;
  let intercept: (request: IncomingMessage, response: ServerResponse) => boolean;
  let http: HttpClient;
  let captured: ReturnType<typeof capturedLog>;
  let client: RegistryClient;
  let count = 0;

  before(async () => {
    registry = await startRegistry({
      folder: join(folder, 'registry'),
      ...user,
      intercept: (request, response) => intercept(request, response),
    });
  });
  beforeEach(async () => {
    intercept = () => false;
    captured = capturedLog();
    const network = { proxyFor: () => undefined, tls: {} };
    const { signal } = new AbortController();
    http = new HttpClient({
      log: captured.log,
      signal,
      network,
      userAgent: 'test',
      sleep: async () => undefined,
    });
    client = repository(`models/m${count++}`);
    await client.signIn();
  });
  afterEach(() => http.close());
  after(async () => {
    await registry.stop();
    rmSync(folder, { recursive: true, force: true });
  });

  function repository(name: string): RegistryClient {
    const credentials = fixedCredentials('r', { kind: 'password', ...user, input: 'acrPassword' });
    return new RegistryClient({
      http,
      log: captured.log,
      host: registry.loginServer,
      repository: name,
      credentials,
    });
  }

  /** A layer of another repository, as that of a base image. */
  async function baseLayer(entries: Readonly<Record<string, LayerEntry>>): Promise<RemoteLayer> {
    const home = repository('base');
    await home.signIn();
    const tar = layerTar(entries);
    const blob = gzipped(tar);
    const descriptor = {
      mediaType: 'application/vnd.oci.image.layer.v1.tar+gzip',
      digest: digestOf(blob),
      size: blob.length,
    };
    const source = {
      ...{ name: 'base', size: blob.length, digest: () => descriptor.digest },
      open: () => readableOf(blob),
    };
    await new Uploads(home).send(source, { log: captured.log, signal: new AbortController().signal });
    return remoteLayer(home, descriptor, digestOf(tar));
  }

  /** Publishes an image as a step does, and attaches its bill. */
  async function step(
    layers: readonly Layer[],
    { tag = 'latest', early = true, largest = Number.POSITIVE_INFINITY, noted = [] as Inventory[] } = {},
  ) {
    const { log } = captured;
    const { signal } = new AbortController();
    const earlier = new EarlierImages(client, []);
    await earlier.all();
    const packages = new LayerPackages(log);
    packages.noted.push(...noted);
    const bill = new ImageBill({
      registry: client,
      earlier,
      packages,
      version: '1.2.3',
      log,
      signal,
      largest,
    });
    const place = { registry: client, uploads: new Uploads(client) };
    const config = {
      ...{ os: 'linux', architecture: 'amd64', created: '2026-11-30T00:00:00Z' },
      rootfs: { type: 'layers', diff_ids: layers.map(({ diffId }) => diffId) },
    };
    const image = { config: Buffer.from(JSON.stringify(config)), layers, platform: config };
    if (early) bill.begin(layers);
    const known = new Map();
    const { manifest } = await publishImage(image, place, {
      log,
      signal,
      compression: 'auto',
      known,
      packages,
    });
    const name = `${client.host}/${client.repository}`;
    await attachBill(bill, manifest, { name, base: undefined, model: undefined }, place);
    await client.put(manifest, tag);
    return manifest;
  }

  async function documentsOf(digest: string): Promise<string[]> {
    const listed = await findReferrers(client, digest);
    assert.ok(listed.every(({ artifactType }) => artifactType === 'application/vnd.cyclonedx+json'));
    const manifests = await Promise.all(listed.map((entry) => client.manifest(entry.digest)));
    return Promise.all(
      manifests.map(async ({ layers }) => (await client.blob(layers[0]!.digest)).toString()),
    );
  }

  const namesIn = (document: string): string[] =>
    JSON.parse(document).components.map(({ name }: { name: string }) => name);

  const baseReads = () =>
    registry.requests.filter(({ method, path }) => method === 'GET' && /^\/v2\/.*\/blobs\/sha256/.test(path));

  it('is attached to its image, with what its own layers and those of its base hold', async () => {
    const app = localLayer({
      'app/flask-3.1.dist-info/METADATA': python('Flask', '3.1'),
      'app/model.pkl': randomBytes(10_000_000),
    });
    const { digest } = await step([await baseLayer(BASE), app]);
    const [document, ...more] = await documentsOf(digest);
    assert.equal(more.length, 0);
    assert.deepEqual(namesIn(document!), ['debian', 'libc6', 'Flask', 'pip']);
    assert.equal(JSON.parse(document!).metadata.component.version, digest);
  });

  it('does not read the bytes of a model', async () => {
    const model = localLayer({
      'app/model.pkl': randomBytes(20_000_000),
      'app/x-1.dist-info/METADATA': python('x', '1'),
    });
    const starts: number[] = [];
    let bytes = 0;
    const layer = {
      ...model,
      open(start = 0) {
        starts.push(start);
        return Readable.from(
          inPieces(model.tar.subarray(start), (size) => (bytes += size)),
          { objectMode: false },
        );
      },
    };
    const packages = new LayerPackages(captured.log);
    await packages.read(layer, new AbortController().signal);
    assert.deepEqual([starts.length, starts[1]! > 20_000_000], [2, true]);
    assert.ok(bytes < 3_000_000, `${bytes} bytes were read`);
    assert.ok(packages.known.get(model.diffId)!.files.has('app/x-1.dist-info/METADATA'));
  });

  it('of an image that was there with its bill is not made again', async () => {
    const layers = [await baseLayer(BASE), localLayer({ 'app/model.pkl': 'one' })];
    const { digest } = await step(layers);
    const before = baseReads().length;
    await step(layers);
    assert.equal((await documentsOf(digest)).length, 1);
    const since = baseReads().length - before;
    assert.ok(since <= 5, `${since} blobs were read again`);
  });

  it('takes what it says of the layers below from the bill of an earlier image', async () => {
    const base = await baseLayer(BASE);
    await step([base, localLayer({ 'app/model.pkl': 'one' })]);
    const unreadable = { ...base, open: () => Promise.reject(new Error('the base is read again')) };
    // Its blob is there, too: nobody may ask for it.
    const asked = () =>
      registry.requests.filter(
        ({ method, path }) => method === 'GET' && path.endsWith(base.descriptor.digest),
      ).length;
    const before = asked();
    const { digest } = await step([unreadable, localLayer({ 'app/model.pkl': 'another' })], { tag: '2' });
    assert.equal(asked(), before);
    assert.deepEqual(namesIn((await documentsOf(digest))[0]!), ['debian', 'libc6', 'pip']);
  });

  for (const early of [true, false]) {
    it(`takes what is noted beside the base image, ${early ? 'while' : 'after'} the image is published`, async () => {
      const base = await baseLayer(BASE);
      const packages = new LayerPackages(captured.log);
      await packages.read(base, new AbortController().signal);
      const noted = [takeInventory([base.diffId], packages.known, [])];
      const asked = () =>
        registry.requests.filter(
          ({ method, path }) => method === 'GET' && path.endsWith(base.descriptor.digest),
        ).length;
      const before = asked();
      const app = localLayer({ 'app/flask-3.1.dist-info/METADATA': python('Flask', '3.1') });
      const { digest } = await step([base, app], { noted, early });
      assert.equal(asked(), before);
      assert.deepEqual(namesIn((await documentsOf(digest))[0]!), ['debian', 'libc6', 'Flask', 'pip']);
    });
  }

  it('reads layers that are only in the registry, as those of an engine that were there already', async () => {
    const { digest } = await step([await baseLayer(BASE)], { early: false });
    assert.deepEqual(namesIn((await documentsOf(digest))[0]!), ['debian', 'libc6', 'pip']);
  });

  it('leaves out layers that would take long to fetch, and says so', async () => {
    const app = localLayer({ 'app/flask-3.1.dist-info/METADATA': python('Flask', '3.1') });
    const { digest } = await step([await baseLayer(BASE), app], { largest: 10 });
    const [document] = await documentsOf(digest);
    assert.deepEqual(namesIn(document!), ['Flask']);
    assert.match(document!, /layer 1 of 2: what it holds was not looked at/);
    assert.match(captured.lines.join('\n'), /does not tell of layer 1 of 2/);
  });

  it('goes without a layer that is no tar', async () => {
    const blob = await baseLayer(BASE);
    const broken = { ...blob, open: async () => readableOf(Buffer.from('x'.repeat(2_000))) };
    const { digest } = await step([
      broken,
      localLayer({ 'app/flask-3.1.dist-info/METADATA': python('Flask', '3.1') }),
    ]);
    assert.match((await documentsOf(digest))[0]!, /Flask/);
  });

  it('is found by the tag of its image in a registry that lists none', async () => {
    intercept = withoutReferrers;
    const { digest } = await step([await baseLayer(BASE)]);
    assert.equal((await documentsOf(digest)).length, 1);
  });

  it('is attached beside what somebody else has attached, though that can not be read', async () => {
    const layers = [await baseLayer(BASE)];
    const { digest } = await step(layers);
    const [own] = await findReferrers(client, digest);
    const place = { registry: client, uploads: new Uploads(client) };
    const blob = { name: 'x', mediaType: 'text/plain', content: Buffer.from('no bill') };
    const attachment = { artifactType: 'application/vnd.cyclonedx+json', blobs: [blob] };
    const options = { log: captured.log, signal: new AbortController().signal };
    const manifest = await client.manifest(digest);
    const [other] = await attach(manifest, [attachment], [], place, options);
    intercept = ({ method, url = '' }, response) => {
      // What a list names that somebody has deleted; and the bill itself, so that another is due.
      if (method !== 'GET' || ![own, other].some((one) => url.endsWith(one!.digest))) return false;
      response.writeHead(404).end('{"errors":[{"code":"MANIFEST_UNKNOWN"}]}');
      return true;
    };
    captured.lines.length = 0;
    await step(layers);
    assert.doesNotMatch(captured.lines.join('\n'), /did not take the bill/);
    assert.match(captured.lines.join('\n'), /Attached the bill of materials/);
  });

  it('does not keep the image from its tags where the registry refuses it', async () => {
    let puts = 0;
    intercept = (request, response) => {
      if (request.method === 'PUT' && /manifests\/sha256/.test(request.url ?? '') && ++puts === 2) {
        response.writeHead(400).end('{"errors":[{"code":"MANIFEST_INVALID"}]}');
        return true;
      }
      return false;
    };
    const { digest } = await step([await baseLayer(BASE)]);
    assert.equal((await client.manifest('latest')).digest, digest);
    assert.match(
      captured.lines.join('\n'),
      /##vso.*warning.*did not take the bill of materials of the image/,
    );
  });
});
