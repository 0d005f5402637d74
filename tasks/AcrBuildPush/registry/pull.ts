import { Readable } from 'node:stream';
import { awaitedLater } from '../../common/awaited-later';
import { TaskError } from '../../common/errors';
import type { HttpClient } from '../../common/http';
import type { Logger } from '../../common/log';
import { ONE_TRY } from '../../common/retry';
import { inTime } from '../../common/time-limit';
import type { Descriptor, Manifest, ParentImage, Platform, RemoteLayer } from '../image/image';
import { apiHostOf, parseImageName, referenceOf } from '../image/image-name';
import { entriesOf, faultInConfig, type IndexEntry, readConfig } from '../image/manifest';
import { formatPlatform, normalize, runnable } from '../image/platform';
import { RegistryClient } from './client';
import type { CredentialSource } from './credentials';

/** An image in a registry: what it says of itself, and its layers, which stay where they are. */
export interface PulledImage extends ParentImage {
  readonly digest: string;
  /** Where more can be learnt of it; undefined where it does not come from a registry itself. */
  readonly source?: ImageSource;
  readonly layers: readonly RemoteLayer[];
}

/** An image's place in a registry. */
export interface ImageSource {
  readonly registry: RegistryClient;
  /** Of the image itself, where its name is that of an index. */
  readonly manifest: Manifest;
  /** Whether it was asked for by its digest, so that nobody can put another in its place. */
  readonly isPinned: boolean;
}

/**
 * Looks up an image by the name that a Dockerfile gives it.
 *
 * @throws TaskError when there is none for the platform, or it can't be read
 */
export type Pull = (image: string, platform: Platform) => Promise<PulledImage>;

export interface PullOptions {
  readonly http: HttpClient;
  readonly log: Logger;
  /** The credentials for a registry, by its host. */
  credentialsFor(host: string): CredentialSource | undefined;
}

/** Bytes of a layer that are asked for at once. Two parts are in memory: one that is used, and the next. */
const RANGE = 4 * 1024 * 1024;

const REMEDY = 'Have it built and pushed again, or use another one.';

/** Reads images from the registries that their names point to. */
export function createPull(options: PullOptions): Pull {
  return async (image, platform) => {
    const { host, repository, reference } = addressOf(image);
    const client = new RegistryClient({
      http: options.http,
      log: options.log,
      host,
      repository,
      credentials: options.credentialsFor(host),
      access: 'pull',
    });
    const { digest, manifest } = await findManifest(client, reference, platform, image);
    if (!manifest.config)
      throw new TaskError(`Image ${image} has a format that is no longer in use. ${REMEDY}`);
    const content = await client.blob(manifest.config.digest);
    const config = readConfig(content);
    if (!config) {
      throw new TaskError(
        `Image ${image} is broken: in its configuration, ${faultInConfig(content)}. ${REMEDY}`,
      );
    }
    const diffIds = config.rootfs.diff_ids;
    if (diffIds.length !== manifest.layers.length) {
      throw new TaskError(`Image ${image} is broken: its configuration does not fit its layers. ${REMEDY}`);
    }
    options.log.info(`Base image ${image}: ${manifest.digest}, ${manifest.layers.length} layers.`);
    return {
      digest,
      source: { registry: client, manifest, isPinned: isDigest(reference) },
      config,
      layers: manifest.layers.map((descriptor, index) => remoteLayer(client, descriptor, diffIds[index]!)),
    };
  };
}

/** Where an image is asked for, by its name. */
function addressOf(image: string): { host: string; repository: string; reference: string } {
  const name = parseImageName(image);
  return { host: apiHostOf(name.registry), repository: name.repository, reference: referenceOf(name) };
}

/** Milliseconds that are spent on finding out a digest that is good to know. */
const DIGEST_LIMIT = 1_000;

/** The digest that a registry has for an image at the moment; undefined where it does not tell soon. */
export async function findDigest(
  image: string,
  signal: AbortSignal,
  { http, log, credentialsFor }: PullOptions,
): Promise<string | undefined> {
  const ask = async () => {
    const { host, repository, reference } = addressOf(image);
    const registry = new RegistryClient({
      http,
      log,
      host,
      repository,
      access: 'pull',
      credentials: credentialsFor(host),
      patience: { retry: ONE_TRY, idleTimeout: DIGEST_LIMIT },
    });
    return registry.digestOf(reference);
  };
  try {
    return await inTime(ask(), signal, DIGEST_LIMIT);
  } catch (error) {
    if (error instanceof TaskError) return undefined;
    throw error;
  }
}

/** The manifest for one platform, out of an index if there is one. */
async function findManifest(
  client: RegistryClient,
  reference: string,
  platform: Platform,
  image: string,
): Promise<{ digest: string; manifest: Manifest }> {
  const manifest = await client.manifest(reference);
  if (isDigest(reference) && manifest.digest !== reference) {
    throw new TaskError(`${client.host} sent other bytes than those of ${reference}. Run the step again.`);
  }
  const manifests = entriesOf(manifest);
  if (!manifests) return { digest: manifest.digest, manifest };
  const found = pickPlatform(manifests, platform) ?? (await findByConfig(client, manifests, platform));
  if (found) {
    const { manifest: own } = await findManifest(client, found.digest, platform, image);
    return { digest: manifest.digest, manifest: own };
  }
  const { os, architecture } = platform;
  throw new TaskError(
    `Image ${image} is not there for ${os}/${architecture}. Check the Dockerfile's FROM line.`,
  );
}

function isDigest(reference: string): boolean {
  return reference.startsWith('sha256:');
}

/** The first image for a platform, or else the best of those that run there. */
function pickPlatform(entries: readonly IndexEntry[], platform: Platform): IndexEntry | undefined {
  const named = entries.flatMap((entry) =>
    entry.platform ? [{ entry, own: normalize(entry.platform) }] : [],
  );
  for (const wanted of runnable(platform)) {
    const found = named.find(({ own }) => formatPlatform(own) === formatPlatform(wanted));
    if (found) return found.entry;
  }
  return undefined;
}

/** Images that an index lists without their platforms are asked at most. */
const MOST_UNNAMED = 10;

/** The first image of an index that has no platform there, but the right one in its configuration. */
async function findByConfig(
  client: RegistryClient,
  entries: readonly IndexEntry[],
  platform: Platform,
): Promise<IndexEntry | undefined> {
  const unnamed = entries.filter((entry) => !entry.platform && !entry.artifactType);
  for (const entry of unnamed.slice(0, MOST_UNNAMED)) {
    const { config } = await client.manifest(entry.digest);
    const read = config && readConfig(await client.blob(config.digest));
    if (read && pickPlatform([{ ...entry, platform: read }], platform)) return entry;
  }
  return undefined;
}

/** A layer that lies in a repository. */
export function remoteLayer(client: RegistryClient, descriptor: Descriptor, diffId: string): RemoteLayer {
  return {
    kind: 'remote',
    diffId,
    descriptor,
    host: client.host,
    repository: client.repository,
    open: async (start = 0) => remoteBlob(client, descriptor, start),
  };
}

/** A blob that lies in a repository, from byte `start` on. */
export function remoteBlob(client: RegistryClient, { digest, size }: Descriptor, start: number): Readable {
  const ask = (at: number): Promise<Buffer> | undefined => {
    if (at >= size) return undefined;
    // Perhaps nobody takes it.
    return awaitedLater(client.blobRange(digest, at, Math.min(at + RANGE, size)));
  };
  async function* read() {
    let at = start;
    for (let part = ask(at); part; ) {
      const content = await part;
      at += RANGE;
      part = ask(at);
      yield content;
    }
  }
  return Readable.from(read(), { objectMode: false });
}
