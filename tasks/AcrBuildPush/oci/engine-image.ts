import { createHash } from 'node:crypto';
import { createReadStream, createWriteStream } from 'node:fs';
import { open, readFile } from 'node:fs/promises';
import { join, posix } from 'node:path';
import type { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { extract, type Headers } from 'tar-stream';
import { TaskError } from '../../common/errors';
import type { Logger } from '../../common/log';
import { formatBytes, formatDuration, plural } from '../../common/text';
import type { DockerCli } from '../docker/cli';
import type { BuiltImage, ImageConfig, Layer, RemoteLayer } from './image';
import type { KnownLayers } from './publish/known-layers';

/** The engine's image could not be read; `docker push` may still be able to publish it. */
export class UnreadableImageError extends TaskError {}

export interface EngineImageOptions {
  /** An empty folder for the layers; the caller removes it when the image is published. */
  readonly folder: string;
  /** The registry that the image goes to, and the layers that it is known to have. */
  readonly host: string;
  readonly known: KnownLayers;
  readonly log: Logger;
}

/** What a file of the archive has become. */
type SavedFile =
  | { readonly kind: 'file'; readonly path: string; readonly size: number; readonly digest: string }
  | { readonly kind: 'link'; readonly target: string }
  | { readonly kind: 'skipped' };

const READ_SIZE = 1024 * 1024;

/**
 * Takes an image out of the engine with `docker save`, read as a stream: each layer goes to a file once, and is
 * hashed on its way; layers that the registry has, where the archive names them by digest, are passed over. Reads the
 * archives of all engines: those before 25 number their layers, later ones and containerd's stores lay them out as
 * the OCI specification does, perhaps compressed.
 *
 * @throws UnreadableImageError when the archive is not whole or not of a form known here
 */
export async function readEngineImage(
  docker: DockerCli,
  reference: string,
  options: EngineImageOptions,
): Promise<BuiltImage> {
  const start = performance.now();
  const { result, exitCode } = await docker
    .read(['save', reference], (output) => saveFiles(output, options))
    .catch((error: Error) => {
      if (error instanceof TaskError || error.name === 'CancelledError') throw error;
      throw new UnreadableImageError(`What 'docker save' gave could not be read: ${error.message}.`, {
        cause: error,
      });
    });
  if (exitCode !== 0) {
    throw new UnreadableImageError(
      `'docker save' failed (exit code ${exitCode}). What it said stands above this message.`,
    );
  }
  const image = await assemble(result, options);
  const bytes = image.layers.reduce((sum, layer) => sum + (layer.kind === 'local' ? layer.size : 0), 0);
  options.log.info(
    `Read the image from the engine in ${formatDuration(performance.now() - start)}: ${plural(image.layers.length, 'layer')}, ${formatBytes(bytes)}.`,
  );
  return image;
}

/** Writes the archive's files into the folder, under numbers. */
async function saveFiles(
  archive: Readable,
  { folder, known }: EngineImageOptions,
): Promise<Map<string, SavedFile>> {
  const files = new Map<string, SavedFile>();
  const stored = new Set([...known.values()].map(({ descriptor }) => descriptor.digest));
  const entries = extract();
  const feeding = pipeline(archive, entries);
  feeding.catch(() => undefined);
  for await (const entry of entries) {
    const { name, type, linkname } = entry.header as Headers;
    const blob = `sha256:${/^blobs\/sha256\/([0-9a-f]{64})$/.exec(name)?.[1]}`;
    if (type === 'symlink' || type === 'link') {
      const target = type === 'link' ? linkname! : posix.join(posix.dirname(name), linkname!);
      files.set(name, { kind: 'link', target });
    } else if (known.has(blob) || stored.has(blob)) {
      files.set(name, { kind: 'skipped' });
    } else if (type === 'file') {
      files.set(name, await saveFile(entry as unknown as Readable, join(folder, String(files.size))));
    }
    entry.resume();
  }
  await feeding;
  return files;
}

async function saveFile(content: Readable, path: string): Promise<SavedFile> {
  const hash = createHash('sha256');
  let size = 0;
  await pipeline(
    content,
    async function* (chunks: AsyncIterable<Buffer>) {
      for await (const chunk of chunks) {
        hash.update(chunk);
        size += chunk.length;
        yield chunk;
      }
    },
    createWriteStream(path, { mode: 0o600, highWaterMark: READ_SIZE }),
  );
  return { kind: 'file', path, size, digest: `sha256:${hash.digest('hex')}` };
}

/** Puts the image together by the archive's `manifest.json`, which engines old and new write. */
async function assemble(
  files: ReadonlyMap<string, SavedFile>,
  options: EngineImageOptions,
): Promise<BuiltImage> {
  const [manifest] = parse<{ Config: string; Layers: string[] | null }[]>(
    await contentOf(files, 'manifest.json'),
    'manifest.json',
  );
  if (!manifest) throw new UnreadableImageError(`What 'docker save' gave holds no image.`);
  const config = await contentOf(files, manifest.Config);
  const { rootfs, os, architecture, variant } = parse<ImageConfig>(config, manifest.Config);
  const paths = manifest.Layers ?? [];
  const diffIds = rootfs?.diff_ids ?? [];
  if (paths.length !== diffIds.length) {
    throw new UnreadableImageError(
      `What 'docker save' gave has ${plural(paths.length, 'layer')}, but its configuration names ${diffIds.length}.`,
    );
  }
  const layers = await Promise.all(
    paths.map((path, index) => layerOf(find(files, path), path, diffIds[index]!, options)),
  );
  return { config, layers, platform: { os, architecture, ...(variant && { variant }) } };
}

async function layerOf(
  file: SavedFile,
  name: string,
  diffId: string,
  { host, known }: EngineImageOptions,
): Promise<Layer> {
  const place = known.get(diffId);
  if (place) return remoteLayer(diffId, host, place);
  if (file.kind !== 'file') throw missing(name);
  const { path, size, digest } = file;
  const open = (start = 0) => createReadStream(path, { start, highWaterMark: READ_SIZE });
  if (digest === diffId) return { kind: 'local', diffId, size, open };
  const mediaType = await compressedType(path);
  if (!mediaType) {
    throw new UnreadableImageError(`What 'docker save' gave as ${name} is not the layer ${diffId}.`);
  }
  return { kind: 'stored', diffId, descriptor: { mediaType, digest, size }, open };
}

function remoteLayer(
  diffId: string,
  host: string,
  { descriptor, repository }: { descriptor: RemoteLayer['descriptor']; repository: string },
): RemoteLayer {
  return {
    kind: 'remote',
    diffId,
    descriptor,
    host,
    repository,
    open: async () => {
      throw new UnreadableImageError(
        `The layer ${diffId} lies in '${repository}' of ${host}, but the registry does not mount it from there.`,
      );
    },
  };
}

/** The media type of a compressed layer, by its first bytes. */
async function compressedType(path: string): Promise<string | undefined> {
  const file = await open(path);
  try {
    const { buffer } = await file.read(Buffer.alloc(4), 0, 4, 0);
    const magic = buffer.toString('hex');
    if (magic.startsWith('1f8b')) return 'application/vnd.oci.image.layer.v1.tar+gzip';
    if (magic === '28b52ffd') return 'application/vnd.oci.image.layer.v1.tar+zstd';
    return undefined;
  } finally {
    await file.close();
  }
}

/** A file of the archive. Engines before 25 link layers that are the same as an earlier one. */
function find(files: ReadonlyMap<string, SavedFile>, name: string): SavedFile {
  const file = files.get(name);
  const target = file?.kind === 'link' ? files.get(file.target) : file;
  if (!target) throw missing(name);
  return target;
}

async function contentOf(files: ReadonlyMap<string, SavedFile>, name: string): Promise<Buffer> {
  const file = find(files, name);
  if (file.kind !== 'file') throw missing(name);
  return readFile(file.path);
}

function parse<T>(content: Buffer, name: string): T {
  try {
    return JSON.parse(content.toString('utf8')) as T;
  } catch {
    throw new UnreadableImageError(`What 'docker save' gave as ${name} can't be understood.`);
  }
}

function missing(name: string): UnreadableImageError {
  return new UnreadableImageError(`What 'docker save' gave lacks ${name}.`);
}
