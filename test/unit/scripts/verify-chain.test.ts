import assert from 'node:assert/strict';
import { createHash, sign } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { type Registry as LocalRegistry, startRegistry } from '../../../local/registry/registry';
import { walkChain } from '../../../scripts/chain/chain';
import type { Link } from '../../../scripts/chain/link';
import { parseReference, Registry } from '../../../scripts/chain/registry';
import { createManifest, formatManifest } from '../../../tasks/ModelRegistryDownload/folder/manifest';
import { parseTrustedKeys } from '../../../tasks/ModelRegistryDownload/signature/trusted-keys';
import { makeSigningKey, signModel } from '../../support/model-signature';

const MANIFEST = 'application/vnd.oci.image.manifest.v1+json';
const BUNDLE = 'application/vnd.dev.sigstore.bundle.v0.3+json';
const NOTEBOOK = '# Databricks notebook source\nprint("trained")\n';
const SIGNER = makeSigningKey();
const STRANGER = makeSigningKey();
const NOBODY = { keys: [], certificates: [] };

const sha256 = (content: string | Buffer) => createHash('sha256').update(content).digest('hex');

function tar(files: Readonly<Record<string, string | Buffer>>): Buffer {
  const parts = Object.entries(files).map(([path, text]) => {
    const content = Buffer.from(text);
    const header = Buffer.alloc(512);
    header.write(path);
    header.write(content.length.toString(8).padStart(11, '0'), 124);
    header.write('        0', 148);
    header.write('ustar\x0000', 257, 'latin1');
    const sum = header.reduce((total, byte) => total + byte, 0);
    header.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148);
    return Buffer.concat([header, content, Buffer.alloc((512 - (content.length % 512)) % 512)]);
  });
  return gzipSync(Buffer.concat([...parts, Buffer.alloc(1024)]));
}

/** An image with its model, and what is attached to it. */
interface Changes {
  readonly model?: string;
  readonly metadata?: string;
  readonly digest?: string;
  readonly bundle?: boolean;
  readonly upper?: Readonly<Record<string, string>>;
}

describe('the chain from an image to its notebook', () => {
  let folder: string;
  let server: LocalRegistry;
  let isListing: boolean;
  let base: string;
  let authorization: string;
  /** How often a token is good, and the one that was given first. */
  let mostUses: number;
  let firstToken: string | undefined;

  /** Whether a request comes with the first token when that is used up. */
  function isExpired(token: string | undefined): boolean {
    if (!token?.startsWith('Bearer ')) return false;
    firstToken ??= token;
    if (token === firstToken) mostUses -= 1;
    return token === firstToken && mostUses < 0;
  }

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'chain-'));
    isListing = true;
    mostUses = Number.POSITIVE_INFINITY;
    firstToken = undefined;
    server = await startRegistry({
      folder: join(folder, 'registry'),
      username: 'reader',
      password: 'secret',
      intercept: (request, response) => {
        if (isExpired(request.headers.authorization)) {
          const challenge = `Bearer realm="${server.url}/oauth2/token",service="${server.loginServer}"`;
          response.writeHead(401, { 'www-authenticate': challenge }).end();
          return true;
        }
        if (isListing || !/\/referrers\//.test(request.url ?? '')) return false;
        response.writeHead(404).end();
        return true;
      },
    });
    base = `${server.url}/v2/titanic`;
    authorization = `Basic ${Buffer.from('reader:secret').toString('base64')}`;
    await writeFile(join(folder, 'scikit-titanic.py'), NOTEBOOK);
  });
  afterEach(async () => {
    await server.stop();
    await rm(folder, { recursive: true, force: true });
  });

  async function send(method: string, url: string, body?: Buffer, type = 'application/octet-stream') {
    const answer = await fetch(new URL(url, server.url), {
      method,
      headers: { authorization, 'content-type': type },
      ...(body && { body: new Uint8Array(body) }),
    });
    assert.ok(answer.ok, `${method} ${url}: ${answer.status} ${await answer.clone().text()}`);
    return answer;
  }

  async function putBlob(content: Buffer, mediaType: string) {
    const digest = `sha256:${sha256(content)}`;
    const start = await send('POST', `${base}/blobs/uploads/`);
    const place = new URL(start.headers.get('location')!, server.url);
    place.searchParams.set('digest', digest);
    await send('PUT', place.href, content);
    return { mediaType, digest, size: content.length };
  }

  async function putManifest(content: object, name?: string) {
    const body = Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType: MANIFEST, ...content }));
    const digest = `sha256:${sha256(body)}`;
    await send('PUT', `${base}/manifests/${name ?? digest}`, body, MANIFEST);
    return { mediaType: MANIFEST, digest, size: body.length };
  }

  async function attach(subject: object, artifactType: string, content: Buffer) {
    const layer = await putBlob(content, artifactType);
    const config = await putBlob(Buffer.from('{}'), 'application/vnd.oci.empty.v1+json');
    return { ...(await putManifest({ artifactType, config, layers: [layer], subject })), artifactType };
  }

  async function makeImage(changes: Changes = {}) {
    const metadata = JSON.stringify({
      runUrl: 'https://adb-1.azuredatabricks.net/jobs/1/runs/2',
      gitCommit: 'c0ffee',
      trainedAt: '2026-11-23T06:00:00Z',
      notebook: { path: '/Shared/live/scikit-titanic', sha256: sha256(NOTEBOOK) },
    });
    const files = { 'metadata.json': metadata, 'model.pkl': 'the model' };
    const signature = signModel(files, SIGNER.key);
    const manifest = createManifest({
      name: 'titanic',
      version: '1.0.0',
      source: { account: 'a', container: 'titanic', prefix: '1.0.0/', endpoint: 'a.blob' },
      files: Object.entries({ ...files, 'model.sig': signature }).map(([path, content]) => ({
        path,
        size: content.length,
        sha256: sha256(content),
        md5: null,
        etag: 'x',
        lastModified: '2026-11-23T06:00:00.000Z',
      })),
    });
    const inImage = {
      'app/pickles/metadata.json': changes.metadata ?? metadata,
      'app/pickles/model-manifest.json': formatManifest(manifest),
      'app/pickles/model.pkl': changes.model ?? 'the model',
      'app/pickles/model.sig': signature,
    };
    const GZIP = 'application/vnd.oci.image.layer.v1.tar+gzip';
    const layers = [
      await putBlob(tar({ 'etc/os-release': 'ID=debian', 'app/pickles/model.pkl': 'an older one' }), GZIP),
      await putBlob(tar(inImage), GZIP),
      ...(changes.upper ? [await putBlob(tar(changes.upper), GZIP)] : []),
    ];
    const config = await putBlob(Buffer.from('{}'), 'application/vnd.oci.image.config.v1+json');
    const image = await putManifest({ config, layers }, '1.0.0');
    const statement = Buffer.from(
      JSON.stringify({
        _type: 'https://in-toto.io/Statement/v1',
        subject: [{ name: 'titanic', digest: { sha256: image.digest.slice(7) } }],
        predicateType: 'https://slsa.dev/provenance/v1',
        predicate: {
          buildDefinition: {
            resolvedDependencies: [
              { name: 'source', uri: 'git+https://example.com/models', digest: { gitCommit: 'c0ffee' } },
              { name: 'model', digest: { sha256: changes.digest ?? manifest.digest.slice(7) } },
              { name: 'training', digest: { sha256: sha256(metadata) } },
            ],
          },
        },
      }),
    );
    const type = 'application/vnd.in-toto+json';
    const signed = Buffer.concat([
      Buffer.from(`DSSEv1 ${type.length} ${type} ${statement.length} `),
      statement,
    ]);
    const bundle = {
      mediaType: BUNDLE,
      verificationMaterial: { publicKey: { hint: '' } },
      dsseEnvelope: {
        payload: statement.toString('base64'),
        payloadType: type,
        signatures: [{ sig: sign('sha256', signed, SIGNER.key).toString('base64') }],
      },
    };
    const attached = changes.bundle
      ? await attach(image, BUNDLE, Buffer.from(JSON.stringify(bundle)))
      : await attach(image, type, statement);
    return { image, attached };
  }

  function walk(options: Partial<Parameters<typeof walkChain>[2]> = {}): Promise<readonly Link[]> {
    const reference = parseReference(`${server.loginServer}/titanic:1.0.0`);
    const registry = new Registry(reference, { username: 'reader', password: 'secret' });
    const all = { imageKeys: NOBODY, modelKeys: NOBODY, sources: undefined, ...options };
    return walkChain(registry, reference.version, all);
  }
  const states = (links: readonly Link[]) =>
    Object.fromEntries(links.map(({ what, state }) => [what, state]));
  const wrong = (links: readonly Link[]) =>
    links.filter(({ state }) => state === 'wrong').map(({ what, detail }) => `${what}: ${detail}`);

  it('is verified from end to end where keys and sources are given', async () => {
    await makeImage({ bundle: true });
    const trusted = parseTrustedKeys(SIGNER.publicKey);
    const links = await walk({ imageKeys: trusted, modelKeys: trusted, sources: folder });
    assert.deepEqual(states(links), {
      image: 'verified',
      provenance: 'verified',
      'bill of materials': 'missing',
      source: 'stated',
      model: 'verified',
      'model signature': 'verified',
      training: 'verified',
      notebook: 'verified',
    });
  });

  it('is walked to its end where a token expires on the way', async () => {
    await makeImage({ bundle: true });
    mostUses = 2;
    const links = await walk();
    assert.deepEqual(wrong(links), []);
    assert.equal(states(links).model, 'verified');
    assert.ok(mostUses < 0);
  });

  it('is found by the tag of a registry that lists nothing', async () => {
    const { image, attached } = await makeImage();
    isListing = false;
    const index = {
      mediaType: 'application/vnd.oci.image.index.v1+json',
      schemaVersion: 2,
      manifests: [attached],
    };
    await send(
      'PUT',
      `${base}/manifests/${image.digest.replace(':', '-')}`,
      Buffer.from(JSON.stringify(index)),
      index.mediaType,
    );
    assert.equal(states(await walk()).provenance, 'stated');
  });

  it('proves nothing with the keys of others', async () => {
    await makeImage({ bundle: true });
    const trusted = parseTrustedKeys(STRANGER.publicKey);
    const faults = wrong(await walk({ imageKeys: trusted, modelKeys: trusted }));
    assert.match(faults.join('\n'), /provenance: .*signed with none of the given keys/);
    assert.match(faults.join('\n'), /model signature: was not made with any key/);
  });

  const CASES: readonly [what: string, changes: Changes, fault: RegExp][] = [
    [
      'a model that was changed in the image',
      { model: 'another' },
      /^model: .*not what its manifest lists: model\.pkl/,
    ],
    [
      'a model that a later layer replaces',
      { upper: { 'app/pickles/model.pkl': 'another!!' } },
      /not what its manifest lists: model\.pkl/,
    ],
    [
      'another model than the provenance names',
      { digest: 'a'.repeat(64) },
      /the provenance names another one/,
    ],
    ['metadata that were changed', { metadata: '{}' }, /metadata\.json/],
  ];
  for (const [what, changes, fault] of CASES) {
    it(`shows ${what}`, async () => {
      await makeImage(changes);
      const faults = wrong(await walk({ modelKeys: parseTrustedKeys(SIGNER.publicKey) }));
      assert.match(faults.join('\n'), fault);
      assert.match(faults.join('\n'), /signature|provenance/);
    });
  }

  it('shows a second provenance that names another model than the image has', async () => {
    const { image } = await makeImage();
    const { attached } = await makeImage({ digest: 'a'.repeat(64) });
    assert.ok(attached);
    const faults = wrong(await walk());
    assert.match(faults.join('\n'), /the provenance names another one, sha256:aaaa/, image.digest);
  });

  it('shows that the model is gone which the provenance names', async () => {
    await makeImage({ upper: { 'app/.wh.pickles': '' } });
    assert.match(wrong(await walk()).join('\n'), /model: the provenance names one, but no layer/);
  });

  it('is walked for every platform of an image, and says which', async () => {
    const { image } = await makeImage();
    const { image: other } = await makeImage({ model: 'another' });
    const platforms = [
      { ...image, platform: { os: 'linux', architecture: 'amd64' } },
      { ...other, platform: { os: 'linux', architecture: 'arm64', variant: 'v8' } },
      { ...image, platform: { os: 'unknown', architecture: 'unknown' } },
    ];
    const index = {
      mediaType: 'application/vnd.oci.image.index.v1+json',
      schemaVersion: 2,
      manifests: platforms,
    };
    const url = `${base}/manifests/1.0.0`;
    await send('PUT', url, Buffer.from(JSON.stringify(index)), index.mediaType);
    const links = await walk();
    assert.match(links[0]!.detail, /, for linux\/amd64, linux\/arm64\/v8$/);
    const { 'model (linux/amd64)': one, 'model (linux/arm64/v8)': two, training } = states(links);
    assert.deepEqual([one, two, training], ['verified', 'wrong', 'stated']);
  });

  it('says what is not there', async () => {
    const config = await putBlob(Buffer.from('{}'), 'application/vnd.oci.image.config.v1+json');
    await putManifest({ config, layers: [] }, '1.0.0');
    assert.deepEqual(states(await walk()), {
      image: 'verified',
      provenance: 'missing',
      'bill of materials': 'missing',
      model: 'missing',
    });
  });

  it('takes whole names only', () => {
    for (const name of ['titanic', 'titanic:1', 'r.azurecr.io/titanic', 'https://r.azurecr.io/a:1'])
      assert.throws(() => parseReference(name), /no whole name/);
    assert.equal(
      parseReference(`r.azurecr.io/a/b:1@sha256:${'0'.repeat(64)}`).version,
      `sha256:${'0'.repeat(64)}`,
    );
  });
});
