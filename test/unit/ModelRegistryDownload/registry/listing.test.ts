import assert from 'node:assert/strict';
import { createLogger } from '../../../../tasks/common/log';
import { openContainer } from '../../../../tasks/ModelRegistryDownload/registry/client';
import { listFiles, listVersions } from '../../../../tasks/ModelRegistryDownload/registry/listing';
import { type Connection, connect } from '../../../../tasks/ModelRegistryDownload/registry/persist';
import { BlobServer } from '../../../support/blob-server';
import { impatient } from '../support';

describe('the listing of a version', () => {
  let server: BlobServer;
  let container: ReturnType<typeof openContainer>;
  const log = createLogger(() => {});
  let connection: Connection;

  beforeEach(async () => {
    connection = connect(log, new AbortController().signal, impatient());
    server = await BlobServer.start();
    server.createContainer('titanic');
    container = openContainer({
      account: server.account,
      credential: server.credential,
      endpoint: server.endpoint,
      container: 'titanic',
      network: { proxyFor: () => undefined, tls: {} },
    });
  });

  afterEach(async () => {
    container.close();
    await server.stop();
  });

  const paths = async () => (await listFiles(container, '1.0.0/', connection)).map(({ path }) => path);

  it('goes on over all pages', async () => {
    server.pageSize = 3;
    const names = Array.from({ length: 10 }, (_, n) => `file-${n}`);
    for (const name of names) server.put('titanic', `1.0.0/${name}`, name);
    assert.deepEqual(await paths(), names);
    assert.equal(server.requests.length, 4);
  });

  it('tells what each file is', async () => {
    server.put('titanic', '1.0.0/model.pkl', 'abc', { tier: 'Cool', etag: '0xABC' });
    const [file] = await listFiles(container, '1.0.0/', connection);
    assert.deepEqual(file, {
      path: 'model.pkl',
      name: '1.0.0/model.pkl',
      size: 3,
      etag: '0xABC',
      md5: '900150983cd24fb0d6963f7d28e17f72',
      lastModified: new Date('2026-11-23T06:00:00Z'),
      tier: 'Cool',
      rehydration: undefined,
      isFolder: false,
    });
  });

  it('does not take in versions whose names begin alike', async () => {
    for (const version of ['1.0.0', '1.0.0-rc1', '1.0.01'])
      server.put('titanic', `${version}/${version}.pkl`, 'x');
    assert.deepEqual(await paths(), ['1.0.0.pkl']);
  });

  it('passes over the stubs of folders', async () => {
    server.put('titanic', '1.0.0', '', { metadata: { hdi_isfolder: 'true' } });
    server.put('titanic', '1.0.0/', '');
    server.put('titanic', '1.0.0/data', '', { metadata: { Hdi_IsFolder: 'true' } });
    server.put('titanic', '1.0.0/plain', '');
    server.put('titanic', '1.0.0/plain/a', 'a');
    server.put('titanic', '1.0.0/empty', '');
    assert.deepEqual(await paths(), ['empty', 'plain/a']);
  });

  it('takes what holds something for a file, though it says that it is a folder', async () => {
    server.put('titanic', '1.0.0/model.pkl', 'the model', { metadata: { hdi_isfolder: 'true' } });
    assert.deepEqual(await paths(), ['model.pkl']);
  });

  it('of a hierarchical account tells its folders from its empty files', async () => {
    server.hierarchical = true;
    server.put('titanic', '1.0.0/data/train/a', 'a');
    server.put('titanic', '1.0.0/data/empty', '');
    server.makeFolder('titanic', '1.0.0/empty/folder');
    assert.deepEqual(await paths(), ['data/empty', 'data/train/a']);
    assert.deepEqual(await listVersions(container, '', connection), ['1.0.0']);
  });

  it('takes ten thousand blobs, page by page', async () => {
    for (let n = 0; n < 10_000; n++) server.put('titanic', `1.0.0/part-${n}`, 'x', { md5: undefined });
    assert.equal((await paths()).length, 10_000);
    assert.equal(server.requests.length, 2);
  });

  it('keeps names as they are, spaces and control characters included', async () => {
    const names = [' lead', 'trail ', 'new\nline', 'tab\t', '00123', 'a&b<c>', '%2e%2e', '1e5'];
    for (const name of names) server.put('titanic', `1.0.0/${name}`, 'x');
    assert.deepEqual((await paths()).sort(), names.sort());
  });

  it('is sorted by the bytes of the names', async () => {
    for (const name of ['\u{1F600}', '\uFF5E', 'b', 'B', 'a/z', 'a.z'])
      server.put('titanic', `1.0.0/${name}`, 'x');
    assert.deepEqual(await paths(), ['B', 'a.z', 'a/z', 'b', '\uFF5E', '\u{1F600}']);
  });

  for (const kind of ['same marker', 'same blobs', 'empty pages'] as const) {
    it(`ends with an error when it would never end (${kind})`, async () => {
      server.endless = kind;
      server.put('titanic', '1.0.0/model.pkl', 'x');
      await assert.rejects(paths(), /lists the same files again and again/);
    });
  }

  it('is asked for again after a fault that may pass', async () => {
    server.put('titanic', '1.0.0/model.pkl', 'x');
    let faults = 2;
    server.fault = () => (faults-- > 0 ? { status: 500, code: 'OperationTimedOut' } : undefined);
    assert.deepEqual(await paths(), ['model.pkl']);
  });

  it('is not asked for again when the answer is no', async () => {
    server.fault = () => ({ status: 403, code: 'AuthenticationFailed' });
    await assert.rejects(paths(), { statusCode: 403 });
    assert.equal(server.requests.length, 1);
  });
});
