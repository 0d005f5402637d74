import assert from 'node:assert/strict';
import minimatch from 'minimatch';
import { compileGlob, globPath } from '../../../../tasks/ModelRegistryDownload/version/glob';

/** The agent's own settings. */
const MATCHING = { dot: true, nobrace: true, nocomment: true, nonegate: true, noext: true };

describe('a pattern of files', () => {
  it('picks what minimatch picks, which the agent matches by', () => {
    const parts = [
      'a',
      'b',
      'c',
      '.',
      '*',
      '**',
      '?',
      '[ab]',
      '[!a]',
      '[^b]',
      '[a-c]',
      '[a\\-]',
      '/',
      '/',
      '**/',
      '/**',
      '{',
      '(',
      '+',
      '\\*',
    ];
    const names = ['a', 'b', 'c', '.', '-', '*', '/', '{', '('];
    let state = 1;
    const random = (below: number) => {
      state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
      return Math.floor((state / 2 ** 32) * below);
    };
    const text = (from: readonly string[], most: number) =>
      Array.from({ length: 1 + random(most) }, () => from[random(from.length)]).join('');
    let picked = 0;
    for (let round = 0; round < 20_000; round++) {
      const pattern = text(parts, 6).replace(/^\/+|\/+$/g, '');
      const path = text(names, 7)
        .replace(/\/+/g, '/')
        .replace(/^\/|\/$/g, '');
      if (!pattern || !path || path.split('/').some((name) => /^\.\.?$/.test(name))) continue;
      const expected = minimatch(path, pattern, MATCHING);
      if (expected) picked += 1;
      assert.equal(compileGlob(pattern)(globPath(path)), expected, `'${pattern}' on '${path}'`);
    }
    assert.ok(picked > 1_000, `${picked} matches`);
  });

  for (const [pattern, path] of [
    [`${'*a'.repeat(400)}b`, 'a'.repeat(1_000)],
    [`${'**/'.repeat(300)}b`, 'a/'.repeat(500)],
    [`${'**/*a/'.repeat(150)}b`, 'a/'.repeat(500)],
    ['['.repeat(50_000), '['.repeat(1_000)],
    [`${'[a'.repeat(25_000)}]`, 'a'.repeat(1_000)],
    [`${'[!'.repeat(500)}]${'?*'.repeat(200)}`, 'a'.repeat(1_000)],
  ] as const) {
    // These would take other matchers longer than anybody waits; the test's own limit is all that it needs.
    it(`is matched in a time that its length bounds: ${pattern.slice(0, 12)}…`, () => {
      compileGlob(pattern)(globPath(path));
    });
  }
});
