import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { readTree } from '../../../tasks/DatabricksRunJob/source-tree';

const HEADER = '# Databricks notebook source\n';

describe('a folder of notebooks', () => {
  let room: string;
  let folder: string;
  beforeEach(() => {
    room = mkdtempSync(join(tmpdir(), 'source-tree-'));
    folder = join(room, 'notebooks');
    mkdirSync(folder);
  });
  afterEach(() => rmSync(room, { recursive: true }));

  function write(files: Record<string, string | Buffer>): void {
    for (const [name, content] of Object.entries(files)) {
      mkdirSync(dirname(join(folder, name)), { recursive: true });
      writeFileSync(join(folder, name), content);
    }
  }

  it('holds notebooks without their extensions, and all else as files with the very same bytes', async () => {
    const image = Buffer.from([0x89, 0x50, 0xff, 0]);
    write({
      'train.py': `\ufeff${HEADER}%run ./lib/helpers\n`,
      'lib/helpers.py': `${HEADER}a = 1\n`,
      'lib/deep/query.sql': '-- Databricks notebook source\nSELECT 1\n',
      'lib/deep/plain.sql': 'SELECT 2\n',
      'explore.ipynb': '{"cells":[]}',
      'package/__init__.py': '',
      'package/clean.py': 'def clean(): pass\n',
      'logo.png': image,
    });
    const { objects, folders, leftOut } = await readTree(folder);
    assert.deepEqual(
      objects.map(({ name, format }) => [name, Object.values(format).join(' ')]),
      [
        ['explore', 'JUPYTER'],
        ['lib/deep/plain.sql', 'RAW'],
        ['lib/deep/query', 'SOURCE SQL'],
        ['lib/helpers', 'SOURCE PYTHON'],
        ['logo.png', 'RAW'],
        ['package/__init__.py', 'RAW'],
        ['package/clean.py', 'RAW'],
        ['train', 'SOURCE PYTHON'],
      ],
    );
    const contentOf = (name: string) => objects.find((object) => object.name === name)?.content;
    assert.deepEqual(contentOf('logo.png'), image);
    assert.equal(contentOf('train'), `${HEADER}%run ./lib/helpers\n`);
    assert.deepEqual([...folders].sort(), ['', 'lib', 'lib/deep', 'package']);
    assert.deepEqual(leftOut, []);
  });

  it('is read without what is hidden, and without what Python leaves behind', async () => {
    write({ 'a.txt': '', '.git/config': 'secret', '.env': 'secret', '__pycache__/a.pyc': '', 'b/c.pyc': '' });
    const { objects, folders } = await readTree(folder);
    assert.deepEqual([objects.map(({ name }) => name), folders], [['a.txt'], ['']]);
  });

  it('is read without following links, which are named', async () => {
    mkdirSync(join(room, 'outside'));
    writeFileSync(join(room, 'outside', 'secret.txt'), 'secret');
    write({ 'sub/a.txt': 'a' });
    symlinkSync(join(room, 'outside'), join(folder, 'folder'));
    symlinkSync(join(room, 'outside', 'secret.txt'), join(folder, 'sub', 'file.txt'));
    symlinkSync('a.txt', join(folder, 'sub', 'near.txt'));
    const { objects, leftOut } = await readTree(folder);
    assert.deepEqual(
      objects.map(({ name }) => name),
      ['sub/a.txt'],
    );
    assert.deepEqual(leftOut, ['folder', 'sub/file.txt', 'sub/near.txt']);
  });

  it('may not itself lead out of the checkout', async () => {
    mkdirSync(join(room, 'outside'));
    symlinkSync('../outside', join(folder, 'linked'));
    const before = process.env.BUILD_SOURCESDIRECTORY;
    process.env.BUILD_SOURCESDIRECTORY = folder;
    try {
      await assert.rejects(
        readTree(join(folder, 'linked')),
        /'notebookFile' is '.*linked', which leads by a link/,
      );
    } finally {
      if (before === undefined) delete process.env.BUILD_SOURCESDIRECTORY;
      else process.env.BUILD_SOURCESDIRECTORY = before;
    }
  });

  it('is refused where two of its files would have one place in the workspace', async () => {
    write({ 'a.py': HEADER, 'a.sql': '-- Databricks notebook source\n' });
    await assert.rejects(readTree(folder), /'a\.py' and 'a\.sql' would have one path in the workspace, 'a'/);
    rmSync(join(folder, 'a.sql'));
    write({ 'a/b.txt': '' });
    await assert.rejects(readTree(folder), /'a\.py' and 'a\/' would have one path/);
  });

  it('is refused with too many files, one that is too large, or too much in all', async () => {
    write({ 'large.bin': '' });
    truncateSync(join(folder, 'large.bin'), 11_000_000);
    await assert.rejects(
      readTree(folder),
      /'large\.bin' has 11\.0 MB; Databricks takes files of up to 10\.5 MB/,
    );
    for (let index = 0; index < 8; index++) {
      writeFileSync(join(folder, `${index}.bin`), '');
      truncateSync(join(folder, `${index}.bin`), 9_000_000);
    }
    rmSync(join(folder, 'large.bin'));
    await assert.rejects(readTree(folder), /more than 67\.1 MB in all/);
    write(Object.fromEntries(Array.from({ length: 1_001 }, (_, index) => [`many/${index}.txt`, ''])));
    rmSync(join(folder, '0.bin'));
    await assert.rejects(readTree(join(folder, 'many')), /more than 1000 files and folders/);
  });

  it('is refused with a notebook that is not UTF-8', async () => {
    write({ 'latin.py': Buffer.concat([Buffer.from(HEADER), Buffer.from([0x23, 0xfc])]) });
    await assert.rejects(readTree(folder), /notebook 'latin\.py' is not UTF-8/);
  });
});
