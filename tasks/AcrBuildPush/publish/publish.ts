import type { BuiltImage } from '../build/builder';
import { UnreadableImageError } from '../docker/engine';
import type { KnownLayers } from '../registry/known-layers';
import { type Annotations, annotate } from './annotate';
import type { CompressionChoice } from './compression';
import { type Destination, type PublishedImage, setTags } from './destination';
import { type PushOptions, pushEngineImage } from './docker-push';
import { publishEngineImage } from './engine-image';
import { publishImage } from './publish-image';

export interface PublishOptions extends PushOptions {
  /** How new layers are stored. */
  readonly compression: CompressionChoice;
  /** Layers that the registry has. */
  readonly known: Promise<KnownLayers>;
  /** A private folder, which layers of an engine's image pass through. */
  readonly tempFolder: string;
}

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
