import assert from 'node:assert/strict';
import { LineReader } from '../../../tasks/common/line-reader';

describe('a reader of lines', () => {
  function linesOf(chunks: Iterable<string>, longest?: number): string[] {
    const lines: string[] = [];
    const reader = new LineReader((line) => lines.push(line), longest);
    for (const chunk of chunks) reader.add(Buffer.from(chunk));
    reader.end();
    return lines;
  }

  it('takes carriage returns from the ends of lines, and from nowhere else', () => {
    assert.deepEqual(linesOf(['a\r\r', '\nb\rc\r\n', '\r\nd\r']), ['a', 'b\rc', '', 'd']);
  });

  it('leaves out what a line has beyond the most that is read, and goes on with the next', () => {
    assert.deepEqual(linesOf(['abc', 'defgh', 'ij\nk', 'l\n', 'mnopq\n'], 4), ['abcd', 'kl', 'mnop']);
  });

  it('takes no more time for what is written to be slow', () => {
    for (const nasty of ['\r', '\r\r\ra', 'x', '\n', '\r\n']) {
      const piece = nasty.repeat(4_000);
      const chunks = Array.from({ length: 1_000 }, () => piece);
      const lines = linesOf([...chunks, 'end']);
      assert.ok(lines.length > 0);
    }
  }).timeout(20_000);
});
