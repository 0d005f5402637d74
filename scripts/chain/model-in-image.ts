import { createHash } from 'node:crypto';
import { pipeline, Readable } from 'node:stream';
import { createGunzip } from 'node:zlib';
import { readTar } from '../../tasks/AcrBuildPush/files/tar-reader';
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
  readonly sha256: string;
  /** Of those that tell something about the model. */
  readonly content: Buffer | undefined;
}

/** The model as it really lies in an image. */
export interface ModelInImage {
  readonly folder: string;
  readonly manifest: ModelManifest;
  /** By their paths below the folder. */
  readonly files: ReadonlyMap<string, ImageFile>;
}

/**
 * Looks for the model in the layers of an image, from the uppermost on, and no further than needed.
 *
 * @returns undefined where the image has none
 */
export async function findModel(
  registry: Registry,
  layers: readonly Descriptor[],
): Promise<ModelInImage | undefined> {
  const files = new Map<string, ImageFile>();
  const deleted = new Set<string>();
  for (const layer of layers.toReversed()) {
    const inLayer = await readLayer(registry, layer);
    const gone: string[] = [];
    for (const [path, file] of inLayer) {
      const whiteout = /^(.*\/)?\.wh\.(.+)$/.exec(path);
      if (whiteout)
        gone.push(whiteout[2] === '.wh..opq' ? (whiteout[1] ?? '') : `${whiteout[1] ?? ''}${whiteout[2]}`);
      else if (
        !files.has(path) &&
        ![...deleted].some((one) => path === one || path.startsWith(one.replace(/\/?$/, '/')))
      )
        files.set(path, file);
    }
    for (const path of gone) deleted.add(path);
    const found = [...files].find(([path]) => path === MANIFEST_NAME || path.endsWith(`/${MANIFEST_NAME}`));
    const manifest = found && parseManifest(found[1].content?.toString() ?? '');
    if (!manifest) continue;
    const folder = found[0].slice(0, -MANIFEST_NAME.length);
    const own = [...files].filter(([path]) => path.startsWith(folder));
    const byPath = new Map(own.map(([path, file]) => [path.slice(folder.length), file]));
    if (manifest.files.every(({ path }) => byPath.has(path)) || layer === layers[0]) {
      return { folder, manifest, files: byPath };
    }
  }
  return undefined;
}

async function readLayer(registry: Registry, layer: Descriptor): Promise<Map<string, ImageFile>> {
  const digest = createHash('sha256');
  const source = await registry.stream(layer);
  async function* counted() {
    for await (const chunk of source) {
      digest.update(chunk);
      yield Buffer.from(chunk);
    }
  }
  if (/zstd/.test(layer.mediaType))
    throw new Error(`Layer ${layer.digest} is packed with zstandard, which is not read here.`);
  const packed = Readable.from(counted());
  const chunks = /gzip/.test(layer.mediaType) ? pipeline(packed, createGunzip(), () => undefined) : packed;
  const files = new Map<string, ImageFile>();
  await readTar(chunks as AsyncIterable<Buffer>, (member) => {
    if (member.kind !== 'file') return undefined;
    const hash = createHash('sha256');
    const isKept = KEPT.test(member.path) && member.size <= LARGEST_KEPT;
    const kept: Buffer[] = [];
    let left = member.size;
    const end = () =>
      files.set(member.path, {
        size: member.size,
        sha256: hash.digest('hex'),
        content: isKept ? Buffer.concat(kept) : undefined,
      });
    if (left === 0) end();
    return (chunk: Buffer) => {
      hash.update(chunk);
      if (isKept) kept.push(Buffer.from(chunk));
      left -= chunk.length;
      if (left === 0) end();
    };
  });
  if (`sha256:${digest.digest('hex')}` !== layer.digest)
    throw new Error(`The registry sent something else than ${layer.digest}.`);
  return files;
}
