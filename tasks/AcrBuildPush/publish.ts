import { createHash } from 'node:crypto';
import { TaskError } from '../common/errors';
import type { Logger } from '../common/log';
import type { Descriptor, Manifest, RegistryClient } from './acr/registry';
import type { LocalImage } from './docker/build';
import type { DockerCli } from './docker/cli';
import { layerIds } from './docker/engine';
import { pushWithDocker } from './docker/push';
import { lastingTags, type PlannedTag } from './tags';

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

/**
 * Pushes an image from the engine under its first tag. Then the manifest with its annotations is stored by its digest,
 * and every tag set to it by one request each, in order.
 */
export async function publishWithDocker(
  docker: DockerCli,
  image: LocalImage & { readonly annotations: Readonly<Record<string, string>> },
  destination: Destination,
  options: { log: Logger; signal: AbortSignal },
): Promise<PublishedImage> {
  const { registry, name, tags } = destination;
  const reference = `${name}:${tags[0]!.tag}`;
  const { digest, sentLayers } = await pushWithDocker(docker, { reference, registry }, options);
  const [pushed, layers] = await Promise.all([
    registry.manifest(digest ?? tags[0]!.tag),
    layerIds(docker, image.id),
  ]);
  // Engines differ in what they call an image's id: the digest of its configuration, or of its manifest.
  if (image.id !== pushed.config?.digest && image.id !== pushed.digest) {
    throw new TaskError(
      `${reference} is another image in the registry than the one that was built (${image.id}). Another run may have pushed at the same time: run the step again.`,
    );
  }
  const manifest = annotate(pushed, image.annotations);
  if (manifest !== pushed) await registry.put(manifest, manifest.digest);
  // The first tag has been set by docker, unless to a manifest without annotations.
  for (const { tag } of manifest === pushed ? tags.slice(1) : tags) {
    await registry.put(manifest, tag);
    options.log.info(`Tagged ${tag}.`);
  }
  return { manifest, sent: sentBlobs(manifest, layers, sentLayers) };
}

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
export function annotate(manifest: Manifest, annotations: Readonly<Record<string, string>>): Manifest {
  const content = JSON.parse(manifest.body.toString('utf8'));
  const toOci = (type: string): string | undefined =>
    type.startsWith('application/vnd.oci.') ? type : OCI_TYPES[type];
  const parts = [content.config, ...(content.layers ?? [])] as (Descriptor | undefined)[];
  const mediaType = toOci(manifest.mediaType);
  if (!mediaType || !parts.every((part) => part && toOci(part.mediaType))) return manifest;

  const convert = (part: Descriptor) => ({ ...part, mediaType: toOci(part.mediaType)! });
  const annotated = {
    ...content,
    mediaType,
    config: convert(content.config),
    layers: content.layers.map(convert),
    annotations: { ...content.annotations, ...annotations },
  };
  const body = Buffer.from(JSON.stringify(annotated));
  const digest = `sha256:${createHash('sha256').update(body).digest('hex')}`;
  return { digest, mediaType, body, config: annotated.config, layers: annotated.layers };
}

/** Docker names layers by their ids, a registry by their digests; both lists have the same order. */
function sentBlobs(
  { config, layers }: Manifest,
  ids: readonly string[],
  sentLayers: ReadonlySet<string>,
): ReadonlySet<string> | undefined {
  if (ids.length !== layers.length || !config) return undefined;
  const wasSent = (index: number) => sentLayers.has(ids[index]!.replace('sha256:', '').slice(0, 12));
  const sent = layers.filter((_, index) => wasSent(index)).map(({ digest }) => digest);
  return new Set(sent);
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
