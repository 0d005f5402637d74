import assert from 'node:assert/strict';
import { InputReader } from '../../../tasks/common/inputs';
import type { Job } from '../../../tasks/DatabricksRunJob/databricks/jobs';
import { assignParameters, readParameters } from '../../../tasks/DatabricksRunJob/parameters';
import { collectLog } from './support';

function read(text: string | undefined) {
  const inputs = new InputReader((name) => (name === 'parameters' ? text : undefined), collectLog().log);
  const parameters = readParameters(inputs);
  inputs.check();
  return parameters;
}

describe('input parameters', () => {
  it('may be left out', () => assert.deepEqual(read(undefined), {}));

  it('is read from lines, whose values may hold any characters', () => {
    assert.deepEqual(read('a=1.0\r\n\n b = x=y "z" $HOME %41 é 模型 \nempty='), {
      a: '1.0',
      b: 'x=y "z" $HOME %41 é 模型',
      empty: '',
    });
  });

  it('is read from a JSON object, with numbers and booleans as they are written', () => {
    assert.deepEqual(read('{"version": 1.0, "id": 8795400285113916203, "flag": true, "text": "a\\nb"}'), {
      version: '1.0',
      id: '8795400285113916203',
      flag: 'true',
      text: 'a\nb',
    });
  });

  const mistakes: [text: string, message: RegExp][] = [
    ['["a"]', /'parameters' is a JSON array, but must be an object/],
    ['{"a": ', /'parameters' begins like JSON, but is not valid JSON/],
    ['{"a": {"b": 1}}', /'parameters' sets 'a' to \{"b":"1"\}, which is not a plain value/],
    ['{"a": null}', /'parameters' sets 'a' to null/],
    ['"text"', /'parameters'.*not KEY=VALUE/],
    ['a=1\nb', /'parameters' has the line 'b'/],
    ['a=1\na=2', /'parameters' sets a twice/],
    ['version=$(version)', /'parameters' holds \$\(version\).*variable group/],
  ];
  for (const [text, message] of mistakes) {
    it(`is refused as ${JSON.stringify(text)}`, () => assert.throws(() => read(text), message));
  }

  it('shows nothing of a text that is no JSON, since it may hold secrets', () => {
    assert.throws(
      () => read('{"version": "1.0.0", "key": S3cretValue, "model": "titanic"}'),
      ({ message }: Error) => !/S3c|titanic/.test(message),
    );
  });

  it('reports a variable that was not expanded only once', () => {
    assert.throws(
      () => read('version=$(version)'),
      (error: Error) => error.message.match(/\$\(version\)/g)?.length === 1,
    );
  });
});

describe('the parameters of a run', () => {
  const notebooks = [{ taskKey: 'main', path: '/live/train', git: undefined }];
  const job = (...parameters: string[]): Job => ({
    id: '1',
    name: 'train',
    notebooks,
    otherTasks: [],
    parameters,
  });

  it('are refused by a job that declares none and runs no notebook', () => {
    const sql = { ...job(), notebooks: [] };
    assert.throws(
      () => assignParameters({ a: '1' }, sql),
      /sets a, but job 'train' declares no parameters and runs no notebook/,
    );
    assert.deepEqual(assignParameters({}, sql).notebookParameters, {});
  });

  it('are the notebooks’ when the job declares none', () => {
    assert.deepEqual(assignParameters({ a: '1' }, job()), {
      jobParameters: {},
      notebookParameters: { a: '1' },
    });
  });

  it('are the job’s when the job declares some', () => {
    assert.deepEqual(assignParameters({ a: '1' }, job('a', 'b')), {
      jobParameters: { a: '1' },
      notebookParameters: {},
    });
  });

  it('are refused by name when the job declares others', () => {
    assert.throws(
      () => assignParameters({ a: '1', x: '2', y: '3' }, job('a', 'b')),
      /'parameters' sets x, y, but job 'train' declares only a, b/,
    );
  });

  it('may have 10,000 bytes of JSON, and not one more', () => {
    const value = 'ü'.repeat(4_996);
    assert.equal(Buffer.byteLength(JSON.stringify({ a: value })), 10_000);
    assignParameters({ a: value }, job());
    assert.throws(
      () => assignParameters({ a: `${value}x`, small: '1' }, job()),
      /'parameters' has 10,\d{3} bytes, but.*10,000 bytes at most.*a \(10\.0 KB\), small/,
    );
  });
});
