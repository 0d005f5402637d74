import assert from 'node:assert/strict';
import { compileGlob } from '../../../../tasks/AcrBuildPush/files/glob';

describe('A pattern of COPY', () => {
  for (const [pattern, path, expected] of [
    ['*.py', 'a.py', true],
    ['*.py', 'x/a.py', false],
    ['*/*.py', 'x/a.py', true],
    ['a**b', 'axxb', true],
    ['a**b', 'a/b', false],
    ['?', 'ü', true],
    ['?', '/', false],
    ['[a-c]x', 'bx', true],
    ['[^a-c]x', 'bx', false],
    // Sets go beyond a name, as Go has it.
    ['a[^b]c', 'a/c', true],
    ['\\*', '*', true],
    ['\\*', 'a', false],
    ['[\\]]', ']', true],
    ['A', 'a', false],
    // What a part matches first, it keeps.
    ['*[^a]*', 'xa', true],
    ['*[^a]*', 'b/a', false],
    ['*a/b', 'aa/b', true],
    ['*', '', true],
  ] as const) {
    it(`${pattern} ${expected ? 'matches' : 'does not match'} '${path}'`, () => {
      assert.equal(compileGlob(pattern)!(path), expected);
    });
  }

  for (const pattern of ['[', '[]', '[]a]', '[^]', '[a', '[a-', '[-a]', 'a\\', '[a\\', 'a'.repeat(5_000)]) {
    it(`is not ${pattern.slice(0, 10)}`, () => assert.equal(compileGlob(pattern), undefined));
  }

  it('is through with any name at once', () => {
    for (const pattern of [`${'*a'.repeat(12)}b`, `${'*a'.repeat(2_000)}b`, `${'*[a-z]?'.repeat(500)}b`]) {
      assert.equal(compileGlob(pattern)!('a'.repeat(255)), false);
    }
  }).timeout(20_000);
});
