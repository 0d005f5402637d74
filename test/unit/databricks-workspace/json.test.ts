import assert from 'node:assert/strict';
import { parseJson, writeJson } from '../../../local/databricks/json';

describe('JSON with 64-bit integers', () => {
  const texts = [
    ['an id beyond 2^53', '{"run_id":8795400285113916203}'],
    ['ids in a list', '[9007199254740993,-9007199254740993,3]'],
    ['digits in a string', '{"text":"id 8795400285113916203, \\"8795400285113916203\\""}'],
    ['a name made of digits', '{"8795400285113916203":1}'],
    ['nothing and truth', '{"a":null,"b":true,"c":1.5,"d":""}'],
  ] as const;
  for (const [what, text] of texts) {
    it(`keeps ${what}`, () => assert.equal(writeJson(parseJson(text)), text));
  }

  for (const text of ['1.23456789012345678901', '12345678901234567890e-10', '1e-1234567890123456']) {
    it(`reads ${text} as a number`, () => assert.equal(parseJson(text), Number(text)));
  }

  it('reads a string of 20 MB', () => {
    const text = '1234567890123456789\n'.repeat(1_000_000);
    assert.equal(parseJson(JSON.stringify(text)), text);
  });

  it('leaves out what is undefined', () => {
    assert.equal(writeJson({ a: undefined, b: 1n }), '{"b":1}');
  });
});
