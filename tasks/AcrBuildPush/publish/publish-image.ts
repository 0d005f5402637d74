import { Readable } from 'node:stream';
import { Lanes } from '../../common/lanes';
import type { Descriptor, OciImage } from '../image/image';
import { digestOfBytes, type Manifest, type RegistryClient } from '../registry/client';
import { hasBlob, type UploadOptions, upload } from '../registry/upload';
import { type LayerOptions, type PublishedLayer, publishLayer } from './layers';
import type { Destination } from './publish';

export interface PublishOptions extends LayerOptions {
  /** Of the manifest. */
  readonly annotations?: Readonly<Record<string, string>>;
}

export interface PublishedImage {
  /** As the registry holds it. */
  readonly manifest: Manifest;
  readonly layers: readonly PublishedLayer[];
  /** The blobs that were sent, by digest. */
  readonly sent: ReadonlySet<string>;
  /** Bytes of layers and configuration that were sent, those that were sent twice included. */
  readonly uploadedBytes: number;
}

const MANIFEST_TYPE = 'application/vnd.oci.image.manifest.v1+json';
const CONFIG_TYPE = 'application/vnd.oci.image.config.v1+json';

/**
 * Publishes an image without an engine: layers and configuration side by side, and then its manifest, under its tags in
 * order. So no tag ever names an image that is not whole.
 *
 * @throws TaskError when the registry refuses, or can't be reached
 */
export async function publishImage(
  image: OciImage,
  destination: Destination,
  options: PublishOptions,
): Promise<PublishedImage> {
  const { registry } = destination;
  // An image may have the same layer twice.
  const layers = [...new Map(image.layers.map((layer) => [layer.diffId, layer])).values()];
  const lanes = new Lanes(options.signal);
  try {
    const config = lanes.run((signal) =>
      publishConfig(registry, image.config, { ...options, signal, isNew: image.isNew }),
    );
    const uploads = layers.map((layer, index) =>
      lanes.run((signal) =>
        publishLayer(registry, layer, `Layer ${index + 1} of ${layers.length}`, { ...options, signal }),
      ),
    );
    const published = new Map((await Promise.all(uploads)).map((layer) => [layer.diffId, layer]));
    const all = image.layers.map(({ diffId }) => published.get(diffId)!);
    return await publishManifest(await config, all, destination, options);
  } catch (error) {
    throw await lanes.firstError(error);
  }
}

/**
 * Publishes the manifest of an image whose blobs are in the repository, under its tags.
 *
 * @param layers from the bottom; one may be there twice
 */
export async function publishManifest(
  config: PublishedConfig,
  layers: readonly PublishedLayer[],
  { registry, tags }: Destination,
  options: Pick<PublishOptions, 'annotations' | 'log'>,
): Promise<PublishedImage> {
  const descriptors = layers.map(({ descriptor }) => descriptor);
  const body = Buffer.from(
    JSON.stringify({
      schemaVersion: 2,
      mediaType: MANIFEST_TYPE,
      config: config.descriptor,
      layers: descriptors,
      ...(options.annotations && { annotations: options.annotations }),
    }),
  );
  const manifest: Manifest = {
    digest: digestOfBytes(body),
    mediaType: MANIFEST_TYPE,
    body,
    config: config.descriptor,
    layers: descriptors,
  };
  for (const { tag } of tags) {
    await registry.put(manifest, tag);
    options.log.info(`Tagged ${tag}.`);
  }
  const published = [...new Set(layers)];
  const uploadedBytes = published.reduce((sum, { sentBytes }) => sum + sentBytes, config.sentBytes);
  const sent = published.filter(({ fate }) => fate === 'sent').map(({ descriptor }) => descriptor.digest);
  if (config.sentBytes > 0) sent.push(config.descriptor.digest);
  return { manifest, layers: published, sent: new Set(sent), uploadedBytes };
}

export interface PublishedConfig {
  readonly descriptor: Descriptor;
  readonly sentBytes: number;
}

export async function publishConfig(
  registry: RegistryClient,
  content: Buffer,
  options: UploadOptions & { readonly isNew?: boolean | undefined },
): Promise<PublishedConfig> {
  const digest = digestOfBytes(content);
  const descriptor = { mediaType: CONFIG_TYPE, digest, size: content.length };
  const isThere = !options.isNew && (await hasBlob(registry, digest, options.signal));
  if (isThere) return { descriptor, sentBytes: 0 };
  const source = {
    name: 'The configuration',
    size: content.length,
    digest: () => digest,
    open: (start: number) => Readable.from([content.subarray(start)], { objectMode: false }),
  };
  return { descriptor, sentBytes: await upload(registry, source, options) };
}
