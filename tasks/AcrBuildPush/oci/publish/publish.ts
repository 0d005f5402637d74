import { Readable } from 'node:stream';
import { digestOfBytes, type Manifest, type RegistryClient } from '../../acr/registry';
import type { Destination } from '../../publish';
import type { Descriptor, OciImage } from '../image';
import { type LayerOptions, type PublishedLayer, publishLayer } from './layers';
import { hasBlob, type UploadOptions, upload } from './upload';

export interface PublishOptions extends LayerOptions {
  /** Of the manifest. */
  readonly annotations?: Readonly<Record<string, string>>;
  /** Layers that are sent at once. */
  readonly lanes?: number;
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

/** More do not fill a line any better, and each holds memory. */
const DEFAULT_LANES = 4;

/**
 * Publishes an image without an engine: layers and configuration side by side, then its manifest by digest, and last
 * its tags, in order. So no tag ever names an image that is not whole.
 *
 * @throws TaskError when the registry refuses, or can't be reached
 */
export async function publishImage(
  image: OciImage,
  destination: Destination,
  options: PublishOptions,
): Promise<PublishedImage> {
  const { registry, tags } = destination;
  // An image may have the same layer twice.
  const layers = [...new Map(image.layers.map((layer) => [layer.diffId, layer])).values()];
  const failed = new AbortController();
  const signal = AbortSignal.any([options.signal, failed.signal]);
  const published: PublishedLayer[] = [];
  const configDigest = digestOfBytes(image.config);
  const config = { mediaType: CONFIG_TYPE, digest: configDigest, size: image.config.length };
  let configBytes = 0;
  await inLanes(options.lanes ?? DEFAULT_LANES, failed, [
    async () => {
      configBytes = await publishConfig(registry, image.config, config, { ...options, signal });
    },
    ...layers.map((layer, index) => async () => {
      const name = `Layer ${index + 1} of ${layers.length}`;
      published[index] = await publishLayer(registry, layer, name, { ...options, signal });
    }),
  ]);
  const byDiffId = new Map(published.map((layer) => [layer.diffId, layer.descriptor]));
  const descriptors = image.layers.map(({ diffId }) => byDiffId.get(diffId)!);

  const body = Buffer.from(
    JSON.stringify({
      schemaVersion: 2,
      mediaType: MANIFEST_TYPE,
      config,
      layers: descriptors,
      ...(options.annotations && { annotations: options.annotations }),
    }),
  );
  const manifest: Manifest = {
    digest: digestOfBytes(body),
    mediaType: MANIFEST_TYPE,
    body,
    config,
    layers: descriptors,
  };
  await registry.put(manifest, manifest.digest);
  for (const { tag } of tags) {
    await registry.put(manifest, tag);
    options.log.info(`Tagged ${tag}.`);
  }
  const uploadedBytes = published.reduce((sum, { sentBytes }) => sum + sentBytes, configBytes);
  const sent = published.filter(({ fate }) => fate === 'sent').map(({ descriptor }) => descriptor.digest);
  if (configBytes > 0) sent.push(config.digest);
  return { manifest, layers: published, sent: new Set(sent), uploadedBytes };
}

/** @returns the bytes that were sent */
async function publishConfig(
  registry: RegistryClient,
  content: Buffer,
  { digest, size }: Descriptor,
  options: UploadOptions,
): Promise<number> {
  if (await hasBlob(registry, digest, options.signal)) return 0;
  const source = {
    name: 'The configuration',
    size,
    digest: () => digest,
    open: (start: number) => Readable.from([content.subarray(start)], { objectMode: false }),
  };
  return upload(registry, source, options);
}

/** Does several things, so many at once. The first failure ends the others, and is the one that is thrown. */
async function inLanes(
  lanes: number,
  failed: AbortController,
  work: readonly (() => Promise<void>)[],
): Promise<void> {
  const queue = work.values();
  let firstError: unknown;
  const lane = async () => {
    for (const one of queue) {
      if (failed.signal.aborted) return;
      try {
        await one();
      } catch (error) {
        if (!failed.signal.aborted) firstError = error;
        failed.abort();
      }
    }
  };
  await Promise.all(Array.from({ length: Math.min(lanes, work.length) }, lane));
  if (failed.signal.aborted) throw firstError;
}
