import { Lanes } from '../../common/lanes';
import { type Descriptor, digestOfBytes, type Manifest, type OciImage } from '../image/image';
import { OCI_CONFIG, OCI_MANIFEST } from '../image/media-types';
import { type BlobOptions, publishBlob } from './blob';
import { FormChooser } from './compression';
import type { Place, PublishedImage } from './destination';
import { type LayerOptions, type PublishedLayer, publishLayer } from './layers';

export interface PublishOptions extends Omit<LayerOptions, 'forms'> {
  /** Of the manifest. */
  readonly annotations?: Readonly<Record<string, string>>;
}

/** An image whose blobs this step has brought into the registry. */
export interface SentImage extends PublishedImage {
  readonly layers: readonly PublishedLayer[];
  readonly sent: ReadonlySet<string>;
  /** Bytes of layers and configuration that were sent, those that were sent twice included. */
  readonly uploadedBytes: number;
}

/**
 * Publishes an image without an engine: layers and configuration side by side, and then its manifest, by its digest.
 * Nothing names it yet.
 *
 * @throws TaskError when the registry refuses, or can't be reached
 */
export async function publishImage(
  image: OciImage,
  place: Place,
  options: PublishOptions,
): Promise<SentImage> {
  // An image may have the same layer twice.
  const layers = [...new Map(image.layers.map((layer) => [layer.diffId, layer])).values()];
  const lanes = new Lanes(options.signal);
  const forms = new FormChooser(options.compression);
  try {
    const config = lanes.run((signal) =>
      publishConfig(place, image.config, { ...options, signal, isNew: image.isNew }),
    );
    const uploads = layers.map((layer, index) =>
      lanes.run((signal) =>
        publishLayer(place, layer, `Layer ${index + 1} of ${layers.length}`, { ...options, forms, signal }),
      ),
    );
    const published = new Map((await Promise.all(uploads)).map((layer) => [layer.diffId, layer]));
    const all = image.layers.map(({ diffId }) => published.get(diffId)!);
    return await publishManifest(await config, all, place, options);
  } catch (error) {
    throw await lanes.firstError(error);
  }
}

/**
 * Publishes the manifest of an image whose blobs are in the repository.
 *
 * @param layers from the bottom; one may be there twice
 */
export async function publishManifest(
  config: PublishedConfig,
  layers: readonly PublishedLayer[],
  { registry }: Place,
  options: Pick<PublishOptions, 'annotations'>,
): Promise<SentImage> {
  const descriptors = layers.map(({ descriptor }) => descriptor);
  const body = Buffer.from(
    JSON.stringify({
      schemaVersion: 2,
      mediaType: OCI_MANIFEST,
      config: config.descriptor,
      layers: descriptors,
      ...(options.annotations && { annotations: options.annotations }),
    }),
  );
  const manifest: Manifest = {
    digest: digestOfBytes(body),
    mediaType: OCI_MANIFEST,
    body,
    config: config.descriptor,
    layers: descriptors,
  };
  await registry.put(manifest, manifest.digest);
  const published = [...new Set(layers)];
  const uploadedBytes = published.reduce((sum, { sentBytes }) => sum + sentBytes, config.sentBytes);
  const sent = published.filter(({ fate }) => fate === 'sent').map(({ descriptor }) => descriptor.digest);
  if (config.sentBytes > 0) sent.push(config.descriptor.digest);
  return { manifest, layers: published, sent: new Set(sent), uploadedBytes };
}

/** The configuration of an image in the registry. */
export interface PublishedConfig {
  readonly descriptor: Descriptor;
  readonly sentBytes: number;
}

/** Brings the configuration of an image into the repository. */
export function publishConfig(place: Place, content: Buffer, options: BlobOptions): Promise<PublishedConfig> {
  return publishBlob(place, { name: 'The configuration', mediaType: OCI_CONFIG, content }, options);
}
