import { TaskError } from '../../common/errors';
import { TemporaryFolder } from '../../common/files/temporary-folder';
import { Lanes } from '../../common/lanes';
import type { Logger } from '../../common/log';
import { formatDuration } from '../../common/text';
import type { LayerPackages } from '../bill-of-materials/layer-packages';
import type { CompressionChoice } from '../build-plan';
import { describeImage, type EngineImage, type ImageFacts } from '../docker/engine';
import { type EngineCopyRequest, withImageCopy } from '../docker/image-copy';
import { checkIsWorthReading } from '../docker/worth-reading';
import { readConfig } from '../image/manifest';
import type { RegistryClient } from '../registry/client';
import type { KnownLayers } from '../registry/known-layers';
import { FormChooser } from './compression';
import type { Place } from './destination';
import { findLayer, type PublishedLayer, publishLayer } from './layers';
import { type PublishedConfig, publishConfig, publishManifest, type SentImage } from './publish-image';

export interface EnginePublishOptions {
  readonly log: Logger;
  readonly signal: AbortSignal;
  readonly compression: CompressionChoice;
  readonly annotations: Readonly<Record<string, string>>;
  /** Layers that the registry has. */
  readonly known: KnownLayers;
  /** Takes in what layers that are read out of the engine tell of packages. */
  readonly packages?: LayerPackages | undefined;
  readonly onPublished?: (layer: PublishedLayer) => void;
  /** A private folder, which layers pass through. */
  readonly tempFolder: string;
  /** Told of a name that the image gets in its engine for a while. */
  readonly onName?: ((name: string) => void) | undefined;
}

/**
 * Publishes an image that an engine holds without `docker push`, which compresses on one core, and sends again what it
 * does not remember to have sent. Layers that the registry has stay where they are; the others are read out of the
 * engine, each while it is being sent. The image's id stays the same.
 *
 * @throws UnreadableImageError when docker had better push it; the message says why
 */
export async function publishEngineImage(
  image: EngineImage,
  place: Place,
  options: EnginePublishOptions,
): Promise<SentImage> {
  const { docker, id } = image;
  const { registry } = place;
  const facts = await describeImage(docker, id);
  await checkIsWorthReading(image, facts, options.tempFolder);
  const names = nameLayers(facts);
  const found = await findLayers(place, names, options);
  if (found.size === names.size) {
    const content = await configInRegistry(registry, id, facts);
    const config = content && (await publishConfig(place, content, options));
    if (config) return publishManifest(config, inOrder(facts, found), place, options);
  }
  const { config, layers } = await sendMissing(image, facts, found, place, options);
  return publishManifest(config, inOrder(facts, layers), place, options);
}

type Layers = ReadonlyMap<string, PublishedLayer>;

/** What messages call the layers, by their diff ids. */
function nameLayers({ diffIds }: ImageFacts): ReadonlyMap<string, string> {
  const unique = [...new Set(diffIds)];
  return new Map(unique.map((diffId, index) => [diffId, `Layer ${index + 1} of ${unique.length}`]));
}

function inOrder({ diffIds }: ImageFacts, layers: Layers): PublishedLayer[] {
  return diffIds.map((diffId) => layers.get(diffId)!);
}

/** Looks for the layers that the registry should have. */
async function findLayers(
  destination: Place,
  names: ReadonlyMap<string, string>,
  options: EnginePublishOptions,
): Promise<Layers> {
  const searches = [...names].map(async ([diffId, name]) => {
    const place = options.known.get(diffId);
    return place && findLayer(destination, diffId, name, [place], options);
  });
  const found = (await Promise.all(searches)).filter((layer) => layer !== undefined);
  return new Map(found.map((layer) => [layer.diffId, layer]));
}

/** The configuration of an image, where the registry has it; some engines call an image by the digest of its manifest. */
async function configInRegistry(
  registry: RegistryClient,
  id: string,
  { diffIds }: ImageFacts,
): Promise<Buffer | undefined> {
  try {
    const content = await registry.blob(id);
    return readConfig(content)?.rootfs.diff_ids.join() === diffIds.join() ? content : undefined;
  } catch (error) {
    if (error instanceof TaskError) return undefined;
    throw error;
  }
}

/** Reads an image out of the engine, and sends what was not found in the registry. */
async function sendMissing(
  { docker, id }: EngineImage,
  facts: ImageFacts,
  found: Layers,
  place: Place,
  options: EnginePublishOptions,
): Promise<{ config: PublishedConfig; layers: Layers }> {
  const { host, repository } = place.registry;
  const { diffIds, size } = facts;
  const names = nameLayers(facts);
  const blobs = new Set([...found.values()].map(({ descriptor }) => descriptor.digest));
  const start = performance.now();
  const folder = new TemporaryFolder(options.tempFolder, 'layers-');
  const lanes = new Lanes(options.signal);
  const forms = new FormChooser(options.compression);
  const uploads: Promise<PublishedLayer>[] = [];
  const request: EngineCopyRequest = {
    id,
    diffIds,
    size,
    isPart: false,
    log: options.log,
    onName: options.onName,
    folder: folder.path,
    host,
    repository,
    signal: lanes.signal,
    isWanted: (digest) => !found.has(digest) && !blobs.has(digest),
    onLayer(layer) {
      const name = names.get(layer.diffId)!;
      const settings = { ...options, forms, known: new Map() };
      uploads.push(lanes.run((signal) => publishLayer(place, layer, name, { ...settings, signal })));
    },
  };
  try {
    return await withImageCopy(docker, request, async ({ config: content, command }) => {
      const time = formatDuration(performance.now() - start);
      options.log.info(`The engine gave the image in ${time}, by ${command}.`);
      const config = await lanes.run((signal) => publishConfig(place, content, { ...options, signal }));
      const sent = await Promise.all(uploads);
      return { config, layers: new Map([...found, ...sent.map((layer) => [layer.diffId, layer] as const)]) };
    });
  } catch (error) {
    throw await lanes.firstError(error);
  } finally {
    folder.remove();
  }
}
