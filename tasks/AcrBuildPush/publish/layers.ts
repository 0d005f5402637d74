import type { Logger } from '../../common/log';
import { formatBytes, formatDuration } from '../../common/text';
import type { CompressionChoice } from '../build-plan';
import type { Descriptor, Layer, LocalLayer } from '../image/image';
import { asOci, OCI_LAYER } from '../image/media-types';
import type { KnownLayer, KnownLayers } from '../registry/known-layers';
import type { BlobSource, UploadOptions } from '../registry/upload';
import { chooseLevels } from './compression';
import type { Place } from './destination';
import { GzippedLayer } from './gzip';

/** What became of a layer: its bytes were sent, or it was there, or was taken from another repository. */
export type LayerFate = 'sent' | 'there' | 'mounted';

export interface PublishedLayer {
  readonly diffId: string;
  readonly descriptor: Descriptor;
  readonly fate: LayerFate;
  /** With those that were sent twice. */
  readonly sentBytes: number;
}

export interface LayerOptions extends UploadOptions {
  readonly log: Logger;
  readonly compression: CompressionChoice;
  readonly known: KnownLayers;
  /** Told of each layer that the repository has now. */
  readonly onPublished?: (layer: PublishedLayer) => void;
}

/** Brings a layer into the repository by the cheapest way there is: it is there, is mounted, or is sent. */
export async function publishLayer(
  place: Place,
  layer: Layer,
  name: string,
  options: LayerOptions,
): Promise<PublishedLayer> {
  const published = await findOrSend(place, layer, name, options);
  options.onPublished?.(published);
  return published;
}

async function findOrSend(
  place: Place,
  layer: Layer,
  name: string,
  options: LayerOptions,
): Promise<PublishedLayer> {
  const start = performance.now();
  const found = await findLayer(place, layer.diffId, name, placesOf(place, layer, options), options);
  if (found) return found;
  const { source, mediaType, remark } = await prepare(layer, name, options);
  const sentBytes = await place.uploads.send(source, options);
  const size = source.size!;
  const time = formatDuration(performance.now() - start);
  options.log.info(`${name} was sent in ${time}: ${source.digest()}, ${formatBytes(size)}${remark()}`);
  const descriptor = { mediaType, digest: source.digest(), size };
  return { diffId: layer.diffId, descriptor, fate: 'sent', sentBytes };
}

/** Where a layer may lie already. */
function placesOf(
  { registry }: Place,
  layer: Layer,
  { known, compression }: LayerOptions,
): readonly KnownLayer[] {
  const { repository } = registry;
  const places: KnownLayer[] = [];
  const remembered = known.get(layer.diffId);
  if (remembered) places.push(remembered);
  if (layer.kind === 'remote') {
    const from = layer.host === registry.host ? layer.repository : repository;
    places.push({ descriptor: layer.descriptor, repository: from });
  } else if (compression !== 'gzip') {
    // Stored as it is, its digest is its diff id.
    const descriptor = { mediaType: OCI_LAYER, digest: layer.diffId, size: layer.size };
    places.push({ descriptor, repository });
  }
  return places;
}

/**
 * Looks for a layer in the repository, and has it mounted from other repositories of the registry that have it.
 *
 * @returns undefined where it is in none of the places
 */
export async function findLayer(
  { registry, uploads }: Place,
  diffId: string,
  name: string,
  places: readonly KnownLayer[],
  { log, signal }: UploadOptions,
): Promise<PublishedLayer | undefined> {
  const found = (place: KnownLayer, fate: 'there' | 'mounted', how: string): PublishedLayer => {
    const descriptor = ociDescriptor(place.descriptor);
    log.info(`${name} ${how}: ${descriptor.digest}, ${formatBytes(descriptor.size)}`);
    return { diffId, descriptor, fate, sentBytes: 0 };
  };
  for (const place of places) {
    if (await registry.hasBlob(place.descriptor.digest, signal))
      return found(place, 'there', 'is there already');
  }
  for (const place of places) {
    if (place.repository === registry.repository) continue;
    const from = `was mounted from '${place.repository}'`;
    if (await uploads.mount(place.descriptor.digest, place.repository, signal))
      return found(place, 'mounted', from);
  }
  return undefined;
}

interface Prepared {
  readonly source: BlobSource;
  readonly mediaType: string;
  /** Ends the line in the log, when all is sent. */
  remark(): string;
}

async function prepare(layer: Layer, name: string, options: LayerOptions): Promise<Prepared> {
  if (layer.kind === 'remote') {
    const { digest, size, mediaType } = ociDescriptor(layer.descriptor);
    const source = { name, size, digest: () => digest, open: (start: number) => layer.open(start) };
    return { source, mediaType, remark: () => '' };
  }
  if (options.compression === 'none') {
    return { source: plain(layer, name), mediaType: OCI_LAYER, remark: () => ', uncompressed' };
  }
  const levels = await chooseLevels(options.compression, layer);
  const remark = () => {
    const reason = levels.reason();
    return `, by gzip from ${formatBytes(layer.size)}${reason && ` (${reason})`}`;
  };
  return { source: new GzippedLayer(name, layer, levels), mediaType: `${OCI_LAYER}+gzip`, remark };
}

function plain(layer: LocalLayer, name: string): BlobSource {
  return {
    name,
    size: layer.size,
    digest: () => layer.diffId,
    open: (start) => layer.open(start),
  };
}

/** A descriptor as the manifests of the open specification have it. */
function ociDescriptor({ mediaType, digest, size }: Descriptor): Descriptor {
  return { mediaType: asOci(mediaType) ?? mediaType, digest, size };
}
