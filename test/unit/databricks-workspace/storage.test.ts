import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Client } from './client';

describe('DBFS and secrets of the local Databricks workspace', () => {
  let client: Client;
  before(async () => {
    client = await Client.start({ secrets: { 'model-registry': { 'storage-key': 'hush' } } });
  });
  after(() => client.stop());

  const encode = (text: string) => Buffer.from(text).toString('base64');

  it('puts files where notebooks find them', async () => {
    await client.ok('POST /api/2.0/dbfs/put', { path: 'dbfs:/datasets/a.csv', contents: encode('a,b\n') });
    assert.equal(await readFile(join(client.workspace.dbfs, 'datasets', 'a.csv'), 'utf8'), 'a,b\n');
    const status = await client.ok('GET /api/2.0/dbfs/get-status', { path: '/datasets/a.csv' });
    assert.deepEqual([status.is_dir, status.file_size], [false, 4]);
    const { files } = await client.ok('GET /api/2.0/dbfs/list', { path: '/datasets' });
    assert.deepEqual(
      (files as { path: string }[]).map((file) => file.path),
      ['/datasets/a.csv'],
    );
  });

  it('reads a part of a file', async () => {
    await client.ok('POST /api/2.0/dbfs/put', { path: '/part', contents: encode('0123456789') });
    const part = await client.ok('GET /api/2.0/dbfs/read', { path: '/part', offset: 7, length: 100 });
    assert.deepEqual(part, { bytes_read: 3, data: encode('789') });
  });

  it('replaces a file only when asked for', async () => {
    const put = 'POST /api/2.0/dbfs/put';
    await client.ok(put, { path: '/once', contents: encode('1') });
    assert.match(await client.refused(put, { path: '/once', contents: '' }), /^400 RESOURCE_ALREADY_EXISTS/);
    await client.ok(put, { path: '/once', contents: encode('2'), overwrite: true });
    assert.equal(await readFile(join(client.workspace.dbfs, 'once'), 'utf8'), '2');
  });

  it('never leaves its folder', async () => {
    await client.ok('POST /api/2.0/dbfs/put', { path: '/../../outside', contents: encode('in') });
    assert.equal(await readFile(join(client.workspace.dbfs, 'outside'), 'utf8'), 'in');
  });

  it('removes a folder with its files only when asked for', async () => {
    await client.ok('POST /api/2.0/dbfs/put', { path: '/gone/file', contents: '' });
    assert.match(await client.refused('POST /api/2.0/dbfs/delete', { path: '/gone' }), /is not empty/);
    await client.ok('POST /api/2.0/dbfs/delete', { path: '/gone', recursive: true });
    assert.match(
      await client.refused('GET /api/2.0/dbfs/get-status', { path: '/gone' }),
      /^404 RESOURCE_DOES_NOT_EXIST/,
    );
  });

  it('names secrets and keeps their values to itself', async () => {
    await client.ok('POST /api/2.0/secrets/scopes/create', { scope: 'mine' });
    await client.ok('POST /api/2.0/secrets/put', { scope: 'mine', key: 'password', string_value: 'hush' });
    const answers = await Promise.all([
      client.send('GET /api/2.0/secrets/scopes/list'),
      client.send('GET /api/2.0/secrets/list', { scope: 'mine' }),
      client.send('GET /api/2.0/secrets/list', { scope: 'model-registry' }),
    ]);
    const text = answers.map((answer) => answer.text).join('\n');
    for (const name of ['mine', 'password', 'model-registry', 'storage-key'])
      assert.match(text, new RegExp(name));
    assert.doesNotMatch(text, /hush/);
  });

  it('says which scope there is not', async () => {
    assert.equal(
      await client.refused('GET /api/2.0/secrets/list', { scope: 'none' }),
      '404 RESOURCE_DOES_NOT_EXIST: Scope none does not exist!',
    );
  });
});
