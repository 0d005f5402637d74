import { createHash } from 'node:crypto';
import { Readable, Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import * as zlib from 'node:zlib';
import { TaskError } from '../../../common/errors';
import { Lanes } from '../../../common/lanes';
import { type Content, FileTree, join, LinkLoop, split } from '../../files/file-tree';
import { readTar, type TarMember } from '../../files/tar-reader';
import type { Layer } from '../../image/image';

/** Files whose text is kept, to resolve the names of users. */
const KEPT = new Set(['etc/passwd', 'etc/group']);
const LARGEST_KEPT = 1024 * 1024;

/** Bytes that come unpacked at once: with Node's default of 16 KiB, a layer takes twice as long. */
const CHUNK = 256 * 1024;

interface Member extends TarMember {
  readonly data: Buffer | undefined;
}

/**
 * Lists the files of an image by reading its layers as they stream by: their names, owners and permissions, not
 * their bytes.
 *
 * @throws TaskError when a layer can't be read or is not what its digest says
 */
export async function readLayerFiles(layers: readonly Layer[], signal: AbortSignal): Promise<FileTree> {
  const lanes = new Lanes(signal);
  try {
    const lists = layers.map((layer) => lanes.run((signal) => listMembers(layer, signal)));
    const tree = new FileTree();
    for (const members of await Promise.all(lists)) applyLayer(tree, members);
    return tree;
  } catch (error) {
    throw await lanes.firstError(error);
  }
}

async function listMembers(layer: Layer, signal: AbortSignal): Promise<Member[]> {
  const members: Member[] = [];
  const digest = layer.kind === 'local' ? layer.diffId : layer.descriptor.digest;
  const hash = createHash('sha256');
  const check = new Transform({
    transform(chunk: Buffer, _encoding, done) {
      hash.update(chunk);
      done(null, chunk);
    },
  });
  const collect = async (chunks: AsyncIterable<Buffer>) =>
    readTar(chunks, (member) => {
      const parts: Buffer[] = [];
      const kept = KEPT.has(member.path) && member.size <= LARGEST_KEPT;
      members.push({
        ...member,
        get data() {
          return kept ? Buffer.concat(parts) : undefined;
        },
      });
      return kept ? (chunk) => parts.push(Buffer.from(chunk)) : undefined;
    });
  try {
    const { magic, stream } = await peek(await layer.open());
    const unpack = decompressor(magic);
    await (unpack
      ? pipeline(stream, check, unpack, collect, { signal })
      : pipeline(stream, check, collect, { signal }));
  } catch (error) {
    signal.throwIfAborted();
    if (error instanceof TaskError) throw error;
    throw new TaskError(`Layer ${digest} of the base image can't be read: ${(error as Error).message}.`, {
      cause: error,
    });
  }
  if (`sha256:${hash.digest('hex')}` !== digest) {
    throw new TaskError(
      `Layer ${digest} of the base image arrived damaged: its bytes don't match its digest.`,
    );
  }
  return members;
}

/** The first bytes of a stream, and all of it. */
async function peek(stream: Readable): Promise<{ magic: string; stream: Readable }> {
  const chunks = stream[Symbol.asyncIterator]();
  const first = await chunks.next();
  async function* all() {
    try {
      for (let next = first; !next.done; next = await chunks.next()) yield next.value as Buffer;
    } finally {
      stream.destroy();
    }
  }
  const magic = first.done ? '' : (first.value as Buffer).toString('latin1', 0, 4);
  return { magic, stream: Readable.from(all(), { objectMode: false, highWaterMark: CHUNK }) };
}

/** What unpacks a layer. As engines do, it goes by how the bytes begin: media types are wrong now and then. */
function decompressor(magic: string): Transform | undefined {
  if (magic.startsWith('\x1f\x8b')) return zlib.createGunzip({ chunkSize: CHUNK });
  if (magic !== '\x28\xb5\x2f\xfd') return undefined;
  // Node has it from version 22.15 on.
  const { createZstdDecompress } = zlib as unknown as { createZstdDecompress?: () => Transform };
  if (createZstdDecompress) return createZstdDecompress();
  throw new TaskError(
    "The base image is compressed with zstd, which this version of Node.js does not know. Set input 'builder' to 'docker', or take an image that is compressed with gzip.",
  );
}

/** Lays one layer over those below it. A whiteout takes away what lower layers have, never what its own layer has. */
function applyLayer(tree: FileTree, members: readonly Member[]): void {
  for (const { path } of members) {
    const { folder: written, name } = split(path);
    const folder = leadsTo(tree, written);
    if (name === '.wh..wh..opq') for (const child of tree.list(folder)) tree.remove(join(folder, child));
    else if (name.startsWith('.wh.')) tree.remove(join(folder, name.slice(4)));
  }
  for (const member of members) {
    if (!split(member.path).name.startsWith('.wh.')) place(tree, member);
  }
}

/** Where a folder's links lead; those that lead in a circle lead nowhere. */
function leadsTo(tree: FileTree, folder: string): string {
  try {
    return tree.resolve(folder);
  } catch (error) {
    if (error instanceof LinkLoop) return folder;
    throw error;
  }
}

/** What a layer has in a folder that is a link below goes to where the link leads, unless the layer has the folder too. */
function place(tree: FileTree, member: Member): void {
  const { kind, mode, uid, gid, link, data } = member;
  const { folder, name } = split(member.path);
  const path = join(leadsTo(tree, folder), name);
  makeFolders(tree, split(path).folder);
  const owned = { mode, uid, gid };
  if (kind === 'directory') {
    if (tree.get(path)?.kind !== 'directory') tree.remove(path);
    tree.set(path, { kind, ...owned });
  } else if (kind === 'symlink') {
    tree.set(path, { kind, ...owned, target: link });
  } else if (kind === 'hardlink') {
    const { folder: linked, name: linkedName } = split(link.replace(/^\.?\/+/, ''));
    const origin = tree.get(join(leadsTo(tree, linked), linkedName));
    if (origin) tree.set(path, origin);
  } else if (kind === 'file') {
    const content: Content = data ? { kind: 'text', data } : { kind: 'base' };
    tree.set(path, { kind, ...owned, content });
  } else {
    tree.set(path, { kind, ...owned });
  }
}

/** Layers may leave out the folders above a file; engines make them then. */
function makeFolders(tree: FileTree, folder: string): void {
  if (!folder || tree.get(folder)) return;
  makeFolders(tree, split(folder).folder);
  tree.set(folder, { kind: 'directory', mode: 0o755, uid: 0, gid: 0 });
}
