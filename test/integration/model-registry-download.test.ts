import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ContainerClient, ContainerSASPermissions, StorageSharedKeyCredential } from '@azure/storage-blob';
import type { StepRecord } from '../../local/agent/agent';
import { type Azurite, startAzurite } from '../../local/azurite';
import { errorsOf, runStep } from '../support/extension';

describe('ModelRegistryDownload on Azurite', function () {
  this.timeout(60_000);
  let azurite: Azurite;
  let registry: ContainerClient;
  let workspace: string;
  let destination: string;
  const model = randomBytes(12 * 1024 * 1024);

  before(async () => {
    azurite = await startAzurite();
    registry = new ContainerClient(
      `${azurite.blobEndpoint}/titanic`,
      new StorageSharedKeyCredential(azurite.account, azurite.key),
    );
    await registry.create();
    await publish('1.0.0', {
      'model.pkl': model,
      'lookup.pkl': 'lookup',
      'data/flags.pkl': 'flags',
      'empty.txt': '',
      'metadata.json': JSON.stringify({ metrics: { accuracy: 0.78 }, rows: 2201 }),
    });
    await publish('1.1.0', { 'model.pkl': 'the next model', 'metadata.json': '{}' });
    await publish('1.2.0-rc.1', { 'model.pkl': 'a candidate', 'metadata.json': '{}' });
    await publish('1.2.0', { 'model.pkl': 'half of a model' });
  });

  after(() => azurite.stop());

  beforeEach(async () => {
    workspace = await mkdtemp(join(tmpdir(), 'download-'));
    destination = join(workspace, 'pickles');
  });

  afterEach(() => rm(workspace, { recursive: true, force: true }));

  async function publish(version: string, files: Record<string, string | Buffer>) {
    for (const [path, content] of Object.entries(files)) {
      const blob = registry.getBlockBlobClient(`${version}/${path}`);
      await blob.upload(content, Buffer.byteLength(content));
    }
  }

  function download(inputs: Record<string, string> = {}): Promise<StepRecord> {
    return runStep('ModelRegistryDownload', {
      storageAccount: azurite.account,
      storageKey: azurite.key,
      blobEndpoint: azurite.blobEndpoint,
      modelName: 'titanic',
      modelVersion: '1.0.0',
      destinationFolder: destination,
      ...inputs,
    });
  }

  it('brings a version with small, big and empty files', async () => {
    const step = await download({ requiredFiles: 'model.pkl\nmetadata.json' });
    assert.equal(step.result, 'Succeeded', step.log.join('\n'));
    assert.deepEqual((await readdir(destination, { recursive: true })).sort(), [
      'data',
      'data/flags.pkl',
      'empty.txt',
      'lookup.pkl',
      'metadata.json',
      'model-manifest.json',
      'model.pkl',
    ]);
    assert.ok(model.equals(await readFile(join(destination, 'model.pkl'))));
    assert.equal(step.outputVariables.modelVersion, '1.0.0');
    assert.equal(step.outputVariables.fileCount, '5');
    assert.equal(step.outputVariables.downloadedBytes, step.outputVariables.totalBytes);
    assert.equal(step.summaries[0]?.name, 'titanic 1.0.0.md');
  });

  it('downloads nothing the second time, and the difference the third', async () => {
    await download();
    const second = await download();
    assert.equal(second.outputVariables.downloadedBytes, '0');
    const third = await download({ modelVersion: '1.1.0' });
    assert.equal(third.outputVariables.downloadedBytes, '16');
    assert.deepEqual((await readdir(destination)).sort(), [
      'metadata.json',
      'model-manifest.json',
      'model.pkl',
    ]);
    assert.notEqual(third.outputVariables.modelDigest, second.outputVariables.modelDigest);
  });

  /** A signature for the container. */
  async function signature(permissions: string, minutes: number): Promise<string> {
    const url = await registry.generateSasUrl({
      permissions: ContainerSASPermissions.parse(permissions),
      startsOn: new Date(Date.now() - 60 * 60_000),
      expiresOn: new Date(Date.now() + minutes * 60_000),
    });
    return new URL(url).search;
  }

  const signIns: [how: string, inputs: () => Promise<Record<string, string>>][] = [
    ['a shared access signature', async () => ({ authType: 'sasToken', sasToken: await signature('rl', 5) })],
    [
      'a connection string',
      async () => ({
        authType: 'connectionString',
        storageAccount: '',
        blobEndpoint: '',
        connectionString: `DefaultEndpointsProtocol=http;AccountName=${azurite.account};AccountKey=${azurite.key};BlobEndpoint=${azurite.blobEndpoint};`,
      }),
    ],
    [
      'a connection string that holds a signature',
      async () => ({
        authType: 'connectionString',
        storageAccount: '',
        blobEndpoint: '',
        connectionString: `BlobEndpoint=${azurite.blobEndpoint};SharedAccessSignature=${(await signature('rl', 5)).slice(1)}`,
      }),
    ],
  ];
  for (const [how, inputs] of signIns) {
    it(`signs in with ${how}, which it shows nowhere`, async () => {
      const given = { storageKey: '', ...(await inputs()) };
      const step = await download(given);
      assert.equal(step.result, 'Succeeded', step.log.join('\n'));
      assert.equal(step.outputVariables.fileCount, '5');
      const secret = /(?:sig|AccountKey)=([^&;]+)/.exec(Object.values(given).join())![1]!;
      for (const form of [secret, decodeURIComponent(secret)])
        assert.ok(!JSON.stringify(step).includes(form));
    });
  }

  it('says that a signature has expired, and when', async () => {
    const step = await download({
      authType: 'sasToken',
      storageKey: '',
      sasToken: await signature('rl', -30),
    });
    assert.match(errorsOf(step), /signature in 'sasToken': it expired at 20/);
  });

  const choices: [inputs: Record<string, string>, version: string][] = [
    [{ modelVersion: 'latest', requiredFiles: 'metadata.json' }, '1.1.0'],
    [{ modelVersion: '1.0.x' }, '1.0.0'],
    [{ modelVersion: '>=1.0.0', includePrereleases: 'true', requiredFiles: 'metadata.json' }, '1.2.0-rc.1'],
    [{ modelVersion: '1.2.0' }, '1.2.0'],
  ];
  for (const [inputs, version] of choices) {
    it(`takes ${version} for ${Object.values(inputs).join(', ')}`, async () => {
      const step = await download(inputs);
      assert.equal(step.outputVariables.modelVersion, version, step.log.join('\n'));
    });
  }

  it('takes names with spaces, signs and other letters', async () => {
    const names = ['a b.txt', 'ünï.txt', '#1.txt', '100%25.txt', 'a+b&c=d.txt', '.hidden'];
    await publish('names', Object.fromEntries(names.map((name) => [name, name])));
    const step = await download({ modelVersion: 'names' });
    assert.equal(step.result, 'Succeeded', step.log.join('\n'));
    for (const name of names) assert.equal(await readFile(join(destination, name), 'utf8'), name);
  });

  it('refuses names that the client library would turn into other names', async () => {
    await publishAsIs('hostile/../../evil.txt', 'evil');
    const step = await download({ modelVersion: 'hostile' });
    assert.match(errorsOf(step), /cannot be written safely/);
    assert.deepEqual(await readdir(workspace), []);
  });

  const failures: [what: string, inputs: () => Record<string, string>, message: RegExp][] = [
    [
      'a wrong key',
      () => ({ storageKey: randomBytes(64).toString('base64') }),
      /refused the key in 'storageKey'/,
    ],
    ['a container that is not there', () => ({ modelName: 'batcomputer' }), /has no container 'batcomputer'/],
    ['a version that is not there', () => ({ modelVersion: '1.0.1' }), /no version '1\.0\.1'.*'1\.0\.0'/],
    [
      'a version that is not complete',
      () => ({ modelVersion: '1.2.0', requiredFiles: 'metadata.json' }),
      /'1\.2\.0' is not complete: it lacks 'metadata\.json', which 'requiredFiles' asks for/,
    ],
    ['a variable that is not there', () => ({ storageKey: '$(storage-key)' }), /no variable 'storage-key'/],
    [
      'an empty destination',
      () => ({ destinationFolder: '' }),
      /'destinationFolder' is empty, or is the sources/,
    ],
  ];
  for (const [what, inputs, message] of failures) {
    it(`says what is wrong with ${what}, and writes nothing`, async () => {
      const step = await download(inputs());
      assert.equal(step.result, 'Failed');
      assert.match(errorsOf(step), message);
      assert.equal(step.issues.length, 1);
      assert.deepEqual(await readdir(workspace), []);
    });
  }

  it('shows the key nowhere', async () => {
    const step = await download();
    assert.ok(!step.log.join('\n').includes(azurite.key));
  });

  /** Stores a blob whose name has dots between slashes: the library, as every browser, would resolve them. */
  async function publishAsIs(name: string, content: string): Promise<void> {
    const signed = new URL(
      await registry.generateSasUrl({
        permissions: ContainerSASPermissions.parse('cw'),
        expiresOn: new Date(Date.now() + 60_000),
      }),
    );
    const put = request({
      host: signed.hostname,
      port: signed.port,
      method: 'PUT',
      path: `${signed.pathname}/${name}${signed.search}`,
      headers: { 'x-ms-blob-type': 'BlockBlob', 'Content-Length': content.length },
    });
    put.end(content);
    const [response] = await once(put, 'response');
    response.resume();
    assert.equal(response.statusCode, 201);
  }
});
