import { throwIfCancelled } from '../../common/cancel';
import { ByteReader, type Content, inflated } from './byte-reader';
import { inspectHdf5, inspectKeras, inspectSkops } from './described-models';
import type { Inspection } from './inspection';
import { gather, type Item, inMemory, itemOf, partOf } from './item';
import { inspectPickles } from './pickle-file';
import { filesOfTar, isTarHeader } from './tar';
import { endsAsZip, membersOf, ZipError } from './zip';

/** Archives in archives that are opened. */
const DEEPEST = 5;

/** Bytes of an archive in an archive, which is opened in memory. */
const LARGEST_NESTED = 64 * 1024 * 1024;

/** Bytes of a description, which is read to memory. */
const LARGEST_DESCRIPTION = 32 * 1024 * 1024;

/** Bytes that a compressed file may unpack to. */
const MOST_UNPACKED = 256 * 1024 ** 3;

/** First bytes by which a format is known. */
const HEAD = 512;

const PICKLE_NAME = /\.(pkl|pickle|pck|p|joblib|dill|cloudpickle|sav)(\.(gz|z|bz2|xz|lzma))?$/i;
const ARCHIVE_NAME = /\.(npz|npy|keras|skops|pt|pth|zip)$/i;

/** What cannot be looked into, and how it begins. */
const CLOSED: readonly [name: string, head: RegExp][] = [
  // Its first stream may be empty, and have no block.
  ['bzip2', /^BZh[1-9](?:1AY&SY|\x17rE8P\x90)/],
  ['xz', /^\xfd7zXZ\0/],
  ['lzma', /^\x5d\0/],
  ['lz4', /^\x04\x22\x4d\x18/],
  ['zstandard', /^\x28\xb5\x2f\xfd/],
  ['frames of zstandard or lz4', /^[\x50-\x5f]\x2a\x4d\x18/],
  ['joblib before 0.9.3', /^ZF[\s\dA-Fa-fxX]{19}/],
  ['7-Zip', /^7z\xbc\xaf\x27\x1c/],
  ['RAR', /^Rar!\x1a\x07/],
];

const HDF5 = '\x89HDF\r\n\x1a\n';

/** Where an HDF5 file may begin behind something else: at this many bytes, or twice as many again and again. */
const FIRST_USER_BLOCK = 512;

const NUMPY = '\x93NUMPY';

/** Inspects one file of a model, whatever its name says that it is. */
export async function inspectFile(
  path: string,
  content: Content,
  inspection: Inspection,
  signal: AbortSignal,
): Promise<void> {
  await inspect(itemOf(path, content), 0, { inspection, signal });
}

interface Work {
  readonly inspection: Inspection;
  readonly signal: AbortSignal;
}

/** Nobody can tell what is in something that can't be read, as where its unpacking fails. */
async function unlessUnreadable(
  item: Item,
  { inspection, signal }: Work,
  look: () => Promise<void>,
): Promise<void> {
  try {
    await look();
  } catch (error) {
    throwIfCancelled(signal);
    inspection.refuse(item.name, `cannot be read: ${(error as Error).message}`);
  }
}

async function inspect(item: Item, depth: number, work: Work): Promise<void> {
  throwIfCancelled(work.signal);
  if (depth > DEEPEST) return work.inspection.refuse(item.name, 'is an archive in too many archives');
  return unlessUnreadable(item, work, () => inspectAsItBegins(item, depth, work));
}

async function inspectAsItBegins(item: Item, depth: number, work: Work): Promise<void> {
  const { inspection, signal } = work;
  const head = await headOf(item);
  if (/^PK(\x03\x04|\x05\x06)/.test(head)) return inspectZip(item, depth, work);
  if (/^\x1f\x8b\x08/.test(head)) return inspect(unpacked(item, 'gzip'), depth + 1, work);
  if (isZlib(head)) return inspect(unpacked(item, 'zlib'), depth + 1, work);
  if (head.startsWith(NUMPY)) return inspectNumpy(item, work);
  if (head.startsWith(HDF5)) return inspectHdf5File(item, work);
  if (isTarHeader(Buffer.from(head, 'latin1'))) {
    await unlessUnreadable(item, work, () => inspectTar(item, depth, work));
    // The name of its first file can be a pickle.
    return inspectPickles(item, 'unknown', inspection, signal);
  }
  const closed = CLOSED.find(([, pattern]) => pattern.test(head));
  if (closed) return inspection.refuse(item.name, `is packed with ${closed[0]}, which cannot be looked into`);

  const isPickle = /^\x80[\x02-\x05]/.test(head);
  const isNamed = PICKLE_NAME.test(item.name);
  await inspectPickles(item, isPickle ? 'pickle' : isNamed ? 'named' : 'unknown', inspection, signal);
  if (item.content && (await isHdf5Behind(item.content))) await inspectHdf5File(item, work);
  if (item.content && item.content.size > HEAD && (await isZipBehind(item.content))) {
    inspection.refuse(item.name, 'is an archive that begins as something else');
  } else if (!isPickle && head !== '' && ARCHIVE_NAME.test(item.name)) {
    inspection.refuse(item.name, 'is not what its name says');
  }
}

async function isZipBehind(content: Content): Promise<boolean> {
  try {
    return await endsAsZip(content);
  } catch (error) {
    if (error instanceof ZipError) return true;
    throw error;
  }
}

async function isHdf5Behind(content: Content): Promise<boolean> {
  for (let start = FIRST_USER_BLOCK; start + HDF5.length <= content.size; start *= 2) {
    if ((await content.read(start, HDF5.length)).toString('latin1') === HDF5) return true;
  }
  return false;
}

async function headOf(item: Item): Promise<string> {
  const source = item.open();
  const reader = new ByteReader(source);
  try {
    await reader.need(HEAD);
    return reader.peek(HEAD).toString('latin1');
  } finally {
    await source.close();
  }
}

/** As zlib writes it by default, and a checksum over both bytes; other heads could be pickles as well. */
function isZlib(head: string): boolean {
  return head.startsWith('x') && (head.charCodeAt(0) * 256 + head.charCodeAt(1)) % 31 === 0;
}

function unpacked(item: Item, kind: 'zlib' | 'gzip'): Item {
  return { name: item.name, content: undefined, open: () => inflated(item.open(), kind, MOST_UNPACKED) };
}

async function inspectZip(item: Item, depth: number, work: Work): Promise<void> {
  const { inspection } = work;
  const whole = item.content ? item : await inMemory(item, LARGEST_NESTED);
  if (!whole)
    return inspection.refuse(item.name, 'is too large to be looked into, as an archive in an archive');
  for await (const member of membersOf(whole.content!, item.name, MOST_UNPACKED)) {
    throwIfCancelled(work.signal);
    if ('fault' in member) inspection.refuse(member.name, member.fault);
    else await inspectMember(member.item, depth, work);
  }
}

async function inspectMember(item: Item, depth: number, work: Work): Promise<void> {
  const { inspection, signal } = work;
  const name = item.name.split(/[/\\: ]/).at(-1)!;
  if (name === 'data.pkl' || name === 'constants.pkl')
    return inspectPickles(item, 'torch', inspection, signal);
  const describe = name === 'config.json' ? inspectKeras : name === 'schema.json' ? inspectSkops : undefined;
  if (describe) {
    return unlessUnreadable(item, work, async () => {
      const text = await gather(item, LARGEST_DESCRIPTION);
      if (!text) return inspection.refuse(item.name, 'is too large to be looked into, as a description');
      try {
        describe(JSON.parse(text.toString()), item.name, inspection);
      } catch {
        throw new Error('it is no JSON of a model');
      }
    });
  }
  await inspect(item, depth + 1, work);
}

/** The header as numpy writes it: readers agree on what it says. */
const NUMPY_HEADER =
  /^\{'descr': ('[^'\\"]*'|\[[^\\"]*\]), 'fortran_order': (?:True|False), 'shape': \([\dL, ]*\),? *\}\s*$/;

async function inspectNumpy(item: Item, { inspection, signal }: Work): Promise<void> {
  const source = item.open();
  const reader = new ByteReader(source);
  let start: number;
  let header: RegExpExecArray | null;
  try {
    await reader.need(12);
    const head = reader.peek(12);
    const isShort = head[6] === 1;
    const length = head.length < 12 ? 0 : isShort ? head.readUInt16LE(8) : head.readUInt32LE(8);
    start = (isShort ? 10 : 12) + length;
    if (length > 1024 * 1024 || !(await reader.need(start)))
      return inspection.refuse(item.name, 'cannot be read: its header is broken');
    header = NUMPY_HEADER.exec(
      reader
        .peek(start)
        .subarray(isShort ? 10 : 12)
        .toString('latin1'),
    );
  } finally {
    await source.close();
  }
  const type = header?.[1];
  if (type === undefined || /'\s*'/.test(type))
    return inspection.refuse(item.name, 'has a header that numpy does not write');
  if (!/'[|<>=]?O\d*'/.test(type)) return;
  const rest = partOf(item, 'objects', start, Number.MAX_SAFE_INTEGER - start);
  await inspectPickles({ ...rest, name: item.name }, 'pickle', inspection, signal);
}

/** A model in HDF5 has its description as text, in an attribute; attributes are never compressed. */
async function inspectHdf5File(item: Item, { inspection, signal }: Work): Promise<void> {
  const OVERLAP = 256;
  const source = item.open();
  let before = '';
  try {
    for (let piece = await source.next(); piece; piece = await source.next()) {
      throwIfCancelled(signal);
      const text = before + piece.toString('latin1');
      const fault = inspectHdf5(text);
      if (fault) return inspection.refuse(item.name, fault);
      before = text.slice(-OVERLAP);
    }
  } finally {
    await source.close();
  }
}

async function inspectTar(item: Item, depth: number, work: Work): Promise<void> {
  const source = item.open();
  try {
    for await (const { name, start, size } of filesOfTar(new ByteReader(source))) {
      throwIfCancelled(work.signal);
      const part = partOf(item, name, start, size);
      await inspect((await inMemory(part, LARGEST_NESTED)) ?? part, depth + 1, work);
    }
  } finally {
    await source.close();
  }
}
