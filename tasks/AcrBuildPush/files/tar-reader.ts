import { BLOCK, padding } from './tar';

/** An entry of a tar as a layer holds it. */
export interface TarMember {
  /** Without slashes at its begin and end, and without `.` and `..`. */
  readonly path: string;
  readonly kind: 'file' | 'directory' | 'symlink' | 'hardlink' | 'special';
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  /** Where a link leads. */
  readonly link: string;
  readonly size: number;
}

/** Takes a member's bytes. Where it returns a promise, the next ones come when that is kept. */
export type Sink = (chunk: Buffer) => unknown;

/** The bytes of a tar. Where some can be left out, what the caller passes over need not be read. */
export interface TarSource extends AsyncIterable<Buffer> {
  /** Has the next chunk begin so many bytes later. */
  leaveOut?(bytes: number): void;
}

/**
 * Reads a tar as it streams by: ustar, pax, and GNU's long names.
 *
 * @param onMember told of every member; what it returns gets the member's bytes, which are passed over otherwise
 * @throws Error when it is no tar, or ends too early
 */
export async function readTar(
  chunks: TarSource,
  onMember: (member: TarMember) => Sink | undefined,
): Promise<void> {
  const input = new ByteReader(chunks);
  let extra: Record<string, string> = {};
  for (;;) {
    const header = await input.take(BLOCK);
    if (!header || header.every((byte) => byte === 0)) break;
    if (!hasRightSum(header)) throw new Error('it is no tar, or a broken one');
    const type = String.fromCharCode(header[156]!);
    const size = extra.size !== undefined ? Number(extra.size) : number(header, 124, 12);
    if (!Number.isSafeInteger(size) || size < 0) throw new Error('it has a member of no size');
    if ('xgLK'.includes(type)) {
      if (size > LONGEST_HEADER) throw new Error('it has a header that is too long');
      const data = await input.takeAll(size);
      await input.skip(padding(size));
      if (type === 'x') extra = { ...extra, ...paxRecords(data) };
      if (type === 'L') extra.path = text(data, 0, data.length);
      if (type === 'K') extra.linkpath = text(data, 0, data.length);
      continue;
    }
    const prefix = header.toString('latin1', 257, 263) === 'ustar\0' ? text(header, 345, 155) : '';
    const name = text(header, 0, 100);
    const bytes = '0\x007'.includes(type) ? size : 0;
    const sink = onMember({
      path: normalize(extra.path ?? (prefix ? `${prefix}/${name}` : name)),
      kind: KINDS[type] ?? 'special',
      mode: number(header, 100, 8) & 0o7777,
      uid: Number(extra.uid ?? number(header, 108, 8)),
      gid: Number(extra.gid ?? number(header, 116, 8)),
      link: extra.linkpath ?? text(header, 157, 100),
      size: bytes,
    });
    extra = {};
    await input.pass(bytes, sink);
    await input.skip(padding(bytes));
  }
  await input.drain();
}

/** Bytes of a header's extension: it holds names and numbers, all in memory. */
const LONGEST_HEADER = 1024 * 1024;

const KINDS: Readonly<Record<string, TarMember['kind']>> = {
  '0': 'file',
  '\0': 'file',
  '7': 'file',
  '1': 'hardlink',
  '2': 'symlink',
  '5': 'directory',
};

/** Names in a layer are relative to the root, however they are written. */
function normalize(path: string): string {
  const parts: string[] = [];
  for (const part of path.split('/')) {
    if (part === '..') parts.pop();
    else if (part !== '' && part !== '.') parts.push(part);
  }
  return parts.join('/');
}

function text(block: Buffer, at: number, length: number): string {
  const field = block.subarray(at, at + length);
  const end = field.indexOf(0);
  return field.toString('utf8', 0, end < 0 ? length : end);
}

/** A number in octal or, with the highest bit set, in base 256. */
function number(block: Buffer, at: number, length: number): number {
  if (!(block[at]! & 0x80)) return Number.parseInt(text(block, at, length).trim() || '0', 8);
  return block.subarray(at + 1, at + length).reduce((value, byte) => value * 256 + byte, 0);
}

/** Whether a header has the sum of its own bytes, those of the sum itself counted as spaces. */
export function hasRightSum(header: Buffer): boolean {
  const sum = header.reduce((total, byte, at) => total + (at >= 148 && at < 156 ? 32 : byte), 0);
  return sum === number(header, 148, 8);
}

function paxRecords(data: Buffer): Record<string, string> {
  const records: Record<string, string> = {};
  for (let at = 0; at < data.length; ) {
    const space = data.indexOf(32, at);
    const length = Number(data.toString('latin1', at, space));
    if (space < 0 || !(length > 0)) throw new Error('it has a broken pax header');
    const record = data.toString('utf8', space + 1, at + length - 1);
    const equals = record.indexOf('=');
    records[record.slice(0, equals)] = record.slice(equals + 1);
    at += length;
  }
  return records;
}

/** Fewer bytes are read sooner than they are left out. */
const WORTH_LEAVING_OUT = 4 * 1024 * 1024;

class ByteReader {
  private readonly source: AsyncIterator<Buffer>;
  private chunk: Buffer = Buffer.alloc(0);

  constructor(private readonly chunks: TarSource) {
    this.source = chunks[Symbol.asyncIterator]();
  }

  /** Exactly so many bytes; undefined at the end. */
  async take(size: number): Promise<Buffer | undefined> {
    if (this.chunk.length === 0 && !(await this.next())) return undefined;
    if (this.chunk.length < size) return this.takeAll(size);
    const taken = this.chunk.subarray(0, size);
    this.chunk = this.chunk.subarray(size);
    return taken;
  }

  async takeAll(size: number): Promise<Buffer> {
    const parts: Buffer[] = [];
    await this.pass(size, (part) => parts.push(part));
    return Buffer.concat(parts);
  }

  skip(size: number): Promise<void> {
    return this.pass(size, undefined);
  }

  async pass(size: number, sink: Sink | undefined): Promise<void> {
    let left = size;
    if (!sink && this.chunks.leaveOut && left - this.chunk.length >= WORTH_LEAVING_OUT) {
      this.chunks.leaveOut(left - this.chunk.length);
      this.chunk = Buffer.alloc(0);
      return;
    }
    while (left > 0) {
      if (this.chunk.length === 0 && !(await this.next())) throw new Error('it ends too early');
      const part = this.chunk.subarray(0, left);
      this.chunk = this.chunk.subarray(part.length);
      left -= part.length;
      await sink?.(part);
    }
  }

  /** Reads what is left, so that the source can check all of it. */
  async drain(): Promise<void> {
    while (await this.next()) this.chunk = Buffer.alloc(0);
  }

  private async next(): Promise<boolean> {
    do {
      const { done, value } = await this.source.next();
      if (done) return false;
      this.chunk = value;
    } while (this.chunk.length === 0);
    return true;
  }
}
