import assert from 'node:assert/strict';
import { placeTree } from '../../../tasks/DatabricksRunJob/place-tree';
import type { SourceTree, TreeObject } from '../../../tasks/DatabricksRunJob/source-tree';
import { clientOf, FakeDatabricks, failure, type Handler } from './support';

const HEADER = '# Databricks notebook source\n';
const notebook = (name: string, content = HEADER): TreeObject => ({
  name,
  source: `${name}.py`,
  content,
  format: { format: 'SOURCE', language: 'PYTHON' },
});
const file = (name: string, content = ''): TreeObject => ({
  name,
  source: name,
  content: Buffer.from(content),
  format: { format: 'RAW' },
});
const TREE: SourceTree = {
  folders: ['', 'lib', 'lib/deep'],
  objects: [notebook('train'), file('lib/__init__.py'), file('lib/deep/a.txt', 'a')],
  leftOut: [],
};

describe('placing a folder', () => {
  const place = (fake: FakeDatabricks, tree = TREE) =>
    placeTree(clientOf(fake), tree, '/live/x', new AbortController().signal);
  const gone = failure(404, 'RESOURCE_DOES_NOT_EXIST', 'No such folder');

  /** A workspace that has some objects below `/live/x`, which it calls `/Workspace/live/x`. */
  function holding(objects: Record<string, { type: string; content?: string; language?: string }>) {
    const list: Handler = ({ query }) => {
      const below = Object.entries(objects).filter(
        ([name]) => `/live/x/${name}`.replace(/\/[^/]+$/, '') === query.path,
      );
      const listed = below.map(([name, { type, language }]) => ({
        path: `/Workspace/live/x/${name}`,
        object_type: type,
        language,
      }));
      return { objects: listed };
    };
    return new FakeDatabricks()
      .on('GET workspace/list', list)
      .on('GET workspace/export', ({ query }) => {
        const { content = '' } = objects[query.path!.slice('/live/x/'.length)]!;
        return { content: Buffer.from(content).toString('base64') };
      })
      .on('POST workspace/import', {});
  }
  const imported = (fake: FakeDatabricks) =>
    fake.to('POST workspace/import').map(({ body: { path, format, content } }) => [path, format, content]);

  it('creates it with its folders where nothing is, each by as few requests as that takes', async () => {
    const fake = new FakeDatabricks()
      .on('GET workspace/list', gone)
      .on('POST workspace/mkdirs', {})
      .on('POST workspace/import', {});
    const placed = await place(fake);
    assert.deepEqual(placed, { written: ['train.py', 'lib/__init__.py', 'lib/deep/a.txt'], left: [] });
    assert.deepEqual(
      fake.to('POST workspace/mkdirs').map(({ body }) => body.path),
      ['/live/x/lib/deep'],
    );
    assert.deepEqual(imported(fake), [
      ['/live/x/train', 'SOURCE', Buffer.from(HEADER).toString('base64')],
      ['/live/x/lib/__init__.py', 'RAW', ''],
      ['/live/x/lib/deep/a.txt', 'RAW', Buffer.from('a').toString('base64')],
    ]);
    assert.equal(fake.to('GET workspace/export').length, 0);
  });

  it('writes only what differs, and tells what the sources do not have without touching it', async () => {
    const fake = holding({
      train: { type: 'NOTEBOOK', language: 'PYTHON', content: HEADER },
      old: { type: 'NOTEBOOK', language: 'PYTHON' },
      lib: { type: 'DIRECTORY' },
      others: { type: 'DIRECTORY' },
      'lib/__init__.py': { type: 'FILE' },
      'lib/gone.csv': { type: 'FILE' },
      'lib/deep': { type: 'DIRECTORY' },
      'lib/deep/a.txt': { type: 'FILE', content: 'b' },
    });
    const placed = await place(fake);
    assert.deepEqual(placed, { written: ['lib/deep/a.txt'], left: ['lib/gone.csv', 'old', 'others'] });
    assert.deepEqual(
      imported(fake).map(([path]) => path),
      ['/live/x/lib/deep/a.txt'],
    );
  });

  it('writes what has the same text but is of another language', async () => {
    const fake = holding({ train: { type: 'NOTEBOOK', language: 'SCALA', content: HEADER } });
    const tree = { folders: [''], objects: [notebook('train')], leftOut: [] };
    assert.deepEqual((await place(fake, tree)).written, ['train.py']);
  });

  it('changes nothing where something else has the place of a folder', async () => {
    const fake = new FakeDatabricks().on('GET workspace/list', ({ query }) =>
      query.path === '/live/x/lib' ? { objects: [{ path: query.path, object_type: 'NOTEBOOK' }] } : gone,
    );
    await assert.rejects(
      place(fake),
      /'\/live\/x\/lib' in the workspace is a NOTEBOOK, and a folder can't take/,
    );
    assert.equal(fake.received.filter(({ method }) => method === 'POST').length, 0);
  });

  it('says what is in the place of a file', async () => {
    const fake = holding({ 'lib/deep/a.txt': { type: 'NOTEBOOK', language: 'PYTHON' } }).on(
      'POST workspace/import',
      ({ body }) =>
        body.path === '/live/x/lib/deep/a.txt'
          ? failure(400, 'INVALID_PARAMETER_VALUE', 'type mismatch (asked: FILE, actual: NOTEBOOK).')
          : {},
    );
    await assert.rejects(
      place(fake),
      /'\/live\/x\/lib\/deep\/a\.txt' in the workspace is a NOTEBOOK, and a file can't/,
    );
  });
});
