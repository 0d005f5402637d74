import assert from 'node:assert/strict';
import { Client } from './client';

const IMPORT = 'POST /api/2.0/workspace/import';
const STATUS = 'GET /api/2.0/workspace/get-status';

describe('Notebooks in the local Databricks workspace', () => {
  let client: Client;
  before(async () => {
    client = await Client.start();
  });
  after(() => client.stop());

  const encode = (text: string) => Buffer.from(text).toString('base64');

  it('cannot be imported into a folder that is missing', async () => {
    assert.equal((await client.import('/none/model')).status, 404);
    assert.match(
      await client.refused(IMPORT, { path: '/none/model', content: '', language: 'PYTHON' }),
      /^404 RESOURCE_DOES_NOT_EXIST: The parent folder \(\/none\) does not exist\.$/,
    );
  });

  it('can be imported once mkdirs has made the folder, however often', async () => {
    await client.ok('POST /api/2.0/workspace/mkdirs', { path: '/live/deep' });
    await client.ok('POST /api/2.0/workspace/mkdirs', { path: '/live/deep' });
    assert.equal((await client.import('/live/deep/model')).status, 200);

    const status = await client.ok(STATUS, { path: '/Workspace/live/deep/model' });
    assert.deepEqual([status.object_type, status.language], ['NOTEBOOK', 'PYTHON']);
  });

  it('come out as they went in', async () => {
    const content = encode('print("größer")\r\n');
    await client.import('/Shared/same', { content });
    assert.deepEqual(await client.ok('GET /api/2.0/workspace/export', { path: '/Shared/same' }), {
      content,
      file_type: 'py',
    });
  });

  it('come out as files, where they are downloaded', async () => {
    await client.import('/Shared/file', { content: encode('print("größer")') });
    const path = '/Shared/file';
    const { text, body } = await client.send('GET /api/2.0/workspace/export', {
      path,
      direct_download: true,
    });
    assert.deepEqual([text, body], ['print("größer")', {}]);
  });

  const formats = [
    ['SOURCE keeps the extension in the path', 'a.py', { format: 'SOURCE' }, 'a.py', 'NOTEBOOK'],
    ['SOURCE is the default', 'b.py', {}, 'b.py', 'NOTEBOOK'],
    ['AUTO drops the extension of a notebook', 'c.py', { format: 'AUTO' }, 'c', 'NOTEBOOK'],
    [
      'AUTO makes a file of any other script',
      'd.py',
      { format: 'AUTO', content: encode('print(1)') },
      'd.py',
      'FILE',
    ],
    [
      'AUTO knows Jupyter notebooks',
      'e.ipynb',
      { format: 'AUTO', content: encode('{"cells":[]}') },
      'e',
      'NOTEBOOK',
    ],
    [
      'JUPYTER needs no language',
      'f',
      { format: 'JUPYTER', content: encode('{"cells":[]}') },
      'f',
      'NOTEBOOK',
    ],
  ] as const;
  for (const [title, name, fields, expected, type] of formats) {
    it(`are made as the format says: ${title}`, async () => {
      const content = encode('# Databricks notebook source\nprint(1)');
      const language = name === 'f' ? undefined : 'PYTHON';
      await client.ok(IMPORT, { path: `/Shared/${name}`, content, language, ...fields });
      assert.equal((await client.ok(STATUS, { path: `/Shared/${expected}` })).object_type, type);
    });
  }

  const refusals = [
    [
      'a path that is not absolute',
      { path: 'model' },
      /^400 INVALID_PARAMETER_VALUE: .*doesn't start with '\/'/,
    ],
    [
      'a missing language',
      { language: undefined },
      /^400 INVALID_PARAMETER_VALUE: The zip file may not be valid/,
    ],
    ['a format in lower case', { format: 'source' }, /^400 MALFORMED_REQUEST/],
    ['content that is not base64', { content: '%%%' }, /^400 MALFORMED_REQUEST/],
    [
      'a Jupyter notebook that is none',
      { format: 'JUPYTER', content: encode('x') },
      /^400 INVALID_PARAMETER_VALUE/,
    ],
    [
      'more than 10 MB',
      { content: Buffer.alloc(10 * 1024 * 1024 + 1).toString('base64') },
      /^400 MAX_NOTEBOOK_SIZE_EXCEEDED/,
    ],
  ] as const;
  for (const [what, fields, expected] of refusals) {
    it(`are not imported from ${what}`, async () => {
      const valid = { path: '/Shared/refused', content: '', language: 'PYTHON' };
      assert.match(await client.refused(IMPORT, { ...valid, ...fields }), expected);
      assert.equal((await client.send(STATUS, { path: '/Shared/refused' })).status, 404);
    });
  }

  it('are replaced only when asked for', async () => {
    await client.import('/Shared/twice');
    const again = { path: '/Shared/twice', content: encode('print(2)'), language: 'PYTHON' };
    assert.equal(
      await client.refused(IMPORT, again),
      '400 RESOURCE_ALREADY_EXISTS: /Shared/twice already exists. Please pass overwrite=true to overwrite it.',
    );
    const before = await client.ok(STATUS, { path: '/Shared/twice' });
    await client.ok(IMPORT, { ...again, overwrite: true });
    assert.equal((await client.ok(STATUS, { path: '/Shared/twice' })).object_id, before.object_id);
    const { content } = await client.ok('GET /api/2.0/workspace/export', { path: '/Shared/twice' });
    assert.equal(content, again.content);
  });

  it('do not replace what is no notebook, even when asked for', async () => {
    await client.import('/Shared/other.txt', { format: 'RAW', language: undefined });
    const { status, body } = await client.import('/Shared/other.txt', { overwrite: true });
    assert.equal(status, 400);
    assert.equal(body.error_code, 'INVALID_PARAMETER_VALUE');
    assert.match(String(body.message), /type mismatch \(asked: NOTEBOOK, actual: FILE\)/);
    assert.match(JSON.stringify(body.details), /WORKSPACE_OBJECT_TYPE_MISMATCH.*"existing_type":"FILE"/);

    const folder = { path: '/Users', content: '', language: 'PYTHON', overwrite: true };
    assert.equal(
      await client.refused(IMPORT, folder),
      "400 RESOURCE_ALREADY_EXISTS: Node named 'Users' already exists",
    );
  });

  it('are not taken for folders', async () => {
    await client.import('/Shared/notebook');
    assert.match(
      await client.refused('POST /api/2.0/workspace/mkdirs', { path: '/Shared/notebook/below' }),
      /^400 RESOURCE_ALREADY_EXISTS/,
    );
  });

  it('can be uploaded as a form', async () => {
    const form = new FormData();
    form.set('path', '/Shared/form');
    form.set('language', 'PYTHON');
    form.set('content', new Blob(['print("form")']));
    const response = await fetch(`${client.workspace.url}/api/2.0/workspace/import`, {
      method: 'POST',
      headers: { Authorization: `Bearer ${client.workspace.token}` },
      body: form,
    });
    assert.equal(response.status, 200);
    const { content } = await client.ok('GET /api/2.0/workspace/export', { path: '/Shared/form' });
    assert.equal(content, encode('print("form")'));
  });

  it('are listed by folder, and go with it only when that is said', async () => {
    await client.ok('POST /api/2.0/workspace/mkdirs', { path: '/full/inner' });
    await client.import('/full/model');
    const { objects } = await client.ok('GET /api/2.0/workspace/list', { path: '/full' });
    assert.deepEqual(
      (objects as { path: string }[]).map((object) => object.path),
      ['/full/inner', '/full/model'],
    );
    const remove = 'POST /api/2.0/workspace/delete';
    assert.match(await client.refused(remove, { path: '/full' }), /^400 DIRECTORY_NOT_EMPTY/);
    await client.ok(remove, { path: '/full', recursive: true });
    assert.match(await client.refused(STATUS, { path: '/full/model' }), /^404 RESOURCE_DOES_NOT_EXIST/);
  });
});
