import assert from 'node:assert/strict';
import { type Decision, IgnoreRules } from '../../../../tasks/AcrBuildPush/oci/context/ignore';

function ignores(text: string, path: string): boolean {
  const rules = new IgnoreRules(text);
  let decision: Decision | undefined;
  const parts = path.split('/');
  parts.forEach((_, index) => {
    decision = rules.decide(parts.slice(0, index + 1).join('/'), decision);
  });
  return decision!.ignored;
}

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
  ] as const) {
    it(`with ${JSON.stringify(text)} leaves ${path} ${expected ? 'out' : 'in'}`, () => {
      assert.equal(ignores(text, path), expected);
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
