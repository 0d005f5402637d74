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
    // An exception for a folder that nothing leaves out does not count for what is in it.
    ['**/*.pyc\n!app', 'app/x.pyc', true],
    ['**/*.pyc\n!app/*', 'app/x.pyc', false],
    ['**/*\n!app', 'app/x.pyc', false],
    ['app\n!**/*.py', 'app/a.py', false],
    ['app\n!**/*.py', 'app/a.txt', true],
    // Sets, bars, braces and escapes go into docker's regular expressions as they are written.
    ['a[^b]c', 'a/c', true],
    ['[*]x', '[/]x', true],
    ['a\\b', 'a', true],
    ['\\d\\d', '42', true],
    ['[\\d]', '4', true],
    ['\\x61', 'a', true],
    ['a*|b*', 'ac/x', true],
    ['a*|b*', 'xb', true],
    ['a*|b*', 'xa', false],
    ['a{2}*', 'aab', true],
    ['a{2}*', 'ab', false],
    ['a{2}', 'a{2}', true],
    ['*.{js,ts}', 'a.{js,ts}', true],
    ['\\Qa', 'a', false],
    ['b\\x{61}', 'ba', true],
    ['**/**/*c\\', 'xc$', true],
    ['**/**/*c\\', 'xc', false],
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

  it('is refused with what Go has no expression for where docker would try it', () => {
    const rules = new IgnoreRules('a/\\8*\nb');
    assert.throws(() => rules.ignores('a'), /can't read: 'a\/\\8\*'/);
    assert.equal(new IgnoreRules('b\n!\\8').ignores('a'), false);
  });

  it('is named in what is wrong with it', () => {
    assert.throws(
      () => new IgnoreRules('[', { file: 'api.Dockerfile.dockerignore' }),
      /^TaskError: api\.Dockerfile\./,
    );
  });

  it('has docker look into a folder that is left out where an exception begins with its name', () => {
    for (const isLegacy of [true, false]) {
      const rules = new IgnoreRules('*\n!a/b/c\n!d/**', { isLegacy });
      assert.equal(rules.entersIgnored('a'), true);
      assert.equal(rules.entersIgnored('a/b'), true);
      assert.equal(rules.entersIgnored('ab'), false);
      assert.equal(rules.entersIgnored('z'), false);
    }
  });

  it('has BuildKit look everywhere where an exception has wildcards, and the legacy builder not', () => {
    const text = '*\n!a/b/c\n!**/x';
    assert.equal(new IgnoreRules(text).entersIgnored('z'), true);
    assert.equal(new IgnoreRules(text, { isLegacy: true }).entersIgnored('z'), false);
    assert.equal(new IgnoreRules('*').entersIgnored('z'), false);
  });

  it('is refused where it is longer than any path, before anything looks at all of it', () => {
    for (const text of ['../', 'a/../', '*a', '!a/'].map((piece) => piece.repeat(2_000_000))) {
      assert.throws(
        () => new IgnoreRules(`*.log\n${text}`),
        /^TaskError: \.dockerignore has a pattern of \d+ characters; 10000 are the most\.$/,
      );
    }
  });

  it('is through with any path at once, whatever its patterns', () => {
    const hostile = [
      `${'*a'.repeat(12)}b`,
      `${'*a'.repeat(1_000)}b`,
      `${'**/a'.repeat(1_000)}b`,
      `${'**/'.repeat(1_000)}b*`,
      '*'.repeat(4_000),
      `${'[a]*'.repeat(900)}b`,
      `${'a{0,1000}*'.repeat(3)}b`,
      '['.repeat(4_000),
      'a|'.repeat(2_000),
      '\\b'.repeat(2_000),
    ];
    for (const pattern of hostile) {
      try {
        new IgnoreRules(pattern).ignores(`${'a'.repeat(250)}/${'a'.repeat(250)}`);
      } catch (error) {
        assert.match(String(error), /can't read/);
      }
    }
  }).timeout(20_000);
});
