import type { ByteReader } from './byte-reader';

/** A file in a tar. */
export interface TarFile {
  readonly name: string;
  /** Where its content begins, and how many bytes it has. */
  readonly start: number;
  readonly size: number;
}

const BLOCK = 512;

/** Of the kinds that have no content, whatever size they tell: links, devices, folders and pipes. */
const WITHOUT_CONTENT = '123456';

/** Extended headers, which change what is said of the file that follows. */
const EXTENDED = 'xgX';

/** Bytes of an extended header, at most. */
const LARGEST_EXTENDED = 1024 * 1024;

/** What an extended header says that moves the headers after it. */
const MOVING = /(?:^|\n)\d+ (?:size|GNU\.sparse[^=\n]*)=/;

/** Whether a block begins a file in a tar: by its mark, or by its checksum alone, which is what Python goes by. */
export function isTarHeader(block: Buffer): boolean {
  if (block.length < BLOCK) return false;
  if (block.toString('latin1', 257, 262) === 'ustar') return true;
  const stated = numberIn(block.subarray(148, 156));
  // The checksum counts itself as eight blanks. Some programs take bytes for numbers with a sign.
  let [unsigned, signed] = [256, 256];
  for (let at = 0; at < BLOCK; at++) {
    if (at >= 148 && at < 156) continue;
    unsigned += block[at]!;
    signed += block.readInt8(at);
  }
  return stated === unsigned || stated === signed;
}

/**
 * The files in a tar, as Python finds them.
 *
 * @param reader at its beginning
 * @throws Error where another reader could find other files
 */
export async function* filesOfTar(reader: ByteReader): AsyncGenerator<TarFile> {
  while (await reader.need(BLOCK)) {
    const block = Buffer.from(reader.take(BLOCK));
    if (block.every((byte) => byte === 0)) return;
    if (!isTarHeader(block)) throw new Error('it is no archive that can be looked into');
    const name = textIn(block.subarray(0, 100));
    const type = String.fromCharCode(block[156]!);
    // Before there was a kind for folders, a slash told them.
    const isEmpty = WITHOUT_CONTENT.includes(type) || (type === '\0' && name.endsWith('/'));
    const size = isEmpty ? 0 : numberIn(block.subarray(124, 136));
    if (!Number.isSafeInteger(size)) throw new Error('it has a file of no size');
    if (type === 'S') throw new Error('it has a file with holes');
    if (EXTENDED.includes(type)) await refuseMoving(reader, size);
    const start = reader.position;
    if (!isEmpty) yield { name, start, size };
    if (!(await reader.skip(Math.ceil(size / BLOCK) * BLOCK))) return;
  }
}

async function refuseMoving(reader: ByteReader, size: number): Promise<void> {
  const isReadable = size <= LARGEST_EXTENDED && (await reader.need(size));
  if (!isReadable) throw new Error('it has a header that is too large');
  if (MOVING.test(reader.peek(size).toString('latin1'))) {
    throw new Error('it has a file whose size two readers could take for two');
  }
}

function textIn(field: Buffer): string {
  const end = field.indexOf(0);
  return field.toString('utf8', 0, end < 0 ? undefined : end);
}

/** Octal, in whatever way Python reads it, or the bytes of a number behind a mark; NaN for anything else. */
function numberIn(field: Buffer): number {
  if (field[0] === 0x80) return field.subarray(1).reduce((number, byte) => number * 256 + byte, 0);
  const digits =
    textIn(field)
      .trim()
      .replace(/^\+?0o/i, '')
      .replaceAll('_', '') || '0';
  return /^\+?[0-7]+$/.test(digits) ? Number.parseInt(digits, 8) : Number.NaN;
}
