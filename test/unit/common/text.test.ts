import assert from 'node:assert/strict';
import { Summary } from '../../../tasks/common/summary';
import { enumerate, formatBytes, formatDuration, nearest, plural } from '../../../tasks/common/text';

describe('texts for people', () => {
  for (const [bytes, text] of [
    [0, '0 B'],
    [999, '999 B'],
    [1000, '1.0 KB'],
    [52_440_000, '52.4 MB'],
    [300_000_000, '300 MB'],
    [999_950, '1.0 MB'],
    [1_073_741_824, '1.1 GB'],
  ] as const) {
    it(`show ${bytes} bytes as ${text}`, () => assert.equal(formatBytes(bytes), text));
  }

  for (const [milliseconds, text] of [
    [0, '0.0 s'],
    [412, '0.4 s'],
    [9_960, '10 s'],
    [61_000, '1 min 1 s'],
    [300_000, '5 min'],
    [3_600_000, '1 h'],
    [7_800_000, '2 h 10 min'],
  ] as const) {
    it(`show ${milliseconds} ms as ${text}`, () => assert.equal(formatDuration(milliseconds), text));
  }

  it('count', () => {
    assert.equal(plural(1, 'file'), '1 file');
    assert.equal(plural(12_000, 'file'), '12,000 files');
  });

  it('name a few, and count the rest', () => {
    assert.equal(enumerate(['a', 'b'], 2), 'a, b');
    assert.equal(enumerate(['a', 'b', 'c', 'd', 'e'], 2), 'a, b and 3 more');
  });

  it('name what was probably meant first', () => {
    assert.deepEqual(nearest('train-titanik', ['evaluate', 'train-titanic', 'Train-Titanik-2'], 2), [
      'train-titanic',
      'Train-Titanik-2',
    ]);
  });
});

describe('a summary', () => {
  it('shows foreign text as it is, whatever Markdown or HTML is in it', () => {
    const text = new Summary().table(['file'], [['a|b <img src=x> [c](http://d) `e`\nf']]).toString();
    assert.equal(text, '| file |\n| --- |\n| a\\|b \\<img src=x\\> \\[c\\](http://d) \\`e\\` f |\n');
  });

  it('fences code that has fences in it', () => {
    assert.equal(new Summary().code('```\n##vso[x]').toString(), '````\n```\n##vso[x]\n````\n');
  });

  it('keeps the brackets of a link from ending it', () => {
    assert.equal(
      new Summary().link('run', 'https://host/a(1)?o=1').toString(),
      '[run](https://host/a%281%29?o=1)\n',
    );
    const cell = { label: 'a|b', url: 'http://[::1]:80/a|b]`' };
    assert.match(
      new Summary().table(['x'], [[cell]]).toString(),
      /\| \[a\\\|b\]\(http:\/\/\[::1\]\/a%7Cb%5D%60\) \|/,
    );
  });
});
