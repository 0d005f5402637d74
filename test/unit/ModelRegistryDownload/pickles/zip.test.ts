import assert from 'node:assert/strict';
import { crc32 } from 'node:zlib';
import { memoryContent } from '../../../../tasks/ModelRegistryDownload/pickles/byte-reader';
import { inspectFile } from '../../../../tasks/ModelRegistryDownload/pickles/inspect-file';
import { Inspection } from '../../../../tasks/ModelRegistryDownload/pickles/inspection';

const NAME = 'model/data.pkl';
const ATTACK = Buffer.from("cposix\nsystem\n(S'true'\ntR.");
/** An honest pickle that is longer than the attack. */
const HONEST = Buffer.from(`S'${'x'.repeat(300)}'\n.`);

interface Options {
  readonly method?: number;
  readonly size?: number;
  readonly extra?: Buffer;
  readonly offset?: number;
}

/** What describes a member, beginning with the version that it takes to read it. */
function description(
  content: Buffer,
  { method = 0, size = content.length, extra = Buffer.alloc(0) }: Options,
) {
  const fields = Buffer.alloc(26);
  fields.writeUInt16LE(20, 0);
  fields.writeUInt16LE(method, 4);
  fields.writeUInt32LE(crc32(content), 10);
  fields.writeUInt32LE(content.length, 14);
  fields.writeUInt32LE(size, 18);
  fields.writeUInt16LE(NAME.length, 22);
  fields.writeUInt16LE(extra.length, 24);
  return fields;
}

function member(content: Buffer, options: Options = {}): Buffer {
  const described = description(content, { ...options, extra: Buffer.alloc(0) });
  return Buffer.concat([Buffer.from('PK\x03\x04'), described, Buffer.from(NAME), content]);
}

function directory(content: Buffer, options: Options = {}): Buffer {
  const { offset = 0, extra = Buffer.alloc(0) } = options;
  const rest = Buffer.alloc(14);
  rest.writeUInt32LE(offset, 10);
  return Buffer.concat([
    ...[Buffer.from('PK\x01\x02\x14\0'), description(content, options), rest],
    ...[Buffer.from(NAME), extra],
  ]);
}

function end(size: number, offset: number, comment = Buffer.alloc(0)): Buffer {
  const record = Buffer.alloc(22);
  record.write('PK\x05\x06');
  record.writeUInt16LE(1, 8);
  record.writeUInt16LE(1, 10);
  record.writeUInt32LE(size, 12);
  record.writeUInt32LE(offset, 16);
  record.writeUInt16LE(comment.length, 20);
  return Buffer.concat([record, comment]);
}

function archive(content: Buffer, options: Options = {}): Buffer {
  const [own, listed] = [member(content, options), directory(content, options)];
  return Buffer.concat([own, listed, end(listed.length, own.length)]);
}

/** The field in which numbers of 64 bits stand. */
function wide(...numbers: number[]): Buffer {
  const field = Buffer.alloc(4 + 8 * numbers.length);
  field.writeUInt16LE(1, 0);
  field.writeUInt16LE(8 * numbers.length, 2);
  for (const [index, number] of numbers.entries()) field.writeBigUInt64LE(BigInt(number), 4 + 8 * index);
  return field;
}

async function findingsIn(content: Buffer): Promise<string[]> {
  const inspection = new Inspection(new Set());
  await inspectFile('model.pt', memoryContent(content), inspection, new AbortController().signal);
  return inspection.findings.map(({ what }) => what);
}

describe('a zip file that two readers would read in two ways', () => {
  const [honest, attack] = [member(HONEST), member(ATTACK)];
  const listed = directory(HONEST);

  it('is none where its records agree', async () => {
    assert.deepEqual(await findingsIn(archive(HONEST)), []);
    assert.deepEqual(await findingsIn(archive(ATTACK)), ['calls posix.system']);
    const field = { extra: wide(0), offset: 0xffffffff };
    assert.deepEqual(await findingsIn(archive(HONEST, field)), []);
  });

  it('has a second directory right before its end', async () => {
    // Python looks there, and takes all offsets for that much too small.
    const second = directory(ATTACK, { offset: honest.length - attack.length });
    const content = [honest, listed, attack, second, end(listed.length, honest.length)];
    assert.deepEqual(await findingsIn(Buffer.concat(content)), [
      'cannot be read: its directory is not where its end says',
    ]);
  });

  it('has a second end in the comment of the first', async () => {
    const second = directory(ATTACK, { offset: honest.length });
    const before = honest.length + attack.length + listed.length;
    // Python takes the last end, whose comment does not have to end with the file.
    const comment = Buffer.concat([second, end(second.length, before + 22), Buffer.from('!')]);
    const content = [honest, attack, listed, end(listed.length, honest.length + attack.length, comment)];
    assert.deepEqual(await findingsIn(Buffer.concat(content)), ['cannot be read: it ends in two ways']);
  });

  it('goes on behind its end', async () => {
    const found = await findingsIn(Buffer.concat([archive(ATTACK), Buffer.from('!')]));
    assert.deepEqual(found, ['cannot be read: it ends in two ways']);
  });

  it('tells an offset twice', async () => {
    const extra = Buffer.concat([wide(honest.length), wide(0)]);
    const second = directory(HONEST, { offset: 0xffffffff, extra });
    const content = [honest, attack, second, end(second.length, honest.length + attack.length)];
    assert.deepEqual(await findingsIn(Buffer.concat(content)), [
      'cannot be read: its directory says one thing twice',
    ]);
  });

  it('has a member of two lengths', async () => {
    const found = await findingsIn(archive(HONEST, { size: 10 }));
    assert.ok(found.includes('is described in two ways in the archive'), found.join());
  });
});
