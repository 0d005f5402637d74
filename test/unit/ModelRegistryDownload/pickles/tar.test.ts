import assert from 'node:assert/strict';
import { memoryContent } from '../../../../tasks/ModelRegistryDownload/pickles/byte-reader';
import { inspectFile } from '../../../../tasks/ModelRegistryDownload/pickles/inspect-file';
import { Inspection } from '../../../../tasks/ModelRegistryDownload/pickles/inspection';

const ATTACK = Buffer.from("cposix\nsystem\n(S'true'\ntR.");
const HONEST = Buffer.from("S'x'\n.");

interface Options {
  readonly type?: string;
  readonly size?: string;
  readonly mark?: string;
  readonly sum?: (sum: number) => string;
}

/** A file in a tar. */
function file(name: string, content: Buffer, options: Options = {}): Buffer {
  const { type = '0', size = content.length.toString(8).padStart(11, '0'), mark = 'ustar\x0000' } = options;
  const header = Buffer.alloc(512);
  header.write(name);
  header.write(size, 124, 'latin1');
  header.write(type, 156);
  header.write(mark, 257);
  header.fill(' ', 148, 156);
  const sum = header.reduce((total, byte) => total + byte, 0);
  header.write(options.sum?.(sum) ?? `${sum.toString(8).padStart(6, '0')}\0 `, 148, 'latin1');
  return Buffer.concat([header, content, Buffer.alloc((512 - (content.length % 512)) % 512)]);
}

async function findingsIn(...parts: Buffer[]): Promise<string[]> {
  const inspection = new Inspection(new Set());
  const content = memoryContent(Buffer.concat([...parts, Buffer.alloc(1024)]));
  await inspectFile('weights.bin', content, inspection, new AbortController().signal);
  return inspection.findings.map(({ what }) => what);
}

describe('a tar is looked into as Python reads it', () => {
  const called = ['calls posix.system'];

  it('whatever is in it', async () => {
    assert.deepEqual(await findingsIn(file('a', HONEST), file('b', HONEST)), []);
    assert.deepEqual(await findingsIn(file('a', HONEST), file('b', ATTACK)), called);
  });

  const sums: [what: string, options: Options][] = [
    ['alone', {}],
    ['with a prefix', { sum: (sum) => `0o${sum.toString(8)}\0` }],
    ['with blanks before it', { sum: (sum) => ` ${sum.toString(8)}\0` }],
    ['as bytes', { sum: (sum) => `\x80\0\0\0\0\0${String.fromCharCode(sum >> 8, sum & 255)}` }],
  ];
  for (const [what, options] of sums) {
    it(`where its checksum ${what} tells that it is one`, async () => {
      assert.deepEqual(await findingsIn(file('pickle', ATTACK, { ...options, mark: '' })), called);
    });
  }

  it('where a file of a kind that has no content tells a size, over the file behind it', async () => {
    const size = '00000001000';
    for (const type of ['1', '2', '5', '6'])
      assert.deepEqual(
        await findingsIn(file('x', Buffer.alloc(0), { type, size }), file('b', ATTACK)),
        called,
      );
    const folder = file('x/', Buffer.alloc(0), { type: '\0', size });
    assert.deepEqual(await findingsIn(folder, file('b', ATTACK)), called);
  });

  it('where its files are of other kinds that have content', async () => {
    for (const type of ['\0', '7', 'Z']) {
      assert.deepEqual(await findingsIn(file('a', ATTACK, { type })), called, type);
    }
  });

  it('not where a header before a file says that its size is another one', async () => {
    const size = file('x', Buffer.from('13 size=4096\n'), { type: 'x' });
    const [fault] = await findingsIn(size, file('a', HONEST));
    assert.match(fault!, /^cannot be read: .* size two readers could take for two$/);
    const time = file('x', Buffer.from('20 mtime=1700000000\n'), { type: 'x' });
    assert.deepEqual(await findingsIn(time, file('a', ATTACK)), called);
  });

  it('not where a file has holes, or a size that is none', async () => {
    assert.match((await findingsIn(file('a', HONEST, { type: 'S' }))).join(), /with holes/);
    assert.match((await findingsIn(file('a', HONEST, { size: 'nine' }))).join(), /of no size/);
  });
});
