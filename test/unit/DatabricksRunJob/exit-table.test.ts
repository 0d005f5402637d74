import assert from 'node:assert/strict';
import { rememberSecret } from '../../../tasks/common/secrets';
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

  it('has numbers within lists and objects as numbers', () => {
    const table = exitTable('{"confusion": [[50, 2], [3, 45]], "best": {"depth": 3, "kind": "tree"}}');
    assert.deepEqual(table?.others, [
      ['confusion', '[[50,2],[3,45]]'],
      ['best', '{"depth":3,"kind":"tree"}'],
    ]);
  });

  it('cuts a long value, and leaves no piece of a secret at its end', () => {
    rememberSecret('hunter2-and-more');
    const [[, shown] = ['', '']] = exitTable(`{"log": "${'x'.repeat(195)}hunter2-and-more"}`)?.others ?? [];
    assert.match(shown, /^x{195}\*\*\*$/);
    const [[, cut] = ['', '']] = exitTable(`{"log": "${'x'.repeat(300)}"}`)?.others ?? [];
    assert.match(cut, /^x{200}… \(100 more characters\)$/);
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
