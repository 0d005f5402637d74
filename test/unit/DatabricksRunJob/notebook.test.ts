import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { HttpAnswer } from '../../../tasks/common/http';
import {
  type Notebook,
  notebookProblem,
  notebookRemark,
  placeNotebook,
  readNotebook,
} from '../../../tasks/DatabricksRunJob/notebook';
import { answer, clientOf, FakeDatabricks, failure, inTurn } from './support';

describe('a notebook file', () => {
  let folder: string;
  before(() => {
    folder = mkdtempSync(join(tmpdir(), 'notebook-'));
  });
  after(() => rmSync(folder, { recursive: true }));

  const write = (name: string, content: string | Buffer) => {
    const file = join(folder, name);
    writeFileSync(file, content);
    return file;
  };

  const formats: [name: string, format: string, language: string | undefined][] = [
    ['a.py', 'SOURCE', 'PYTHON'],
    ['a.sql', 'SOURCE', 'SQL'],
    ['a.scala', 'SOURCE', 'SCALA'],
    ['a.r', 'SOURCE', 'R'],
    ['a.R', 'SOURCE', 'R'],
    ['a.ipynb', 'JUPYTER', undefined],
  ];
  for (const [name, format, language] of formats) {
    it(`named ${name} is imported as ${language ?? format}`, () => {
      const file = write(name, '1');
      assert.equal(notebookProblem(file), undefined);
      assert.deepEqual(readNotebook(file).format, language ? { format, language } : { format });
    });
  }

  it('is read without its byte-order mark', () => {
    assert.equal(readNotebook(write('bom.py', '\ufeffprint("ü")')).content, 'print("ü")');
  });

  it('that is not UTF-8 is refused', () => {
    const file = write('latin.py', Buffer.from([0x23, 0x20, 0xfc]));
    assert.throws(() => readNotebook(file), /'notebookFile'.*latin\.py.*UTF-8/);
  });

  it('that is missing, empty, too large or of another kind is refused', () => {
    assert.match(notebookProblem(join(folder, 'none.py')) ?? '', /none\.py.*no such file/);
    assert.match(notebookProblem(write('empty.py', '')) ?? '', /is empty/);
    assert.match(notebookProblem(write('a.txt', 'x')) ?? '', /no extension of a notebook: \.py, /);
    const large = write('large.py', '#');
    truncateSync(large, 11_000_000);
    assert.match(notebookProblem(large) ?? '', /11\.0 MB.*up to 10\.5 MB/);
  });
});

describe('placing a notebook', () => {
  const notebook = { content: 'print("ü")', format: { format: 'SOURCE', language: 'PYTHON' } } as const;
  const parentMissing = failure(
    404,
    'RESOURCE_DOES_NOT_EXIST',
    'The parent folder (/live/a) does not exist.',
  );
  const place = (fake: FakeDatabricks) => placeNotebook(clientOf(fake), notebook, '/live/a/train');

  it('takes two requests where the folder exists', async () => {
    const fake = new FakeDatabricks().on('POST workspace/import', {});
    assert.equal(await place(fake), 'written');
    assert.equal(fake.received.length, 2);
    assert.deepEqual(fake.received[1]?.body, {
      path: '/live/a/train',
      content: Buffer.from('print("ü")').toString('base64'),
      format: 'SOURCE',
      language: 'PYTHON',
      overwrite: true,
    });
  });

  it('creates the folder when, and only when, that is what is missing', async () => {
    const fake = new FakeDatabricks()
      .on('POST workspace/import', inTurn(parentMissing, {}))
      .on('POST workspace/mkdirs', {});
    await place(fake);
    assert.deepEqual(
      fake.received.slice(1).map(({ path, body }) => [path, body.path]),
      [
        ['/api/2.0/workspace/import', '/live/a/train'],
        ['/api/2.0/workspace/mkdirs', '/live/a'],
        ['/api/2.0/workspace/import', '/live/a/train'],
      ],
    );
    const other = new FakeDatabricks()
      .on('POST workspace/import', answer(404, '<html>Not here</html>'))
      .on('POST workspace/mkdirs', {});
    await assert.rejects(place(other), /Not here/);
    assert.equal(other.to('POST workspace/mkdirs').length, 0);
  });

  it('tries once more when another import created the notebook at the same moment', async () => {
    const conflict = failure(409, 'ALREADY_EXISTS', 'Node with name train already exists');
    const fake = new FakeDatabricks().on('POST workspace/import', inTurn(conflict, {}));
    await place(fake);
    assert.equal(fake.to('POST workspace/import').length, 2);
  });

  const PYTHON = { format: 'SOURCE', language: 'PYTHON' } as const;
  const HEADER = '# Databricks notebook source\n';
  const jupyter = (source: string | string[], more: object = {}) =>
    JSON.stringify({ cells: [{ cell_type: 'code', source, ...more }], metadata: {}, nbformat: 4 });
  const source = (content: string): Notebook => ({ content, format: PYTHON });

  /** A workspace that has something at the path. */
  const holding = (content: string, status: object = { object_type: 'NOTEBOOK', language: 'PYTHON' }) =>
    new FakeDatabricks()
      .on('GET workspace/export', { content: Buffer.from(content).toString('base64') })
      .on('GET workspace/get-status', status)
      .on('POST workspace/import', {});

  const jupyterIn = (name: string) =>
    JSON.stringify({ ...JSON.parse(jupyter('a = 1')), metadata: { language_info: { name } } });

  const same: [title: string, local: Notebook, exported: string][] = [
    ['with the same text', source(`${HEADER}print("ü")\n`), `${HEADER}print("ü")\n`],
    ['with other line ends', source(`${HEADER}a\r\nb\r\n`), `${HEADER}a\nb`],
    ['that was given a header', source('a = 1'), `${HEADER}a = 1\n`],
    [
      'of Jupyter with metadata and outputs of its own',
      { content: jupyter(['a = 1\n', 'b']), format: { format: 'JUPYTER' } },
      jupyter('a = 1\nb', { metadata: { x: 1 }, outputs: ['2'] }),
    ],
  ];
  for (const [title, local, exported] of same) {
    it(`leaves a notebook ${title} alone`, async () => {
      const fake = holding(exported);
      assert.equal(await placeNotebook(clientOf(fake), local, '/live/a/train'), 'unchanged');
      assert.equal(fake.to('POST workspace/import').length, 0);
      assert.equal(fake.received.length, 2);
    });
  }

  const different: [title: string, local: Notebook, exported: string, status?: object][] = [
    ['of another text', source(`${HEADER}a`), `${HEADER}b`],
    ['of another language', source(HEADER), HEADER, { object_type: 'NOTEBOOK', language: 'SQL' }],
    ['that is only a file', source(`${HEADER}a`), `${HEADER}a`, { object_type: 'FILE' }],
    ['whose cells a new header would divide', source(`${HEADER}a`), 'a'],
    ['whose first line is indented otherwise', source(`${HEADER}a = 1\nb`), `${HEADER}  a = 1\nb`],
    [
      'of Jupyter in another language',
      { content: jupyterIn('python'), format: { format: 'JUPYTER' } },
      jupyterIn('r'),
    ],
    [
      'that would lose its cells',
      source('a\n# COMMAND ----------\nb'),
      `${HEADER}a\n# COMMAND ----------\nb`,
    ],
    ['of Jupyter that is broken', { content: '{', format: { format: 'JUPYTER' } }, '{'],
  ];
  for (const [title, local, exported, status] of different) {
    it(`writes over a notebook ${title}`, async () => {
      const fake = holding(exported, status);
      assert.equal(await placeNotebook(clientOf(fake), local, '/live/a/train'), 'written');
    });
  }

  it('does not take an outage for a notebook that is missing', async () => {
    const fake = holding('').on('GET workspace/export', failure(503, 'TEMPORARILY_UNAVAILABLE', 'Later'));
    await assert.rejects(place(fake), /Later/);
    assert.equal(fake.to('POST workspace/import').length, 0);
  });

  it('remarks on a source without a header, and on nothing else', () => {
    assert.match(notebookRemark(source('a = 1')) ?? '', /single cell/);
    assert.equal(notebookRemark(source(HEADER)), undefined);
    assert.equal(
      notebookRemark({
        content: '-- Databricks notebook source\n',
        format: { format: 'SOURCE', language: 'SQL' },
      }),
      undefined,
    );
    assert.equal(notebookRemark({ content: jupyter(''), format: { format: 'JUPYTER' } }), undefined);
  });

  const errorInfo = { reason: 'WORKSPACE_OBJECT_TYPE_MISMATCH', metadata: { existing_type: 'DASHBOARD' } };
  const refusals: [title: string, reply: HttpAnswer, message: RegExp][] = [
    [
      'a file in its place',
      failure(
        400,
        'INVALID_PARAMETER_VALUE',
        'Cannot overwrite the asset at /x due to type mismatch (asked: NOTEBOOK, actual: FILE).',
      ),
      /'\/live\/a\/train' in the workspace is a FILE.*'notebookPath'/,
    ],
    [
      'a folder in its place',
      failure(
        400,
        'INVALID_PARAMETER_VALUE',
        'Requested node type [NOTEBOOK] is different from the existing node type [DIRECTORY]',
      ),
      /is a DIRECTORY/,
    ],
    [
      'another object, named in the details',
      failure(400, 'INVALID_PARAMETER_VALUE', 'No.', [errorInfo]),
      /is a DASHBOARD/,
    ],
    [
      'something in the way',
      failure(400, 'RESOURCE_ALREADY_EXISTS', "Node named 'train' already exists"),
      /can't be overwritten \(Node named 'train' already exists\).*'notebookPath'/,
    ],
    [
      'something in the way, without a code',
      failure(400, '', 'Path (/live/a/train) already exists.'),
      /can't be overwritten/,
    ],
    [
      'a notebook too large',
      failure(400, 'MAX_NOTEBOOK_SIZE_EXCEEDED', 'Too large'),
      /too large.*Clear its outputs/,
    ],
    [
      'no permission',
      failure(403, 'PERMISSION_DENIED', 'May not write'),
      /may not import the notebook to '\/live\/a\/train'.*May not write.*'Can Edit' on the folder/,
    ],
  ];
  for (const [title, reply, message] of refusals) {
    it(`explains ${title}`, async () => {
      await assert.rejects(place(new FakeDatabricks().on('POST workspace/import', reply)), message);
    });
  }

  it('explains a path through something that is not a folder', async () => {
    const blocked = failure(400, 'RESOURCE_ALREADY_EXISTS', 'Path (/live) is not a directory');
    const fake = new FakeDatabricks()
      .on('POST workspace/import', parentMissing)
      .on('POST workspace/mkdirs', blocked);
    await assert.rejects(place(fake), /\/live\) is not a directory.*'notebookPath'/);
  });
});
