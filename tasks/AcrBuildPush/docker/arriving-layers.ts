import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { CancelledError, describeError, TaskError } from '../../common/errors';
import type { Sink } from '../files/tar-reader';
import type { Layer, LocalLayer } from '../image/image';
import { readConfig } from '../image/manifest';
import { OCI_LAYER } from '../image/media-types';
import { UnreadableImageError } from './engine';
import { GrowingFile } from './growing-file';

/** Configurations and manifests are smaller by far; registries take none above 4 MiB. */
export const LARGEST_DOCUMENT = 8 * 1024 * 1024;

/** What is wanted of an image that an engine holds. */
export interface CopyRequest {
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
  /** Told of a name that the image gets in the engine for a while, before it does. */
  readonly onName?: ((name: string) => void) | undefined;
  /** Stops the reading. */
  readonly signal: AbortSignal;
}

/** A layer that can't be told before the image's manifest. */
interface Unnamed {
  readonly file: GrowingFile;
  readonly size: number;
  readonly digest: string;
  /** Its first bytes. */
  readonly magic: string;
}

/** A layer as a manifest has it. */
export interface ListedLayer {
  /** By which it came. */
  readonly key: string;
  /** Of its bytes, where the manifest says it. */
  readonly digest: string | undefined;
}

/**
 * The layers of an image on their way out of an engine. Wanted ones go to files, from which they can be read while they
 * are still coming.
 */
export class ArrivingLayers {
  private readonly files: GrowingFile[] = [];
  private readonly unnamed = new Map<string, Unnamed>();
  /** Diff ids of the layers that were handed over. */
  private readonly given = new Set<string>();
  /** Diff ids of those whose end is still missing. */
  private readonly coming = new Set<string>();

  constructor(private readonly request: CopyRequest) {}

  /** Whether nothing was handed over yet. */
  get isEmpty(): boolean {
    return this.given.size === 0;
  }

  /**
   * Takes in a layer; one that is not wanted is passed over.
   *
   * @param known its diff id, or the digest of its bytes
   */
  take(key: string, size: number, known: string | undefined): Sink | undefined {
    const { folder, diffIds, isWanted } = this.request;
    if (known && (!isWanted(known) || this.given.has(known))) return undefined;
    const isTold = known !== undefined && diffIds.includes(known);
    const file = new GrowingFile(join(folder, String(this.files.length)));
    this.files.push(file);
    if (isTold) {
      this.coming.add(known);
      this.give({ ...localLayer(known, size, file), isComing: true });
    }

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
      if (isTold) this.coming.delete(known);
      else this.unnamed.set(key, { file, size, digest, magic });
    };
  }

  /** Hands over the layers that only the manifest tells, and checks that nothing is missing. */
  complete(config: Buffer, layers: readonly ListedLayer[]): void {
    const { id, diffIds, isWanted } = this.request;
    const { rootfs } = readConfig(config) ?? {};
    if (rootfs?.diff_ids.join() !== diffIds.join() || layers.length !== diffIds.length) {
      throw new Error(`it holds another image than ${id}`);
    }
    const [missing] = this.coming;
    if (missing) throw new Error(`it lacks ${missing}`);
    for (const [index, diffId] of diffIds.entries()) {
      if (this.given.has(diffId) || !isWanted(diffId)) continue;
      const listed = layers[index]!;
      const found = this.unnamed.get(listed.key);
      // A blob that is not wanted is a layer whose diff id is not wanted either.
      if (!found) throw new Error(`it lacks ${listed.key}`);
      this.give(
        found.digest === diffId
          ? localLayer(diffId, found.size, found.file)
          : this.storedLayer(diffId, found, listed),
      );
    }
  }

  /** Ends whoever reads a layer with an error. */
  fail(error: Error): void {
    for (const file of this.files) file.fail(error);
  }

  /** Closes the layers, which nobody may read any more. */
  async close(): Promise<void> {
    await Promise.all(this.files.map((file) => file.close()));
  }

  private give(layer: Layer): void {
    this.given.add(layer.diffId);
    this.request.onLayer(layer);
  }

  /** A layer that the engine keeps compressed. */
  private storedLayer(diffId: string, { file, size, digest, magic }: Unnamed, listed: ListedLayer): Layer {
    const compression = magic.startsWith('1f8b') ? 'gzip' : magic === '28b52ffd' ? 'zstd' : undefined;
    if (!compression || digest !== listed.digest) throw new Error(`${listed.key} is not the layer ${diffId}`);
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
}

function localLayer(diffId: string, size: number, file: GrowingFile): LocalLayer {
  return { kind: 'local', diffId, size, open: (start) => file.open(start) };
}

/** Explains what kept an image from being read out of what a command of docker gave. */
export function unreadable(command: string, error: unknown, details: readonly string[] = []): Error {
  if (error instanceof TaskError || error instanceof CancelledError) return error;
  return new UnreadableImageError(`What '${command}' gave could not be read: ${describeError(error)}.`, {
    cause: error,
    details,
  });
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
