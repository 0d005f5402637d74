import { sleep } from '../../common/cancel';
import { Patience } from '../../common/retry';
import type { LayerPackages } from '../bill-of-materials/layer-packages';
import type { BuiltImage } from '../build/builder';
import type { CompressionChoice } from '../build-plan';
import { UnreadableImageError } from '../docker/engine';
import { MissingBlobError } from '../registry/errors';
import type { KnownLayer, KnownLayers } from '../registry/known-layers';
import type { UploadOptions } from '../registry/send-blob';
import { type Annotations, annotate } from './annotate';
import { type Destination, type PublishedImage, putManifest } from './destination';
import { type PushOptions, pushEngineImage } from './docker-push';
import { publishEngineImage } from './engine-image';
import type { PublishedLayer } from './layers';
import { publishImage } from './publish-image';

export interface PublishOptions extends PushOptions {
  /** How new layers are stored. */
  readonly compression: CompressionChoice;
  /** Layers that the registry has. */
  readonly known: Promise<KnownLayers>;
  /** Takes in what the image's layers tell of packages. */
  readonly packages?: LayerPackages | undefined;
  /** A private folder, which layers of an engine's image pass through. */
  readonly tempFolder: string;
  /** Told of a name that the image gets in its engine for a while. */
  readonly onName?: ((name: string) => void) | undefined;
}

/**
 * Brings an image to its destination: its blobs, unless its builder has sent them, and then its manifest with
 * annotations, by its digest. Tags are set to it when it is there.
 */
export async function publish(
  image: BuiltImage,
  annotations: Annotations,
  destination: Destination,
  options: PublishOptions,
): Promise<PublishedImage> {
  if ('digest' in image) {
    const pushed = await destination.registry.manifest(image.digest);
    const manifest = annotate(pushed, annotations);
    if (manifest !== pushed) await putManifest(destination.registry, manifest, manifest.digest, options);
    return { manifest, sent: undefined, pushed: { digest: image.digest } };
  }
  const known = new Map(await options.known);
  const settings = { ...options, annotations, known };
  if ('config' in image) {
    try {
      return await untilComplete(destination, settings, (isFirst, again) =>
        publishImage({ ...image, isNew: isFirst && (image.isNew ?? false) }, destination, again),
      );
    } finally {
      await image.close?.();
    }
  }
  try {
    return await untilComplete(destination, settings, (_, again) =>
      publishEngineImage(image, destination, again),
    );
  } catch (error) {
    if (!(error instanceof UnreadableImageError)) throw error;
    for (const detail of error.details) options.log.info(detail);
    options.log.info(`${error.message} So docker pushes the image by itself.`);
    return pushEngineImage(image, annotations, destination, options);
  }
}

/**
 * Publishes an image, again where the registry does not know all blobs that it has taken in: those that it knows are
 * left alone, the others are sent.
 */
async function untilComplete<Options extends UploadOptions & { readonly known: Map<string, KnownLayer> }>(
  { registry }: Destination,
  options: Options,
  publishOnce: (isFirst: boolean, options: Options & Noted) => Promise<PublishedImage>,
): Promise<PublishedImage> {
  const patience = new Patience();
  const sent = new Set<string>();
  const onPublished = ({ diffId, descriptor, fate }: PublishedLayer) => {
    options.known.set(diffId, { descriptor, repository: registry.repository });
    if (fate === 'sent') sent.add(descriptor.digest);
  };
  for (;;) {
    try {
      const image = await publishOnce(patience.failures === 0, { ...options, onPublished });
      return { ...image, sent: new Set([...sent, ...(image.sent ?? [])]) };
    } catch (error) {
      const wait = error instanceof MissingBlobError ? patience.next(0) : undefined;
      if (wait === undefined) throw error;
      options.log.info(`${(error as Error).message} They are looked for again.`);
      await (options.sleep ?? sleep)(wait, options.signal);
    }
  }
}

interface Noted {
  readonly onPublished: (layer: PublishedLayer) => void;
}
