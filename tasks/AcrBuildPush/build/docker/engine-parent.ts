import { TemporaryFolder } from '../../../common/files/temporary-folder';
import type { Logger } from '../../../common/log';
import { formatDuration } from '../../../common/text';
import { describeImage, type EngineImage } from '../../docker/engine';
import { copyImage } from '../../docker/image-copy';
import { checkIsWorthReading } from '../../docker/worth-reading';
import type { Layer, ParentImage } from '../../image/image';
import { readConfig } from '../../image/manifest';
import type { RegistryClient } from '../../registry/client';
import type { EarlierImages } from '../../registry/earlier-images';
import type { KnownLayers } from '../../registry/known-layers';
import { remoteLayer } from '../../registry/pull';
import { findNotedImage } from '../noted-image';

export interface EngineParentOptions {
  readonly registry: RegistryClient;
  readonly earlier: EarlierImages;
  /** Layers that the registry has. */
  readonly known: KnownLayers;
  /** A private folder, which layers pass through. */
  readonly tempFolder: string;
  /** Told of a name that the image gets in the engine for a while. */
  readonly onName?: ((name: string) => void) | undefined;
  /** The most bytes that come on top of it. */
  readonly more: number;
  readonly log: Logger;
  readonly signal: AbortSignal;
}

/** An image of an engine to build on. */
export interface EngineParent {
  readonly image: ParentImage;
  /** Removes what was kept of it here. */
  close(): Promise<void>;
}

/**
 * Takes an image over from an engine, to build on it. Where an earlier image in the registry was built on the same, it
 * need not be read.
 *
 * @throws UnreadableImageError when the engine can't give it, the disk can't hold it, or docker had better push it all
 */
export async function readEngineParent(
  built: EngineImage,
  options: EngineParentOptions,
): Promise<EngineParent> {
  const { docker, id } = built;
  const { registry, known, log, signal } = options;
  const noted = findNotedImage(await options.earlier.all(), id);
  const stored = noted && layersInRegistry(noted.rootfs.diff_ids, known, registry);
  if (noted && stored) {
    log.info('The registry has what the engine built: an earlier image was built on the same.');
    return { image: { engineId: id, config: noted, layers: stored }, close: async () => undefined };
  }

  const facts = await describeImage(docker, id);
  await checkIsWorthReading(built, facts, options.tempFolder, options.more);
  const { diffIds, size } = facts;
  const folder = new TemporaryFolder(options.tempFolder, 'layers-');
  const layers = new Map<string, Layer>();
  const start = performance.now();
  try {
    const copy = await copyImage(docker, {
      id,
      diffIds,
      size,
      isPart: true,
      folder: folder.path,
      host: registry.host,
      repository: registry.repository,
      log,
      signal,
      onName: options.onName,
      isWanted: () => true,
      onLayer: (layer) => layers.set(layer.diffId, layer),
    });
    log.info(
      `The engine gave what it built in ${formatDuration(performance.now() - start)}, by ${copy.command}.`,
    );
    // It was found to be one when it arrived.
    const config = readConfig(copy.config)!;
    const image = { engineId: id, config, layers: diffIds.map((diffId) => layers.get(diffId)!) };
    return { image, close: () => copy.close().finally(folder.remove) };
  } catch (error) {
    folder.remove();
    throw error;
  }
}

/** Layers as they lie in the registry; undefined where it lacks one of them. */
function layersInRegistry(
  diffIds: readonly string[],
  known: KnownLayers,
  registry: RegistryClient,
): Layer[] | undefined {
  const layers = diffIds.flatMap((diffId) => {
    const place = known.get(diffId);
    if (!place) return [];
    const isOwn = place.repository === registry.repository;
    return remoteLayer(isOwn ? registry : registry.sibling(place.repository), place.descriptor, diffId);
  });
  return layers.length === diffIds.length ? layers : undefined;
}
