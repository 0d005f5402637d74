import { type Content, inflated, slice, sourceOf } from './byte-reader';
import { type Item, itemOf } from './item';

/** A member of a zip file. */
export type Member = { readonly item: Item } | { readonly name: string; readonly fault: string };

const LOCAL = 0x04034b50;
const CENTRAL = 0x02014b50;
const END = Buffer.from('PK\x05\x06', 'latin1');
const END_64 = 0x06064b50;
const LOCATOR_64 = 0x07064b50;
const LOCAL_BYTES = 30;
const CENTRAL_BYTES = 46;
const END_BYTES = 22;
const LOCATOR_BYTES = 20;
const END_64_BYTES = 56;
const LONGEST_COMMENT = 0xffff;

/** Bytes of a directory that is read: hundreds of thousands of members. */
const LARGEST_DIRECTORY = 64 * 1024 * 1024;

const ENCRYPTED = 1;
/** Sizes and checksum stand behind the content. */
const DEFERRED = 8;
const STORED = 0;
const DEFLATED = 8;

interface Entry {
  readonly name: Buffer;
  readonly flags: number;
  readonly method: number;
  readonly crc: number;
  readonly packed: number;
  readonly size: number;
  readonly offset: number;
}

/** Thrown where a file is no zip file that every reader would read in the same way. */
export class ZipError extends Error {}

/** Whether a zip file ends here, whatever stands before it. */
export async function endsAsZip(content: Content): Promise<boolean> {
  return (await findEnd(content)) !== undefined;
}

/**
 * The members of a zip file, by its directory. Where a member says other things of itself, or the file holds more, two
 * readers would see two files.
 *
 * @param most bytes that a member may unpack to
 */
export async function* membersOf(content: Content, name: string, most: number): AsyncGenerator<Member> {
  const entries = await directory(content);
  const seen = new Set<string>();
  let end = 0;
  for (const entry of entries.sort((a, b) => a.offset - b.offset)) {
    const title = entry.name.toString('utf8');
    const whole = `${name}: ${title}`;
    const local = await content.read(entry.offset, LOCAL_BYTES);
    if (local.length < LOCAL_BYTES || local.readUInt32LE(0) !== LOCAL)
      throw new ZipError('its directory leads nowhere');
    if (entry.offset > end)
      yield { name: whole, fault: 'stands behind something that the archive does not list' };
    const start = entry.offset + LOCAL_BYTES + local.readUInt16LE(26) + local.readUInt16LE(28);
    const localName = await content.read(entry.offset + LOCAL_BYTES, local.readUInt16LE(26));
    const flags = local.readUInt16LE(6);
    const fault =
      entry.offset < end
        ? 'overlaps another member of the archive'
        : faultOf(entry, local, localName, flags, seen.has(title));
    seen.add(title);
    end =
      start +
      entry.packed +
      (flags & DEFERRED ? await descriptorBytes(content, start + entry.packed, entry) : 0);
    if (fault) yield { name: whole, fault };
    if (title.endsWith('/') && entry.size === 0) continue;
    const packed = slice(content, start, entry.packed);
    if (entry.method === STORED) yield { item: itemOf(whole, packed) };
    else if (entry.method === DEFLATED) {
      const limit = Math.min(entry.size, most);
      yield {
        item: { name: whole, content: undefined, open: () => inflated(sourceOf(packed), 'raw', limit) },
      };
    } else
      yield { name: whole, fault: `is packed in a way that cannot be looked into (method ${entry.method})` };
  }
}

function faultOf(
  entry: Entry,
  local: Buffer,
  localName: Buffer,
  flags: number,
  isTwice: boolean,
): string | undefined {
  if ((entry.flags | flags) & ENCRYPTED) return 'is marked as encrypted';
  if (isTwice) return 'is in the archive twice';
  if (!localName.equals(entry.name)) return 'has two names in the archive';
  const isDeferred = (flags & DEFERRED) !== 0;
  const isSame =
    flags === entry.flags &&
    (entry.method !== STORED || entry.packed === entry.size) &&
    local.readUInt16LE(8) === entry.method &&
    ((isDeferred && local.readUInt32LE(14) === 0) || local.readUInt32LE(14) === entry.crc);
  return isSame ? undefined : 'is described in two ways in the archive';
}

/** What stands behind a content whose sizes are told afterwards: with or without a mark, in 32 bits or 64. */
async function descriptorBytes(content: Content, at: number, { crc }: Entry): Promise<number> {
  const bytes = await content.read(at, 24);
  if (bytes.length < 12) return 0;
  const mark = bytes.readUInt32LE(0) === 0x08074b50 ? 4 : 0;
  if (bytes.length < mark + 12 || bytes.readUInt32LE(mark) !== crc) return 0;
  const follows = (length: number) =>
    bytes.length >= mark + length + 4 && [LOCAL, CENTRAL].includes(bytes.readUInt32LE(mark + length));
  if (follows(12)) return mark + 12;
  // The 64-bit form is as long as what was read, so that what follows it is not.
  const next = await content.read(at + mark + 20, 4);
  return next.length === 4 && [LOCAL, CENTRAL].includes(next.readUInt32LE(0)) ? mark + 20 : mark + 12;
}

async function directory(content: Content): Promise<Entry[]> {
  const found = await findEnd(content);
  if (!found) throw new ZipError('it has no directory');
  const { count, size, offset, start } = found;
  if (size > LARGEST_DIRECTORY) throw new ZipError('its directory is too large');
  // Some readers look for it right before the end, whatever is said of its place.
  if (offset + size !== start) throw new ZipError('its directory is not where its end says');
  const bytes = await content.read(offset, size);
  const entries: Entry[] = [];
  for (let at = 0; at < bytes.length; ) {
    if (bytes.length - at < CENTRAL_BYTES || bytes.readUInt32LE(at) !== CENTRAL)
      throw new ZipError('its directory is broken');
    const nameLength = bytes.readUInt16LE(at + 28);
    const extraLength = bytes.readUInt16LE(at + 30);
    const next = at + CENTRAL_BYTES + nameLength + extraLength + bytes.readUInt16LE(at + 32);
    if (next > bytes.length) throw new ZipError('its directory is broken');
    const name = bytes.subarray(at + CENTRAL_BYTES, at + CENTRAL_BYTES + nameLength);
    const extra = bytes.subarray(
      at + CENTRAL_BYTES + nameLength,
      at + CENTRAL_BYTES + nameLength + extraLength,
    );
    const [size, packed, start] = wide(extra, [
      bytes.readUInt32LE(at + 24),
      bytes.readUInt32LE(at + 20),
      bytes.readUInt32LE(at + 42),
    ]);
    entries.push({
      name,
      flags: bytes.readUInt16LE(at + 8),
      method: bytes.readUInt16LE(at + 10),
      crc: bytes.readUInt32LE(at + 16),
      size: size!,
      packed: packed!,
      offset: start!,
    });
    at = next;
  }
  if (entries.length !== count) throw new ZipError('its directory is broken');
  return entries;
}

/** Numbers that do not fit into 32 bits stand in a field of their own, in this order. */
function wide(extra: Buffer, numbers: readonly number[]): number[] {
  const fields: Buffer[] = [];
  for (let at = 0; at + 4 <= extra.length; at += 4 + extra.readUInt16LE(at + 2)) {
    if (extra.readUInt16LE(at) === 1)
      fields.push(extra.subarray(at + 4, at + 4 + extra.readUInt16LE(at + 2)));
  }
  const [field = Buffer.alloc(0), ...others] = fields;
  if (others.length > 0) throw new ZipError('its directory says one thing twice');
  let used = 0;
  return numbers.map((number) => {
    if (number !== 0xffffffff) return number;
    if (field.length < used + 8) throw new ZipError('its directory is broken');
    used += 8;
    return Number(field.readBigUInt64LE(used - 8));
  });
}

/** What the end of a zip file says of its directory. */
interface End {
  readonly count: number;
  readonly size: number;
  readonly offset: number;
  /** Where the records of the end begin. */
  readonly start: number;
}

async function findEnd(content: Content): Promise<End | undefined> {
  const length = Math.min(content.size, END_BYTES + LONGEST_COMMENT);
  const before = content.size - length;
  const tail = await content.read(before, length);
  const at = endRecordIn(tail);
  const last = tail.lastIndexOf(END, tail.length - END_BYTES);
  if (last > at) {
    // Python takes the last one, and does not ask whether its comment ends with the file.
    const size = tail.readUInt32LE(last + 12);
    const directory = await content.read(Math.max(0, before + last - size), 4);
    if (at >= 0 || (size > 0 && directory.length === 4 && directory.readUInt32LE(0) === CENTRAL))
      throw new ZipError('it ends in two ways');
  }
  if (at < 0) return undefined;
  const start = before + at;
  const end = {
    count: tail.readUInt16LE(at + 10),
    size: tail.readUInt32LE(at + 12),
    offset: tail.readUInt32LE(at + 16),
    start,
  };
  if (start < LOCATOR_BYTES) return end;
  const locator = await content.read(start - LOCATOR_BYTES, LOCATOR_BYTES);
  if (locator.readUInt32LE(0) !== LOCATOR_64) return end;
  const start64 = Number(locator.readBigUInt64LE(8));
  const large = await content.read(start64, END_64_BYTES);
  if (large.length < END_64_BYTES || large.readUInt32LE(0) !== END_64)
    throw new ZipError('its directory is broken');
  if (start64 + END_64_BYTES + LOCATOR_BYTES !== start) throw new ZipError('it ends in two ways');
  return {
    count: Number(large.readBigUInt64LE(32)),
    size: Number(large.readBigUInt64LE(40)),
    offset: Number(large.readBigUInt64LE(48)),
    start: start64,
  };
}

/** Where the record begins that ends a zip file, of whose comment only its own length tells; -1 where there is none. */
function endRecordIn(tail: Buffer): number {
  for (let at = tail.length - END_BYTES; at >= 0; at -= 1) {
    at = tail.lastIndexOf(END, at);
    if (at < 0 || at + END_BYTES + tail.readUInt16LE(at + 20) === tail.length) return at;
  }
  return -1;
}
