import assert from 'node:assert/strict';
import { readJson, readJsonObject } from '../../../tasks/common/json';

describe('the JSON of an answer', () => {
  it('is read', () => {
    assert.deepEqual(readJson(Buffer.from('{"a":[1,{"b":"[{\\""}]}')), { a: [1, { b: '[{"' }] });
    assert.equal(readJson('null'), null);
    assert.deepEqual(readJsonObject('{"a":1}'), { a: 1 });
  });

  for (const text of ['', ' ', '<html>', '{', '{"a":1}}', '[1,]', '\u0000']) {
    it(`is undefined where it is none: '${text}'`, () => assert.equal(readJson(text), undefined));
  }

  for (const text of ['null', '[]', '"text"', '17', '', '<html>']) {
    it(`is an object without members where it is none: '${text}'`, () =>
      assert.deepEqual(readJsonObject(text), {}));
  }

  it('is undefined where it nests deeper than any answer', () => {
    const nested = (depth: number) => '['.repeat(depth) + ']'.repeat(depth);
    assert.ok(readJson(nested(200)));
    assert.equal(readJson(nested(201)), undefined);
    assert.equal(readJson(nested(1_000_000)), undefined);
    assert.equal(readJson(`${'{"a":'.repeat(100_000)}1${'}'.repeat(100_000)}`), undefined);
  });

  it('is undefined where it has more values than any answer', () => {
    const list = `[${'{},'.repeat(60_000)}{}]`;
    assert.equal(readJson(list), undefined);
    assert.ok(readJson(list, 200_000));
    assert.ok(readJson(`[${'{},'.repeat(40_000)}{}]`));
    assert.ok(readJson(JSON.stringify(','.repeat(2_000_000))));
  });

  it('does not take brackets in strings for nesting', () => {
    const brackets = '[{'.repeat(1000);
    assert.equal(readJson(JSON.stringify(brackets)), brackets);
    assert.equal(readJson(JSON.stringify(`\\"${brackets}`)), `\\"${brackets}`);
  });
});
