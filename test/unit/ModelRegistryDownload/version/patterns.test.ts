import assert from 'node:assert/strict';
import { selectFiles } from '../../../../tasks/ModelRegistryDownload/version/patterns';

const files = ['model.pkl', 'Lookup.pkl', '.hidden', 'data/train.csv', 'data/deep/test.csv', 'a{b}.txt'].map(
  (path) => ({ path }),
);
const select = (...patterns: string[]) => selectFiles(files, patterns).map(({ path }) => path);

describe('patterns', () => {
  const cases: [patterns: string[], expected: string[]][] = [
    [['**'], ['model.pkl', 'Lookup.pkl', '.hidden', 'data/train.csv', 'data/deep/test.csv', 'a{b}.txt']],
    [['*'], ['model.pkl', 'Lookup.pkl', '.hidden', 'a{b}.txt']],
    [['*.pkl'], ['model.pkl', 'Lookup.pkl']],
    [['model.???'], ['model.pkl']],
    [['[lL]ookup.*'], ['Lookup.pkl']],
    [['data/*'], ['data/train.csv']],
    [['data/**'], ['data/train.csv', 'data/deep/test.csv']],
    [['**/*.csv'], ['data/train.csv', 'data/deep/test.csv']],
    [['a{b}.txt'], ['a{b}.txt']],
    [
      ['**', '!**/*.csv'],
      ['model.pkl', 'Lookup.pkl', '.hidden', 'a{b}.txt'],
    ],
    [
      ['**', '!data/**', 'data/train.csv'],
      ['model.pkl', 'Lookup.pkl', '.hidden', 'data/train.csv', 'a{b}.txt'],
    ],
    [
      ['*.pkl', '!*.onnx'],
      ['model.pkl', 'Lookup.pkl'],
    ],
  ];
  for (const [patterns, expected] of cases) {
    it(`${patterns.join(' ')} picks ${expected.length} of ${files.length} files`, () => {
      assert.deepEqual(select(...patterns), expected);
    });
  }

  it('tell upper from lower case on every platform', () => {
    assert.throws(() => select('lookup.pkl'), /Nothing in this version matches 'lookup\.pkl'/);
  });

  it('that match nothing are errors, and the files that are there are shown', () => {
    assert.throws(
      () => select('*.pkl', '*.onnx', 'x/**'),
      (error: Error & { details: string[] }) => {
        assert.match(error.message, /'\*\.onnx', 'x\/\*\*'/);
        assert.ok(error.details.includes('  data/train.csv'));
        return true;
      },
    );
  });

  for (const patterns of [['!*.csv'], ['*.pkl', '!**']]) {
    it(`${patterns.join(' ')}, which leave nothing over, are errors`, () => {
      assert.throws(() => select(...patterns), /leave out every file/);
    });
  }

  it('with lists of patterns, or longer than anybody writes, are refused in plain words', () => {
    assert.throws(() => select('+(a|+(a|+(a|a)))b'), /has a list of patterns in brackets/);
    assert.throws(() => select('['.repeat(50_000)), /has 50000 characters; 1000 are the most/);
  });
});
