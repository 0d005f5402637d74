import { createReadStream } from 'node:fs';
import { lstat, readdir, readlink } from 'node:fs/promises';
import { join } from 'node:path';
import type { IgnoreRules } from './ignore';

/** A file that is made up for the archive. */
export interface ExtraFile {
  readonly name: string;
  readonly content: Buffer;
}

interface Entry {
  readonly name: string;
  readonly kind: 'file' | 'folder' | 'link';
  readonly mode: number;
  readonly size: number;
  readonly target: string;
}

const BLOCK = 512;

/** The largest size that the eleven octal digits of a header hold. */
const LARGEST_SIZE = 8 ** 11 - 1;

const TYPES = { file: '0', link: '2', folder: '5' };

/**
 * Packs a build context as a tar archive, piece by piece. The same files always give the same bytes: names are sorted,
 * and nothing of the agent is in it, no owner and no time.
 */
export async function* packContext(
  context: string,
  rules: IgnoreRules,
  extra: readonly ExtraFile[],
): AsyncGenerator<Buffer> {
  for (const { name, content } of extra) {
    yield* header({ name, kind: 'file', mode: 0o644, size: content.length, target: '' });
    yield content;
    yield padding(content.length);
  }
  yield* packFolder(context, '', rules);
  yield Buffer.alloc(2 * BLOCK);
}

async function* packFolder(context: string, folder: string, rules: IgnoreRules): AsyncGenerator<Buffer> {
  const names = (await readdir(join(context, folder))).sort();
  for (const own of names) {
    const name = folder ? `${folder}/${own}` : own;
    const path = join(context, name);
    const stats = await lstat(path);
    const isIgnored = rules.ignores(name);
    const mode = stats.mode & 0o777;
    if (stats.isDirectory()) {
      if (!isIgnored) yield* header({ name: `${name}/`, kind: 'folder', mode, size: 0, target: '' });
      if (!isIgnored || rules.hasExceptions) yield* packFolder(context, name, rules);
    } else if (isIgnored) {
    } else if (stats.isSymbolicLink()) {
      yield* header({ name, kind: 'link', mode: 0o777, size: 0, target: await readlink(path) });
    } else if (stats.isFile()) {
      yield* header({ name, kind: 'file', mode, size: stats.size, target: '' });
      yield* readExactly(path, stats.size);
      yield padding(stats.size);
    }
  }
}

/** A file that grows while it is read is cut at the size in its header; one that shrinks can't be packed. */
async function* readExactly(path: string, size: number): AsyncGenerator<Buffer> {
  if (size === 0) return;
  let read = 0;
  for await (const chunk of createReadStream(path, { end: size - 1, highWaterMark: 1 << 20 })) {
    read += (chunk as Buffer).length;
    yield chunk as Buffer;
  }
  if (read !== size) throw new Error(`${path} became smaller while it was read`);
}

function* header(entry: Entry): Generator<Buffer> {
  const { name, target, size } = entry;
  const records = [
    ...(Buffer.byteLength(name) > 100 ? [['path', name]] : []),
    ...(Buffer.byteLength(target) > 100 ? [['linkpath', target]] : []),
    ...(size > LARGEST_SIZE ? [['size', String(size)]] : []),
  ].map(([key, value]) => paxRecord(key!, value!));
  if (records.length > 0) {
    const content = Buffer.from(records.join(''));
    yield block({ name: 'pax', kind: 'file', mode: 0o644, size: content.length, target: '' }, 'x');
    yield content;
    yield padding(content.length);
  }
  yield block(entry, TYPES[entry.kind]);
}

/** `<length> <key>=<value>` and a line feed, where the length counts itself too. */
function paxRecord(key: string, value: string): string {
  const rest = ` ${key}=${value}\n`;
  const restLength = Buffer.byteLength(rest);
  let length = restLength + String(restLength).length;
  length = restLength + String(length).length;
  return `${length}${rest}`;
}

function block({ name, mode, size, target }: Entry, type: string): Buffer {
  const buffer = Buffer.alloc(BLOCK);
  const octal = (value: number, length: number) => `${value.toString(8).padStart(length - 1, '0')}\0`;
  buffer.write(name, 0, 100);
  buffer.write(octal(mode, 8), 100);
  buffer.write(octal(0, 8), 108);
  buffer.write(octal(0, 8), 116);
  buffer.write(octal(Math.min(size, LARGEST_SIZE), 12), 124);
  buffer.write(octal(0, 12), 136);
  buffer.write(' '.repeat(8), 148);
  buffer.write(type, 156);
  buffer.write(target, 157, 100);
  buffer.write('ustar\0', 257);
  buffer.write('00', 263);
  const checksum = buffer.reduce((sum, byte) => sum + byte, 0);
  buffer.write(`${checksum.toString(8).padStart(6, '0')}\0 `, 148);
  return buffer;
}

function padding(size: number): Buffer {
  return Buffer.alloc((BLOCK - (size % BLOCK)) % BLOCK);
}
