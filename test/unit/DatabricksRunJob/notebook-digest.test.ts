import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createLogger } from '../../../tasks/common/log';
import { digestNotebook, withDigest } from '../../../tasks/DatabricksRunJob/notebook-digest';
import { readSources, type Sources } from '../../../tasks/DatabricksRunJob/sources';

const source = { format: 'SOURCE', language: 'PYTHON' } as const;
const sha256 = (text: string) => createHash('sha256').update(text).digest('hex');

function job(paths: readonly string[], parameters: readonly string[] = []) {
  return { notebooks: paths.map((path) => ({ taskKey: 'main', path, git: undefined })), parameters };
}

const alone = (content: string): Sources => ({ file: 'train.py', notebook: { content, format: source } });

describe("a notebook's digest", () => {
  it('is that of its file', () => {
    const found = digestNotebook(alone('print(1)\n'), '/live/train', job(['/live/train']));
    assert.deepEqual(found, { sha256: sha256('print(1)\n'), isAskedFor: false });
  });

  for (const [language, text] of [
    ['Python', 'dbutils.widgets.text("notebook_sha256", "", "For the record")'],
    ['Python with names', "dbutils.widgets.text( name='notebook_sha256', defaultValue='')"],
    ['SQL', 'CREATE WIDGET TEXT notebook_sha256 DEFAULT ""'],
    ['a Jupyter notebook', '{"source":["dbutils.widgets.text(\\"notebook_sha256\\", \\"\\")"]}'],
  ] as const) {
    it(`is asked for by a widget of ${language}`, () => {
      assert.equal(digestNotebook(alone(text), '/p', job(['/p']))?.isAskedFor, true);
    });
  }

  it('is asked for by a parameter of the job, which takes no others', () => {
    const widget = alone('dbutils.widgets.text("notebook_sha256", "")');
    assert.equal(digestNotebook(widget, '/p', job(['/p'], ['version']))?.isAskedFor, false);
    assert.equal(digestNotebook(alone(''), '/p', job(['/p'], ['notebook_sha256']))?.isAskedFor, true);
  });

  it('is that of the one notebook of a folder that the job runs', () => {
    const objects = [
      { name: 'train', source: 'train.py', content: 'train', format: source },
      { name: 'other', source: 'other.py', content: 'other', format: source },
      { name: 'helper.py', source: 'helper.py', content: Buffer.from('helper'), format: { format: 'RAW' } },
    ] as const;
    const folder: Sources = { file: 'notebooks', tree: { folders: [''], objects, leftOut: [] } };
    assert.equal(digestNotebook(folder, '/live', job(['/live/train']))?.sha256, sha256('train'));
    assert.equal(digestNotebook(folder, '/live', job(['/live/train', '/live/other'])), undefined);
    assert.equal(digestNotebook(folder, '/live', job(['/live/helper.py'])), undefined);
  });

  it('is that of the whole file, with the byte-order mark that the workspace does not get', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'notebook-digest-'));
    try {
      const text = '\ufeff# Databricks notebook source\nprint(1)\n';
      await writeFile(join(folder, 'train.py'), text);
      const log = createLogger(() => {});
      const file = await readSources(join(folder, 'train.py'), log);
      assert.equal(digestNotebook(file, '/live/train', job(['/live/train']))?.sha256, sha256(text));
      const tree = await readSources(folder, log);
      assert.equal(digestNotebook(tree, '/live', job(['/live/train']))?.sha256, sha256(text));
    } finally {
      await rm(folder, { recursive: true });
    }
  });

  it('is handed over where it is asked for, unless the step gives another', () => {
    const digest = { sha256: 'aa', isAskedFor: true };
    assert.deepEqual(withDigest({ a: '1' }, digest), { a: '1', notebook_sha256: 'aa' });
    assert.deepEqual(withDigest({ notebook_sha256: 'own' }, digest), { notebook_sha256: 'own' });
    assert.deepEqual(withDigest({ a: '1' }, { ...digest, isAskedFor: false }), { a: '1' });
    assert.deepEqual(withDigest({ a: '1' }, undefined), { a: '1' });
  });
});
