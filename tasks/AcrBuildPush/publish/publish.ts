import { TaskError } from '../../common/errors';
import type { Logger } from '../../common/log';
import type { RemoteImage } from '../build/docker/build';
import type { DockerCli } from '../docker/cli';
import { describeImage, type EngineImage, UnreadableImageError } from '../docker/engine';
import type { BaseImage } from '../dockerfile/base-image';
import type { OciImage } from '../image/image';
import { type Descriptor, digestOfBytes, type Manifest, type RegistryClient } from '../registry/client';
import { type EarlierImage, type EarlierImages, readImages } from '../registry/earlier-images';
import { type KnownLayers, layersOf } from '../registry/known-layers';
import { parseImageName } from '../registry/pull';
import { lastingTags, type PlannedTag } from '../tags';
import type { CompressionChoice } from './compression';
import { type PushOptions, pushWithDocker } from './docker-push';
import { publishEngineImage } from './engine-image';
import { publishImage } from './publish-image';

/** Where an image goes. */
export interface Destination {
  readonly registry: RegistryClient;
  /** `<login server>/<repository>`. */
  readonly name: string;
  /** In the order of publishing. None: the registry has all that was asked for. */
  readonly tags: readonly PlannedTag[];
}

/** An image in the registry. */
export interface PublishedImage {
  readonly manifest: Manifest;
  /** The blobs that were sent, by digest; undefined where that is not known. */
  readonly sent: ReadonlySet<string> | undefined;
}

/** What a builder made: an image that an engine holds, one that is in the registry already, or one that is here. */
export type BuiltImage = EngineImage | RemoteImage | OciImage;

export interface PublishOptions extends PushOptions {
  /** How new layers are stored. */
  readonly compression: CompressionChoice;
  /** Layers that the registry has. */
  readonly known: Promise<KnownLayers>;
  /** A private folder, which layers of an engine's image pass through. */
  readonly tempFolder: string;
}

type Annotations = Readonly<Record<string, string>>;

/**
 * Brings an image to its destination: its blobs, unless its builder has sent them; then its manifest with annotations,
 * under every tag, by one request each, in order.
 */
export async function publish(
  image: BuiltImage,
  annotations: Annotations,
  destination: Destination,
  options: PublishOptions,
): Promise<PublishedImage> {
  if ('config' in image) {
    try {
      return await publishImage(image, destination, { ...options, annotations, known: await options.known });
    } finally {
      await image.close?.();
    }
  }
  if ('digest' in image) {
    const { registry, tags } = destination;
    const manifest = annotate(await registry.manifest(image.digest), annotations);
    await setTags(manifest, tags, registry, options.log);
    return { manifest, sent: undefined };
  }
  try {
    const settings = { ...options, annotations, known: await options.known };
    return await publishEngineImage(image, destination, settings);
  } catch (error) {
    if (!(error instanceof UnreadableImageError)) throw error;
    for (const detail of error.details) options.log.info(detail);
    options.log.info(`${error.message} So docker pushes the image by itself.`);
    return pushEngineImage(image, annotations, destination, options);
  }
}

/**
 * The layers of earlier images, and of the base image where it lies in the same registry.
 *
 * @param base where the builder does not know its layers
 */
export async function findKnownLayers(
  registry: RegistryClient,
  earlier: EarlierImages,
  base: BaseImage | undefined,
): Promise<KnownLayers> {
  const images = await Promise.all([earlier.all(), base ? readBase(registry, base) : []]);
  return layersOf(images.flat());
}

async function readBase(registry: RegistryClient, { name, digest }: BaseImage): Promise<EarlierImage[]> {
  const { host, repository, reference } = parseImageName(name);
  if (host !== registry.host) return [];
  const source = registry.sibling(repository);
  const pinned = digest === undefined ? [] : await readImages(source, digest);
  // With containerd's store, an engine has a digest for what was built in it as well, which no registry knows.
  return pinned.length > 0 ? pinned : readImages(source, reference);
}

/** Pushes an image by docker under its first tag, and sets the others. */
async function pushEngineImage(
  { id, docker }: EngineImage,
  annotations: Annotations,
  destination: Destination,
  options: PushOptions,
): Promise<PublishedImage> {
  const { registry, name, tags } = destination;
  const reference = `${name}:${tags[0]!.tag}`;
  const { digest, sentLayers } = await pushWithDocker(docker, { reference, registry }, options);
  const pushed = await registry.manifest(digest ?? tags[0]!.tag);
  // Engines differ in what they call an image's id: the digest of its configuration, or of its manifest.
  if (id !== pushed.config?.digest && id !== pushed.digest) {
    throw new TaskError(
      `${reference} is another image in the registry than the one that was built (${id}). Another run may have pushed at the same time: run the step again.`,
    );
  }
  const wasSent = await sentTest(docker, id, pushed, sentLayers);
  const manifest = annotate(pushed, annotations);
  // Docker has set the first tag, though to a manifest without annotations.
  const missing = manifest === pushed ? tags.slice(1) : tags;
  await setTags(manifest, missing, registry, options.log);
  const sent = wasSent && manifest.layers.filter((_, index) => wasSent(index));
  // Docker says nothing of the configuration, which is new in nearly every build.
  const blobs = sent && manifest.config ? [...sent, manifest.config] : sent;
  return { manifest, sent: blobs && new Set(blobs.map(({ digest }) => digest)) };
}

async function setTags(
  manifest: Manifest,
  tags: readonly PlannedTag[],
  registry: RegistryClient,
  log: Logger,
): Promise<void> {
  for (const { tag } of tags) {
    await registry.put(manifest, tag);
    log.info(`Tagged ${tag}.`);
  }
}

/** Tells by its place in the manifest whether a layer was sent; undefined where docker does not say. */
async function sentTest(
  docker: DockerCli,
  id: string,
  { layers }: Manifest,
  sentLayers: ReadonlySet<string>,
): Promise<((index: number) => boolean) | undefined> {
  if (sentLayers.size === 0 || sentLayers.size === layers.length) return () => sentLayers.size > 0;
  // Docker names layers by their ids, a registry by their digests; both lists have the same order.
  const { diffIds } = await describeImage(docker, id);
  if (diffIds.length !== layers.length) return undefined;
  return (index) => sentLayers.has(diffIds[index]!.replace('sha256:', '').slice(0, 12));
}

const OCI_INDEX = 'application/vnd.oci.image.index.v1+json';

const OCI_TYPES: Readonly<Record<string, string>> = {
  'application/vnd.docker.distribution.manifest.v2+json': 'application/vnd.oci.image.manifest.v1+json',
  'application/vnd.docker.container.image.v1+json': 'application/vnd.oci.image.config.v1+json',
  'application/vnd.docker.image.rootfs.diff.tar': 'application/vnd.oci.image.layer.v1.tar',
  'application/vnd.docker.image.rootfs.diff.tar.gzip': 'application/vnd.oci.image.layer.v1.tar+gzip',
};

/**
 * A manifest with annotations. Docker's own format has none, so such a manifest becomes one of the OCI format: the same
 * blobs under other names of their types. Anything that is not known to have such names is left as it is.
 */
export function annotate(manifest: Manifest, annotations: Annotations): Manifest {
  const content = JSON.parse(manifest.body.toString('utf8'));
  if (manifest.mediaType === OCI_INDEX) {
    return encode(manifest, { ...content, annotations: { ...content.annotations, ...annotations } });
  }
  const toOci = (type: string): string | undefined =>
    type.startsWith('application/vnd.oci.') ? type : OCI_TYPES[type];
  const parts = [content.config, ...(content.layers ?? [])] as (Descriptor | undefined)[];
  const mediaType = toOci(manifest.mediaType);
  if (!mediaType || !parts.every((part) => part && toOci(part.mediaType))) return manifest;

  const convert = (part: Descriptor) => ({ ...part, mediaType: toOci(part.mediaType)! });
  return encode(manifest, {
    ...content,
    mediaType,
    config: convert(content.config),
    layers: content.layers.map(convert),
    annotations: { ...content.annotations, ...annotations },
  });
}

/** The manifest of a content that was changed. */
function encode(
  manifest: Manifest,
  content: { mediaType?: string; config?: Descriptor; layers?: Descriptor[] },
): Manifest {
  const body = Buffer.from(JSON.stringify(content));
  return {
    digest: digestOfBytes(body),
    mediaType: content.mediaType ?? manifest.mediaType,
    body,
    config: content.config,
    layers: content.layers ?? [],
  };
}

/** Reads every tag back from the registry: a push that reports success is not proof enough. */
export async function verifyTags({ registry, name, tags }: Destination, manifest: Manifest): Promise<void> {
  const digests = await Promise.all(tags.map(({ tag }) => registry.digestOf(tag)));
  for (const [index, digest] of digests.entries()) {
    if (digest === manifest.digest) continue;
    throw new TaskError(
      `${name}:${tags[index]!.tag} was set to ${manifest.digest}, but now is ${digest ?? 'gone'}. Another run may have pushed the same tag: run the step again, one run at a time.`,
    );
  }
}

/** Locks the tags that are not meant to move. */
export async function lockTags({ registry, tags }: Destination, log: Logger): Promise<void> {
  for (const tag of lastingTags(tags)) {
    await registry.lock(tag);
    log.info(`Locked ${tag}.`);
  }
}
