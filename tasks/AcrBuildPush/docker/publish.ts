import { mkdtempSync, rmSync, statfsSync } from 'node:fs';
import { join } from 'node:path';
import { TaskError } from '../../common/errors';
import type { Logger } from '../../common/log';
import { formatBytes, formatDuration } from '../../common/text';
import type { ImageConfig } from '../oci/image';
import type { CompressionChoice } from '../oci/publish/compression';
import type { KnownLayers } from '../oci/publish/known-layers';
import { findLayer, type PublishedLayer, publishLayer } from '../oci/publish/layers';
import { type PublishedImage, publishConfig, publishManifest } from '../oci/publish/publish';
import type { Destination } from '../publish';
import type { DockerCli } from './cli';
import { describeImage, type ImageFacts, sizeOfInstructions, UnreadableImageError } from './engine';
import { withSavedImage } from './saved-image';

/** An image in an engine's hands. */
export interface EngineImage {
  readonly docker: DockerCli;
  /** Digest of its configuration, or of its manifest where the engine keeps images in containerd's store. */
  readonly id: string;
  /** How many instructions of the Dockerfile it has on top of its base image. */
  readonly ownInstructions: number;
}

export interface EnginePublishOptions {
  readonly log: Logger;
  readonly signal: AbortSignal;
  readonly compression: CompressionChoice;
  readonly annotations: Readonly<Record<string, string>>;
  /** Layers that the registry has. */
  readonly known: KnownLayers;
  /** A private folder, which layers pass through. */
  readonly tempFolder: string;
}

/** Reading an image of this many bytes takes no longer than a second or so, whatever there is in it. */
const SMALL = 100_000_000;

/**
 * Where less of an image than this was built on its base image, docker is quicker: it has to compress what was built,
 * at a twentieth to a sixth of the speed at which an engine gives out the whole image, but need not read the rest.
 */
const WORTH_READING = 0.1;

/**
 * Publishes an image that an engine holds without `docker push`, which compresses on one core, and sends again what it
 * does not remember to have sent. Layers that the registry has stay where they are; the others are read out of the
 * engine, each while it is being sent. The image's id stays the same.
 *
 * @throws UnreadableImageError when docker had better push it; the message says why
 */
export async function publishEngineImage(
  image: EngineImage,
  destination: Destination,
  options: EnginePublishOptions,
): Promise<PublishedImage> {
  const { docker, id } = image;
  const { registry } = destination;
  const facts = await describeImage(docker, id);
  await checkIsWorthReading(image, facts, options.tempFolder);
  const diffIds = [...new Set(facts.diffIds)];
  const nameOf = (diffId: string) => `Layer ${diffIds.indexOf(diffId) + 1} of ${diffIds.length}`;
  const published = new Map<string, PublishedLayer>();
  const keep = (layer: PublishedLayer | undefined) => layer && published.set(layer.diffId, layer);

  const knownLayers = diffIds.filter((diffId) => options.known.has(diffId));
  const findings = knownLayers.map((diffId) =>
    findLayer(registry, diffId, nameOf(diffId), [options.known.get(diffId)!], options),
  );
  for (const layer of await Promise.all(findings)) keep(layer);
  const finish = async (content: Buffer, uploads?: Uploads) => {
    const [config] = await Promise.all([publishConfig(registry, content, options), uploads?.done()]);
    const layers = facts.diffIds.map((diffId) => published.get(diffId)!);
    return publishManifest(config, layers, destination, options);
  };
  if (published.size === diffIds.length) {
    const config = await registry.blob(id).catch(ifRefused);
    if (config && isConfigOf(facts, config)) return finish(config);
  }

  const start = performance.now();
  const folder = mkdtempSync(join(options.tempFolder, 'layers-'));
  const blobs = new Set([...published.values()].map(({ descriptor }) => descriptor.digest));
  const uploads = new Uploads(options.signal);
  try {
    return await withSavedImage(
      docker,
      {
        id,
        diffIds: facts.diffIds,
        folder,
        host: registry.host,
        repository: registry.repository,
        signal: uploads.signal,
        isWanted: (digest) => !published.has(digest) && !blobs.has(digest),
        onLayer: (layer) =>
          uploads.start(async (signal) => {
            const settings = { ...options, known: new Map(), signal };
            keep(await publishLayer(registry, layer, nameOf(layer.diffId), settings));
          }),
      },
      async (config) => {
        const time = formatDuration(performance.now() - start);
        options.log.info(`The engine gave the image in ${time}.`);
        return finish(config, uploads);
      },
    );
  } catch (error) {
    throw await uploads.firstError(error);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

async function checkIsWorthReading(
  { docker, id, ownInstructions }: EngineImage,
  { os, size }: ImageFacts,
  tempFolder: string,
): Promise<void> {
  if (os === 'windows') {
    throw new UnreadableImageError(
      'Layers of Windows may not be copied to any registry, which docker sees to.',
    );
  }
  if (size <= SMALL) return;
  // The engine makes a copy first, often on the same disk.
  const { bavail, bsize } = statfsSync(tempFolder);
  if (bavail * bsize < 2 * size) {
    throw new UnreadableImageError(
      `The disk has only ${formatBytes(bavail * bsize)} left, and the image of ${formatBytes(size)} would pass through it.`,
    );
  }
  // The labels of the step may be one more.
  const built = await sizeOfInstructions(docker, id, ownInstructions + 1);
  if (built < size * WORTH_READING) {
    throw new UnreadableImageError(
      `Only ${formatBytes(built)} of the image's ${formatBytes(size)} were built on its base image, and docker need not read the rest.`,
    );
  }
}

/** Some engines call an image by the digest of its manifest. */
function isConfigOf({ diffIds }: ImageFacts, content: Buffer): boolean {
  const { rootfs }: Partial<ImageConfig> = JSON.parse(content.toString('utf8'));
  return rootfs?.diff_ids.join() === diffIds.join();
}

function ifRefused(error: unknown): undefined {
  if (!(error instanceof TaskError)) throw error;
}

/** More at once do not fill a line any better, and each holds memory. */
const LANES = 4;

/** Work that begins while the last of it is not known yet. The first failure ends all of it. */
class Uploads {
  readonly signal: AbortSignal;
  private readonly failed = new AbortController();
  private readonly running: Promise<void>[] = [];
  private readonly waiting: (() => void)[] = [];
  private freeLanes = LANES;

  constructor(private readonly cancel: AbortSignal) {
    this.signal = AbortSignal.any([cancel, this.failed.signal]);
  }

  start(work: (signal: AbortSignal) => Promise<void>): void {
    const run = this.inLane(() => work(this.signal));
    run.catch((error) => this.failed.abort(error));
    this.running.push(run);
  }

  async done(): Promise<void> {
    await Promise.all(this.running);
  }

  /** Ends what is left, and tells what failed first. */
  async firstError(error: unknown): Promise<unknown> {
    this.failed.abort(error);
    await Promise.allSettled(this.running);
    return this.cancel.aborted ? error : this.failed.signal.reason;
  }

  private async inLane(work: () => Promise<void>): Promise<void> {
    if (this.freeLanes === 0) await new Promise<void>((resolve) => this.waiting.push(resolve));
    else this.freeLanes -= 1;
    try {
      await work();
    } finally {
      const next = this.waiting.shift();
      if (next) next();
      else this.freeLanes += 1;
    }
  }
}
