import assert from 'node:assert/strict';
import { IgnoreRules } from '../../../../tasks/AcrBuildPush/context/ignore';

describe('A .dockerignore', () => {
  for (const [text, path, expected] of [
    ['', 'a', false],
    ['a', 'a', true],
    ['a', 'b/a', false],
    ['a', 'a/b/c', true],
    ['/a', 'a', true],
    ['./a/', 'a', true],
    ['a/../b', 'b', true],
    ['*', 'a/b', true],
    ['*.py', 'a.py', true],
    ['*.py', 'x/a.py', false],
    ['**/*.py', 'a.py', true],
    ['**/*.py', 'x/y/a.py', true],
    ['**.py', 'x/a.py', true],
    ['a/**', 'a', false],
    ['a/**', 'a/b', true],
    ['a/**/c', 'a/c', true],
    ['a/**/c', 'a/b/b/c', true],
    ['?', 'ab', false],
    ['[a-c]', 'b', true],
    ['[^a]', 'b', true],
    ['[^a]', 'a', false],
    ['a.c', 'abc', false],
    ['a+b', 'a+b', true],
    ['\\*', '*', true],
    ['\\*', 'a', false],
    ['*\n!a', 'a', false],
    ['*\n!a', 'b', true],
    ['!a\n*', 'a', true],
    ['*\n!a/b', 'a/b', false],
    ['*\n!a/b', 'a/c', true],
    ['# a\nb', 'b', true],
    ['  a  ', 'a', true],
    ['! a\r\nb\r\n', 'b', true],
    ['\uFEFFa', 'a', true],
    ['A', 'a', false],
    ['node_modules', 'node_modules2', false],
    ['**/node_modules', 'a/b/node_modules/c', true],
    ['data\n!data/keep\ndata/keep/not', 'data/keep/b', false],
    ['data\n!data/keep\ndata/keep/not', 'data/keep/not', true],
    ['te?t[0-9][^x]', 'test1y', true],
    ['te?t[0-9][^x]', 'te/t1y', false],
    ['a+(b).$', 'aab', false],
    ['  c  \n# d', '# d', false],
  ] as const) {
    it(`with ${JSON.stringify(text)} leaves ${path} ${expected ? 'out' : 'in'}`, () => {
      assert.equal(new IgnoreRules(text).ignores(path), expected);
    });
  }

  for (const text of ['[', '[]', '[^]', '[a', 'a\\', '!', 'x[-a]']) {
    it(`is refused with ${text}`, () => {
      assert.throws(() => new IgnoreRules(text), /\.dockerignore/);
    });
  }

  it('has docker look into a folder that is left out where an exception begins with its name', () => {
    const rules = new IgnoreRules('*\n!a/b/c\n!**/x');
    assert.equal(rules.entersIgnored('a'), true);
    assert.equal(rules.entersIgnored('a/b'), true);
    assert.equal(rules.entersIgnored('ab'), false);
    assert.equal(rules.entersIgnored('z'), false);
  });
});
