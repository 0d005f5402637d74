import assert from 'node:assert/strict';
import { exitTable } from '../../../tasks/DatabricksRunJob/exit-table';

describe('What a notebook returned, as a table', () => {
  it('has its metrics first, as they were written', () => {
    const table = exitTable('{"model": "titanic", "accuracy": 0.790, "rows": 891, "features": ["age"]}');
    assert.deepEqual(table?.metrics, [
      ['accuracy', '0.790'],
      ['rows', '891'],
    ]);
    assert.deepEqual(table?.others, [
      ['model', 'titanic'],
      ['features', '["age"]'],
    ]);
  });

  const none = [
    'stored 1.0.0',
    '[1]',
    '{}',
    '{"a": ',
    'null',
    '',
    JSON.stringify(Object.fromEntries(Array.from({ length: 51 }, (_, n) => [`k${n}`, n]))),
  ];
  for (const text of none) {
    it(`is none for ${text.slice(0, 20) || 'nothing'}`, () => assert.equal(exitTable(text), undefined));
  }
});
