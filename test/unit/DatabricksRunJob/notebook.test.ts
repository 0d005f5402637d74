import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { HttpAnswer } from '../../../tasks/common/http';
import { notebookProblem, placeNotebook, readNotebook } from '../../../tasks/DatabricksRunJob/notebook';
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

  it('that is missing, a folder, empty, too large or of another kind is refused', () => {
    assert.match(notebookProblem(join(folder, 'none.py')) ?? '', /none\.py.*no such file/);
    assert.match(notebookProblem(folder) ?? '', /is a folder/);
    assert.match(notebookProblem(write('empty.py', '')) ?? '', /is empty/);
    assert.match(notebookProblem(write('a.txt', 'x')) ?? '', /no extension of a notebook: \.py, /);
    const large = write('large.py', '#');
    truncateSync(large, 11_000_000);
    assert.match(notebookProblem(large) ?? '', /11\.0 MB.*up to 10 MB/);
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

  it('takes one request where the folder exists', async () => {
    const fake = new FakeDatabricks().on('POST workspace/import', {});
    await place(fake);
    assert.equal(fake.received.length, 1);
    assert.deepEqual(fake.received[0]?.body, {
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
      fake.received.map(({ path, body }) => [path, body.path]),
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
    assert.equal(fake.received.length, 2);
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
