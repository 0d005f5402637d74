import assert from 'node:assert/strict';
import { evaluate } from '../../../../local/agent/pipeline/expression';
import { statusFunctions } from '../../../../local/agent/pipeline/functions';
import type { Value } from '../../../../local/agent/pipeline/values';

const values = {
  variables: { name: 'Titanic', 'some.Variable': 'x', empty: '' },
  parameters: { flag: true, count: 2, list: ['a', 'b'], map: { One: 'first' } },
};

describe('Expressions', () => {
  const table: [expression: string, value: Value][] = [
    ["'it''s'", "it's"],
    ['-1.5', -1.5],
    ['TRUE', true],
    ['null', null],
    ['variables.NAME', 'Titanic'],
    ["VARIABLES['SOME.variable']", 'x'],
    ['variables.missing', null],
    ['variables.missing.deeper', null],
    ['parameters.list[1]', 'b'],
    ["parameters.map['One']", 'first'],
    ["eq('abc', 'ABC')", true],
    ["eq(variables.missing, '')", true],
    ["eq(true, 'anything')", true],
    ["eq('True', true)", true],
    ["eq(5, '5')", true],
    ["eq('5.0', 5)", false],
    ["ne('a', 'b')", true],
    ["and(true, 'false', 1)", true],
    ["and(true, '')", false],
    ['or(false, 0, null)', false],
    ["not('')", true],
    ['xor(true, false)', true],
    ["in('B', 'a', 'b')", true],
    ["notIn('c', 'a', 'b')", true],
    ["contains('Hello World', 'WORLD')", true],
    ["containsValue(parameters.list, 'B')", true],
    ["containsValue(parameters.map, 'FIRST')", true],
    ["startsWith('refs/heads/main', 'REFS/')", true],
    ["endsWith('model.PKL', '.pkl')", true],
    ["coalesce('', variables.missing, 'last')", 'last'],
    ["format('{0}-{1} {{x}} {0}', 'a', true)", 'a-True {x} a'],
    ["join(',', parameters.list)", 'a,b'],
    ['length(parameters.list)', 2],
    ["length('four')", 4],
    ["lower('ABC')", 'abc'],
    ["upper('abc')", 'ABC'],
    ["trim('  a ')", 'a'],
    ["replace('a.b.c', '.', '$&')", 'a$&b$&c'],
    ["split('a/b', '/')", ['a', 'b']],
    ["iif(parameters.flag, 'yes', 'no')", 'yes'],
    ['gt(10, 9)', true],
    ["lt('10', '9')", true],
    ['ge(parameters.count, 2)', true],
    ["le('A', 'a')", true],
    ['convertToJson(parameters.list)', '[\n  "a",\n  "b"\n]'],
  ];
  for (const [expression, value] of table) {
    it(`${expression} is ${JSON.stringify(value)}`, () => {
      assert.deepEqual(evaluate(expression, { values }), value);
    });
  }

  it('does not look at what comes after the answer is known', () => {
    assert.equal(evaluate("and(false, gt('x', lower(parameters.list)))", { values }), false);
    assert.equal(evaluate('or(true, lower(parameters.list))', { values }), true);
  });

  const mistakes: [expression: string, message: RegExp][] = [
    ['', /missing at the end/],
    ["eq('a'", /missing at the end/],
    ["eq('a' 'b')", /Unexpected ''b''/],
    ['variables.', /missing at the end/],
    ['a == b', /Unexpected '== b'/],
    ['variables.acr-name', /Unexpected '-name'/],
    ['nosuch.name', /'nosuch' means nothing here; known are: variables, parameters/],
    ['counter(1)', /no function counter\(\) that can be used here/],
    ['succeeded()', /no function succeeded\(\) that can be used here/],
    ["eq('a')", /eq\(\) was given 1 arguments/],
    ['ge(1.2.3, 2)', /'2' cannot be compared with a version/],
    ["format('{3}', 'a')", /cannot make sense of '\{3\}'/],
    ['lower(parameters.list)', /A list cannot be used as text/],
    ["gt(1, 'x')", /cannot be compared with a number/],
  ];
  for (const [expression, message] of mistakes) {
    it(`refuses ${expression || 'an empty expression'}`, () => {
      assert.throws(() => evaluate(expression, { values }), message);
    });
  }

  const statuses: [name: string, status: { failed: boolean; canceled: boolean }, holds: string[]][] = [
    ['succeeded', { failed: false, canceled: false }, ['always', 'succeeded', 'succeededOrFailed']],
    ['failed', { failed: true, canceled: false }, ['always', 'failed', 'succeededOrFailed']],
    ['been canceled', { failed: false, canceled: true }, ['always', 'canceled']],
  ];
  for (const [name, status, holds] of statuses) {
    it(`answers status functions for a job that has ${name}`, () => {
      const all = ['always', 'canceled', 'failed', 'succeeded', 'succeededOrFailed'];
      const functions = statusFunctions(status);
      assert.deepEqual(
        all.filter((fn) => evaluate(`${fn}()`, { values, functions })),
        holds,
      );
    });
  }
});
