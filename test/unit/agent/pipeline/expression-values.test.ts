import assert from 'node:assert/strict';
import { evaluate } from '../../../../local/agent/pipeline/expression';
import { ExpressionError, NameMap, toText, type Value } from '../../../../local/agent/pipeline/values';

const map = (...entries: [string, Value][]): Value => new Map(entries);

/** What the service was seen to answer; it differs from its documentation in places. */
describe('The values of expressions', () => {
  const data = map(
    ['rows', [map(['id', 1], ['child', ['a', 'b']]), map(['name', 'x']), map(['id', '']), 'plain']],
    ['mapping', map(['10', map(['id', 10])], ['2', map(['id', 20])])],
    ['groups', [[map(['id', 100]), map(['id', 101])], [map(['id', 200])]]],
    ['CamelKey', 'value'],
    ['scalar', 'text'],
  );
  const values = {
    parameters: map(['data', data], ['List', ['Zero', 'one']], ['other', ['Zero', 'one']]),
    variables: new NameMap([
      ['My.Var', 'dotted'],
      ['n', '7'],
    ]),
  };
  const compact = (text: string) => text.replace(/\s+/g, '');

  const answers: [expression: string, answer: string][] = [
    // Members: names of objects keep their case, those of contexts do not; only parameters have to exist.
    ['parameters.data.CamelKey', 'value'],
    ['parameters.data.camelkey', ''],
    ["parameters.data['CAMELKEY']", ''],
    ['parameters.DATA.CamelKey', 'value'],
    ["variables['my.var']", 'dotted'],
    ['variables.My.Var', ''],
    ['variables.nosuch.deeper', ''],
    ['parameters.data.nosuch.deeper', ''],
    ['parameters.data.scalar.length', ''],
    // Items: whole numbers or not, but not below zero.
    ['parameters.list[1.9]', 'one'],
    ["parameters.list['1']", 'one'],
    ['parameters.list[-1]', ''],
    ["parameters.list['x']", ''],
    ['parameters.list[2]', ''],
    ["split('a,b', ',')[1]", 'b'],
    // Filtered lists.
    ['convertToJson(parameters.data.rows.*.id)', '[1,""]'],
    ['convertToJson(parameters.data.rows[*].child[0])', '["a"]'],
    ['convertToJson(parameters.data.mapping.*.id)', '[10,20]'],
    ['convertToJson(parameters.data.mapping[*].absent)', '[]'],
    ['convertToJson(parameters.data.groups[*][*].id)', '[100,101,200]'],
    ['convertToJson(parameters.data.groups[*][0].id)', '[100,200]'],
    ['convertToJson(parameters.data.rows[*].id[0])', '[]'],
    ['convertToJson(parameters.data.scalar[*])', '[]'],
    ['convertToJson(parameters.data.absent[*])', '[]'],
    ["join(';', parameters.data.mapping.*.id)", '10;20'],
    // Numbers and text.
    ["eq(1000, '1,000')", 'True'],
    ["eq(0.5, '.5')", 'True'],
    ["eq(1, '1e0')", 'False'],
    ["eq('1.0', 1)", 'False'],
    ['eq(0, variables.nosuch)', 'True'],
    ["eq('', variables.nosuch)", 'True'],
    ['gt(1.10, 1.9)', 'False'],
    // Versions.
    ['gt(1.10.0, 1.9.0)', 'True'],
    ["lt(1.2.0, '1.3')", 'True'],
    ["eq(1.2.0, '1.2')", 'False'],
    ['eq(1.2, 1.2.0)', 'False'],
    ['1.2.3.4', '1.2.3.4'],
    // Lists and objects are equal to themselves only.
    ['eq(parameters.list, parameters.list)', 'True'],
    ['eq(parameters.list, parameters.other)', 'False'],
    ["in('Zero', parameters.list)", 'False'],
    ["containsValue(parameters.list, 'ZERO')", 'True'],
    ["containsValue('a', 'a')", 'False'],
    ["containsValue(parameters.data, 'text')", 'True'],
    // Functions with nothing to look for.
    ["replace('abc', '', 'x')", 'abc'],
    ["length(split('a,b', ''))", '1'],
    ["length(split('a,b;c,,', ',;'))", '1'],
    ['length(parameters.data)', '5'],
    ["join('-', 12)", '12'],
    ["coalesce('', variables.nosuch, false)", 'False'],
    ["in('a', 'A', gt(1, 'x'))", 'True'],
    ["format('{0:yyyyMMdd}', '2026-11-29T23:30:07Z')", '20261129'],
    // Objects keep the order in which they were written.
    ['convertToJson(parameters.data.mapping)', '{"10":{"id":10},"2":{"id":20}}'],
  ];
  for (const [expression, answer] of answers) {
    it(`${expression} is ${answer || 'nothing'}`, () => {
      assert.equal(compact(toText(evaluate(expression, { values }))), answer);
    });
  }

  const refused: [expression: string, message: RegExp][] = [
    ['parameters.nosuch', /no parameter 'nosuch'.*data, List, other/],
    ["coalesce(parameters.nosuch, 'a')", /no parameter 'nosuch'/],
    ['parameters', /cannot be used as text/],
    ["contains(parameters.list, 'one')", /A list cannot be used as text/],
    ["iif(true, 'a', gt(1, 'bad'))", /'bad' cannot be compared with a number/],
    ['lt(1.2.0, 2)', /'2' cannot be compared with a version/],
    ["lt(variables.nosuch, 'x')", /cannot be compared with nothing/],
    ['lt(parameters.list, parameters.list)', /cannot be used as text/],
    ["in('a')", /was given 1 arguments/],
    ["iif(true, 'a')", /was given 2 arguments/],
    ['eq', /The function eq needs parentheses/],
    ['1e3', /'1e3' is no number/],
    ['-1.2.3', /'-1.2.3' is no number/],
    ['1.2.3.4.5', /is no number/],
    ['"double"', /Unexpected '"double"'/],
    ['!true', /There are no operators/],
    ['(true)', /Unexpected '\('/],
    ['parameters.data.9num', /Unexpected '.9num'/],
    ['parameters.list[]', /Unexpected '\]'/],
    [`${'not('.repeat(50)}true${')'.repeat(50)}`, /more than 50 deep/],
  ];
  for (const [expression, message] of refused) {
    it(`${expression.slice(0, 40)} is refused`, () => {
      assert.throws(
        () => toText(evaluate(expression, { values })),
        (error) => error instanceof ExpressionError && message.test(error.message),
      );
    });
  }
});
