import type { Logger } from '../../common/log';
import { formatBytes, formatDuration } from '../../common/text';
import type { LayerPackages } from '../bill-of-materials/layer-packages';
import type { CompressionChoice } from '../build-plan';
import type { Descriptor, Layer, LocalLayer } from '../image/image';
import { asOci, OCI_LAYER } from '../image/media-types';
import type { KnownLayer, KnownLayers } from '../registry/known-layers';
import type { BlobSource, UploadOptions } from '../registry/send-blob';
import type { StartedUpload, Uploads } from '../registry/upload';
import type { FormChooser, FormKind } from './compression';
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
  /** Decides for all layers of the image. */
  readonly forms: FormChooser;
  /** Milliseconds since some time, by which speeds are measured. */
  readonly now?: () => number;
  readonly known: KnownLayers;
  /** Takes in what layers tell of packages: those that are read here, and those that pass by. */
  readonly packages?: LayerPackages | undefined;
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
  const isHere = layer.kind === 'local' || layer.isHere;
  const [published] = await Promise.all([
    findOrSend(place, layer, name, options),
    isHere ? options.packages?.read(layer, options.signal) : undefined,
  ]);
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
  const { blob, mediaType, sentBytes, remark } = await sendLayer(place, layer, name, options);
  const size = blob.size!;
  const time = formatDuration(performance.now() - start);
  options.log.info(`${name} was sent in ${time}: ${blob.digest()}, ${formatBytes(size)}${remark}`);
  const descriptor = { mediaType, digest: blob.digest(), size };
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

interface SentLayer {
  readonly blob: BlobSource;
  readonly mediaType: string;
  readonly sentBytes: number;
  /** Ends the line in the log. */
  readonly remark: string;
}

async function sendLayer(
  { uploads }: Place,
  layer: Layer,
  name: string,
  options: LayerOptions,
): Promise<SentLayer> {
  if (layer.kind === 'remote') {
    const { digest, size, mediaType } = ociDescriptor(layer.descriptor);
    const blob = { name, size, digest: () => digest, open: (start: number) => layer.open(start) };
    return { blob, mediaType, sentBytes: await uploads.send(blob, options), remark: '' };
  }
  const { blob, kind, reason, sentBytes } = await sendInForm(uploads, layer, name, options);
  const [mediaType, how] =
    kind === 'plain'
      ? [OCI_LAYER, 'uncompressed']
      : [`${OCI_LAYER}+gzip`, `by gzip from ${formatBytes(layer.size)}`];
  return { blob, mediaType, sentBytes, remark: `, ${how}${reason && ` (${reason})`}` };
}

/** Sends a layer in the form that is chosen for it; what was sent of the other one for that is dropped. */
async function sendInForm(uploads: Uploads, layer: LocalLayer, name: string, options: LayerOptions) {
  const { forms, signal, now } = options;
  const blobs = { plain: plain(layer, name), gzip: new GzippedLayer(name, layer) };
  const started = new Map<FormKind, StartedUpload>();
  const { kind, reason } = await forms.choose(layer, {
    compressHead: () => blobs.gzip.head(now),
    async start(form, head) {
      const upload = await uploads.start(head, signal, now);
      started.set(form, upload);
      return upload.line;
    },
  });
  const goesOn = started.get(kind);
  const others = [...started.values()].filter((upload) => upload !== goesOn);
  for (const upload of others) uploads.drop(upload);
  const sent = await uploads.send(blobs[kind], options, goesOn);
  const sentBytes = others.reduce((sum, upload) => sum + upload.sentBytes, sent);
  return { blob: blobs[kind], kind, reason, sentBytes };
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
