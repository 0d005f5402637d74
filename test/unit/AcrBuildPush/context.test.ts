import assert from 'node:assert/strict';
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseIgnoreRules } from '../../../tasks/AcrBuildPush/context/ignore';
import {
  describeBigContext,
  measureContext,
  readIgnoreRules,
} from '../../../tasks/AcrBuildPush/context/size';
import { temporaryFolder } from './support';

describe('.dockerignore', () => {
  // Each line: the file's text; what it leaves out; what it lets through.
  for (const [text, out, through] of [
    ['node_modules', ['node_modules', 'node_modules/a/b'], ['a/node_modules', 'node_modules2']],
    ['**/node_modules', ['node_modules/a', 'a/b/node_modules'], ['a/node_modules2']],
    ['*.pkl', ['model.pkl'], ['a/model.pkl', 'model.pkl2', 'modelxpkl']],
    ['**/*.pkl', ['model.pkl', 'a/b/model.pkl'], ['pkl']],
    ['data/**', ['data/a', 'data/a/b'], ['data2']],
    ['*\n!model.pkl', ['a', 'a/model.pkl'], ['model.pkl']],
    ['data\n!data/keep\ndata/keep/not', ['data/a', 'data/keep/not'], ['data/keep', 'data/keep/b']],
    ['!a\na', ['a'], ['b']],
    ['/a/', ['a', 'a/b'], ['b/a']],
    ['./a/../b', ['b'], ['a']],
    ['te?t[0-9][^x]', ['test1y'], ['test1x', 'te/t1y']],
    ['a+(b).$', ['a+(b).$'], ['aab']],
    ['\\*', ['*'], ['a']],
    ['\uFEFFa\r\n# b\n\n  c  ', ['a', 'c'], ['# b', 'b']],
    ['[', [], ['[']],
  ] as [string, string[], string[]][]) {
    it(`of ${JSON.stringify(text)} is read as docker reads it`, () => {
      const rules = parseIgnoreRules(text);
      for (const path of out) assert.ok(rules.ignores(path), `${path} is not left out`);
      for (const path of through) assert.ok(!rules.ignores(path), `${path} is left out`);
    });
  }
});

describe('a build context', () => {
  let folder: ReturnType<typeof temporaryFolder>;
  beforeEach(() => {
    folder = temporaryFolder();
    mkdirSync(join(folder.path, 'data', 'raw'), { recursive: true });
    writeFileSync(join(folder.path, 'Dockerfile'), 'FROM scratch');
    writeFileSync(join(folder.path, 'data', 'raw', 'rows.csv'), 'x'.repeat(500));
    writeFileSync(join(folder.path, 'data', 'model.pkl'), 'x'.repeat(70));
    symlinkSync('/', join(folder.path, 'everything'));
  });
  afterEach(() => folder.remove());

  it('is counted without what is left out, the largest first', async () => {
    const { path } = folder;
    assert.deepEqual(await measureContext(path, parseIgnoreRules('data/*\n!data/model.pkl')), {
      bytes: 82,
      files: 2,
      largest: [
        { name: 'data', bytes: 70 },
        { name: 'Dockerfile', bytes: 12 },
      ],
      isPartial: false,
    });
    assert.equal((await measureContext(path, parseIgnoreRules(''))).bytes, 582);
  });

  it('has the rules beside its Dockerfile, with BuildKit alone', () => {
    const dockerfile = join(folder.path, 'Dockerfile');
    writeFileSync(join(folder.path, '.dockerignore'), 'a');
    writeFileSync(`${dockerfile}.dockerignore`, 'b');
    assert.ok(readIgnoreRules(folder.path, dockerfile, { isLegacy: true }).ignores('a'));
    assert.ok(readIgnoreRules(folder.path, dockerfile, { isLegacy: false }).ignores('b'));
  });

  it('is worth a word when it is big', () => {
    const size = { files: 3, isPartial: false, largest: [{ name: 'data', bytes: 250_000_000 }] };
    assert.equal(describeBigContext({ ...size, bytes: 99_000_000 }), undefined);
    assert.equal(
      describeBigContext({ ...size, bytes: 300_000_000 }),
      'The build context has 300 MB in 3 files. Largest: data (250 MB). Name in .dockerignore what the image does not need.',
    );
  });
});
