import { createHash } from 'node:crypto';
import { pipeline, Readable, type Transform } from 'node:stream';
import * as zlib from 'node:zlib';
import { readTar, type TarMember } from '../../tasks/AcrBuildPush/files/tar-reader';
import {
  MANIFEST_NAME,
  type ModelManifest,
  parseManifest,
} from '../../tasks/ModelRegistryDownload/folder/manifest';
import type { Descriptor, Registry } from './registry';

/** Bytes of a file that is kept as it is, for its content. */
const LARGEST_KEPT = 64 * 1024 * 1024;

const KEPT = /(^|\/)(model-manifest\.json|metadata\.json|model\.sig)$/;

/** A file in an image's layers. */
export interface ImageFile {
  readonly size: number;
  /** Undefined for what is no file, such as a link to elsewhere. */
  readonly sha256: string | undefined;
  /** Of those that tell something about the model. */
  readonly content: Buffer | undefined;
}

/** A model as it really lies in an image. */
export interface ModelInImage {
  readonly folder: string;
  readonly manifest: ModelManifest;
  /** By their paths below the folder. */
  readonly files: ReadonlyMap<string, ImageFile>;
}

export interface ModelsInImage {
  /** Whoever adds a second one, by which nobody serves, shall not be able to hide the first. */
  readonly models: readonly ModelInImage[];
  /** Layers that can't be read, each with why. */
  readonly unread: readonly string[];
}

const GZIP = Buffer.from([0x1f, 0x8b]);
const ZSTANDARD = Buffer.from([0x28, 0xb5, 0x2f, 0xfd]);
const LONGEST_MAGIC = 4;

const NO_FILE: ImageFile = { size: 0, sha256: undefined, content: undefined };

/** What a layer has, and what it takes away of the layers below it. */
interface LayerFiles {
  readonly files: Map<string, ImageFile>;
  readonly removed: Set<string>;
  /** Folders of which only the layer's own files are left. */
  readonly emptied: Set<string>;
}

/** Looks for models in all layers of an image, laid over each other. */
export async function findModels(registry: Registry, layers: readonly Descriptor[]): Promise<ModelsInImage> {
  const all = new Map<string, ImageFile>();
  const unread: string[] = [];
  for (const layer of layers) {
    try {
      const upper = await readLayer(registry, layer, all);
      for (const path of all.keys()) if (isHidden(path, upper)) all.delete(path);
      for (const [path, file] of upper.files) all.set(path, file);
    } catch (error) {
      unread.push(`${layer.digest}: ${(error as Error).message}`);
    }
  }
  const models = [...all].flatMap(([path, { content }]) => {
    if (path !== MANIFEST_NAME && !path.endsWith(`/${MANIFEST_NAME}`)) return [];
    const manifest = parseManifest(content?.toString() ?? '');
    if (!manifest) return [];
    const folder = path.slice(0, -MANIFEST_NAME.length);
    const own = [...all].filter(([other]) => other.startsWith(folder));
    return [
      { folder, manifest, files: new Map(own.map(([other, file]) => [other.slice(folder.length), file])) },
    ];
  });
  return { models, unread };
}

/** Whether an upper layer has taken away, or covers with something else, what lower ones have at a path. */
function isHidden(path: string, { files, removed, emptied }: LayerFiles): boolean {
  for (let at = path; at; ) {
    const folder = at.slice(0, Math.max(0, at.lastIndexOf('/')));
    if (removed.has(at) || files.has(at) || emptied.has(folder)) return true;
    at = folder;
  }
  return false;
}

async function readLayer(
  registry: Registry,
  layer: Descriptor,
  below: ReadonlyMap<string, ImageFile>,
): Promise<LayerFiles> {
  const digest = createHash('sha256');
  const source = (await registry.stream(layer))[Symbol.asyncIterator]();
  // What it is packed with shows in its first bytes; its type is what somebody says.
  let head = Buffer.alloc(0);
  let isOver = false;
  const next = async (): Promise<Buffer | undefined> => {
    const { value, done } = await source.next();
    isOver = done === true;
    if (isOver) return undefined;
    digest.update(value);
    return Buffer.from(value);
  };
  while (head.length < LONGEST_MAGIC && !isOver)
    head = Buffer.concat([head, (await next()) ?? Buffer.alloc(0)]);
  async function* bytes() {
    yield head;
    for (let chunk = await next(); chunk; chunk = await next()) yield chunk;
  }
  const packed = Readable.from(bytes());
  const unpack = unpacking(head);
  const chunks = unpack ? pipeline(packed, unpack, () => undefined) : packed;
  const found: LayerFiles = { files: new Map(), removed: new Set(), emptied: new Set() };
  await readTar(chunks as AsyncIterable<Buffer>, (member) => take(member, found, below));
  if (`sha256:${digest.digest('hex')}` !== layer.digest)
    throw new Error(`the registry sent something else than ${layer.digest}`);
  return found;
}

function unpacking(head: Buffer): Transform | undefined {
  if (head.subarray(0, GZIP.length).equals(GZIP)) return zlib.createGunzip();
  if (!head.subarray(0, ZSTANDARD.length).equals(ZSTANDARD)) return undefined;
  // Node has it since 22.15; its types here are older.
  const { createZstdDecompress } = zlib as { createZstdDecompress?: () => Transform };
  if (createZstdDecompress) return createZstdDecompress();
  throw new Error(
    `it is packed with zstandard, which Node ${process.versions.node} does not read: take Node 22.15 or later`,
  );
}

/** Takes note of a member, and hashes its bytes. */
function take(
  member: TarMember,
  { files, removed, emptied }: LayerFiles,
  below: ReadonlyMap<string, ImageFile>,
): ((chunk: Buffer) => void) | undefined {
  const { path, kind, link, size } = member;
  if (kind === 'directory') return undefined;
  const at = path.lastIndexOf('/') + 1;
  const [folder, name] = [path.slice(0, Math.max(0, at - 1)), path.slice(at)];
  if (name === '.wh..wh..opq') emptied.add(folder);
  else if (name.startsWith('.wh.')) removed.add(path.slice(0, at) + name.slice(4));
  else if (kind === 'hardlink') {
    const target = link.replace(/^(\.?\/)+/, '');
    files.set(path, files.get(target) ?? below.get(target) ?? NO_FILE);
  } else if (kind !== 'file') files.set(path, NO_FILE);
  else return hashed(size, KEPT.test(path), (file) => files.set(path, file));
  return undefined;
}

function hashed(
  size: number,
  isKept: boolean,
  use: (file: ImageFile) => void,
): ((chunk: Buffer) => void) | undefined {
  const hash = createHash('sha256');
  const kept: Buffer[] = [];
  const keeps = isKept && size <= LARGEST_KEPT;
  const end = () =>
    use({ size, sha256: hash.digest('hex'), content: keeps ? Buffer.concat(kept) : undefined });
  let left = size;
  if (left === 0) end();
  return (chunk) => {
    hash.update(chunk);
    if (keeps) kept.push(Buffer.from(chunk));
    left -= chunk.length;
    if (left === 0) end();
  };
}
