import { createHash } from 'node:crypto';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { CancelledError, describeError, TaskError } from '../../common/errors';
import { readTar, type Sink, type TarMember } from '../files/tar-reader';
import { digestOfBytes, type Layer, type LocalLayer } from '../image/image';
import { readConfig } from '../image/manifest';
import { OCI_LAYER } from '../image/media-types';
import type { DockerCli } from './cli';
import { UnreadableImageError } from './engine';
import { GrowingFile } from './growing-file';
import { layerInFolder } from './v1-layers';

export interface SaveRequest {
  /** As the engine knows the image: the digest of its configuration, or of its manifest. */
  readonly id: string;
  /** Of its layers, from the bottom. */
  readonly diffIds: readonly string[];
  /** An empty folder for the layers. */
  readonly folder: string;
  /** Where the image goes, and layers come from: a compressed one is sent as the engine has it. */
  readonly host: string;
  readonly repository: string;
  /** Whether a layer is wanted, by its diff id; or a blob, by its digest. */
  isWanted(digest: string): boolean;
  /** Told of each wanted layer once, as soon as it is known which it is: perhaps while it is still coming. */
  onLayer(layer: Layer): void;
  /** Stops the reading. */
  readonly signal: AbortSignal;
}

/** An image that was taken out of an engine. */
export interface SavedImage {
  readonly config: Buffer;
  /** Ends whoever reads its layers with an error. */
  fail(error: Error): void;
  /** Closes its layers, which nobody may read any more. */
  close(): Promise<void>;
}

/**
 * Takes an image out of an engine with `docker save`, as a stream in which every layer comes once. Wanted layers go
 * to files, from which they can be read while they are still coming, until the image is closed.
 *
 * @returns when all of the image has arrived, and was found to be what the engine says that it is
 * @throws UnreadableImageError when the engine can't give the image, the disk can't hold it, or its form is unknown
 */
export async function saveImage(docker: DockerCli, request: SaveRequest): Promise<SavedImage> {
  const archive = new Archive(request);
  try {
    const { exitCode, stderr, result } = await docker.read(
      ['save', request.id],
      (output) => archive.read(output),
      request.signal,
    );
    const details = stderr.split('\n').filter(Boolean);
    if (result.status === 'rejected') throw unreadable(result.reason, details);
    if (exitCode !== 0) {
      throw new UnreadableImageError(`'docker save' failed (exit code ${exitCode}).`, { details });
    }
    return {
      config: result.value,
      fail: (error) => archive.fail(error),
      close: () => archive.close(),
    };
  } catch (error) {
    archive.fail(error as Error);
    await archive.close();
    throw error;
  }
}

/** Takes an image out of an engine, and closes it when it has been used. */
export async function withSavedImage<T>(
  docker: DockerCli,
  request: SaveRequest,
  use: (config: Buffer) => Promise<T>,
): Promise<T> {
  const saved = await saveImage(docker, request);
  try {
    return await use(saved.config);
  } catch (error) {
    saved.fail(error as Error);
    throw error;
  } finally {
    await saved.close();
  }
}

function unreadable(error: unknown, details: readonly string[]): Error {
  if (error instanceof TaskError || error instanceof CancelledError) return error;
  return new UnreadableImageError(`What 'docker save' gave could not be read: ${describeError(error)}.`, {
    cause: error,
    details,
  });
}

/** A layer that can't be told before the archive's last file. */
interface Unnamed {
  readonly file: GrowingFile;
  readonly size: number;
  readonly digest: string;
  /** Its first bytes. */
  readonly magic: string;
}

/** Configurations and manifests are smaller by far; registries take none above 4 MiB. */
const LARGEST_DOCUMENT = 8 * 1024 * 1024;

const BRACE = '{'.charCodeAt(0);

/**
 * The archives of all engines: those before 25 have a folder for each layer, later ones and containerd's stores lay
 * them out as the OCI image specification does, perhaps compressed. All have docker's `manifest.json`.
 */
class Archive {
  /** By path: all that is JSON. */
  private readonly documents = new Map<string, Buffer>();
  private readonly files: GrowingFile[] = [];
  private readonly unnamed = new Map<string, Unnamed>();
  /** Diff ids of the layers that were handed over. */
  private readonly given = new Set<string>();

  constructor(private readonly request: SaveRequest) {}

  /** Reads all of an archive, and returns the image's configuration. */
  async read(output: Readable): Promise<Buffer> {
    await readTar(output, (member) => this.sinkFor(member));
    return this.finish();
  }

  fail(error: Error): void {
    for (const file of this.files) file.fail(error);
  }

  async close(): Promise<void> {
    await Promise.all(this.files.map((file) => file.close()));
  }

  private sinkFor(member: TarMember): Sink | undefined {
    const { path, kind } = member;
    // Of layers that are the same, engines before 25 save one, and links to it.
    if (kind !== 'file') return undefined;
    const digest = blobDigest(path);
    if (digest === undefined) {
      return path.endsWith('/layer.tar') ? this.layer(member, this.identify(path)) : this.document(member);
    }
    if (this.request.diffIds.includes(digest)) return this.layer(member, digest);
    let sink: Sink | undefined;
    return (chunk) => {
      if (!sink) {
        const isDocument = chunk[0] === BRACE;
        sink = isDocument ? this.document(member) : (this.layer(member, undefined) ?? (() => undefined));
      }
      return sink(chunk);
    };
  }

  private identify(path: string): string | undefined {
    const folder = path.slice(0, path.indexOf('/'));
    const json = this.documents.get(`${folder}/json`);
    return json && layerInFolder(folder, json, this.request.diffIds);
  }

  private document({ path, size }: TarMember): Sink {
    if (size > LARGEST_DOCUMENT) throw new Error(`it has a file ${path} of ${size} bytes`);
    const parts: Buffer[] = [];
    let taken = 0;
    return (chunk) => {
      parts.push(chunk);
      taken += chunk.length;
      if (taken === size) this.documents.set(path, Buffer.concat(parts));
    };
  }

  /** Takes in a layer; one that is not wanted is passed over. */
  private layer({ path, size }: TarMember, diffId: string | undefined): Sink | undefined {
    const { folder, isWanted } = this.request;
    const known = diffId ?? blobDigest(path);
    if (known && (!isWanted(known) || this.given.has(known))) return undefined;
    const file = new GrowingFile(join(folder, String(this.files.length)));
    this.files.push(file);
    if (diffId) this.give({ ...localLayer(diffId, size, file), isComing: true });

    const hash = createHash('sha256');
    let taken = 0;
    let magic = '';
    return async (chunk) => {
      if (taken === 0) magic = chunk.toString('hex', 0, 4);
      hash.update(chunk);
      taken += chunk.length;
      await keep(file.append(chunk), folder);
      if (taken < size) return;
      const digest = `sha256:${hash.digest('hex')}`;
      if (known && digest !== known) throw new Error(`it has other bytes of ${known}`);
      await keep(file.end(), folder);
      if (!diffId) this.unnamed.set(path, { file, size, digest, magic });
    };
  }

  private give(layer: Layer): void {
    this.given.add(layer.diffId);
    this.request.onLayer(layer);
  }

  /** Hands over the layers that only `manifest.json` tells, and checks that nothing is missing. */
  private finish(): Buffer {
    const { id, diffIds, isWanted } = this.request;
    const manifests: { Config: string; Layers: string[] | null }[] = JSON.parse(
      this.find('manifest.json').toString('utf8'),
    );
    if (manifests.length !== 1) throw new Error(`it holds ${manifests.length} images`);
    const [{ Config: configPath, Layers: paths }] = manifests as [(typeof manifests)[0]];
    const config = this.find(configPath);
    const { rootfs } = readConfig(config) ?? {};
    const isTheImage = digestOfBytes(config) === id || this.documents.has(blobPath(id));
    if (!isTheImage || rootfs?.diff_ids.join() !== diffIds.join() || paths?.length !== diffIds.length) {
      throw new Error(`it holds another image than ${id}`);
    }
    for (const [index, diffId] of diffIds.entries()) {
      if (this.given.has(diffId) || !isWanted(diffId)) continue;
      const path = paths[index]!;
      const found = this.unnamed.get(path);
      // A blob that is not wanted is a layer whose diff id is not wanted either.
      if (!found) throw new Error(`it lacks ${path}`);
      this.give(
        found.digest === diffId
          ? localLayer(diffId, found.size, found.file)
          : this.storedLayer(diffId, found, path),
      );
    }
    return config;
  }

  /** A layer that the engine keeps compressed. */
  private storedLayer(diffId: string, { file, size, digest, magic }: Unnamed, path: string): Layer {
    const compression = magic.startsWith('1f8b') ? 'gzip' : magic === '28b52ffd' ? 'zstd' : undefined;
    if (!compression || digest !== blobDigest(path)) throw new Error(`${path} is not the layer ${diffId}`);
    const { host, repository } = this.request;
    const mediaType = `${OCI_LAYER}+${compression}`;
    return {
      kind: 'remote',
      diffId,
      descriptor: { mediaType, digest, size },
      host,
      repository,
      isHere: true,
      open: async (start) => file.open(start),
    };
  }

  private find(path: string): Buffer {
    const document = this.documents.get(path);
    if (!document) throw new Error(`it lacks ${path}`);
    return document;
  }
}

function localLayer(diffId: string, size: number, file: GrowingFile): LocalLayer {
  return { kind: 'local', diffId, size, open: (start) => file.open(start) };
}

const BLOBS = 'blobs/sha256/';

function blobDigest(path: string): string | undefined {
  return path.startsWith(BLOBS) ? `sha256:${path.slice(BLOBS.length)}` : undefined;
}

function blobPath(digest: string): string {
  return digest.replace('sha256:', BLOBS);
}

/** Explains an error of the disk. */
async function keep(writing: Promise<void>, folder: string): Promise<void> {
  try {
    await writing;
  } catch (error) {
    throw new UnreadableImageError(
      `The image's layers could not be kept in ${folder} for a moment: ${describeError(error)}.`,
      { cause: error },
    );
  }
}
