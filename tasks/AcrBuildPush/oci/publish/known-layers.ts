import { TaskError } from '../../../common/errors';
import type { RegistryClient } from '../../acr/registry';
import type { Descriptor, ImageConfig, Platform } from '../image';

/** Where the content of a layer lies in a registry already. */
export interface KnownLayer {
  readonly descriptor: Descriptor;
  readonly repository: string;
}

/** By diff id: the digest of the uncompressed content, which is the same however a registry stores it. */
export type KnownLayers = ReadonlyMap<string, KnownLayer>;

/**
 * The layers of an image in the registry; of an index, those of all its images. Empty when there is no such image, or
 * when it can't be read: knowing a layer only spares work.
 */
export async function layersOf(registry: RegistryClient, reference: string): Promise<KnownLayers> {
  try {
    const { config, layers, body } = await registry.manifest(reference);
    if (!config) return await layersOfIndex(registry, body);
    const { rootfs } = JSON.parse((await registry.blob(config.digest)).toString('utf8')) as ImageConfig;
    if (rootfs.diff_ids.length !== layers.length) return new Map();
    const { repository } = registry;
    return new Map(layers.map((descriptor, index) => [rootfs.diff_ids[index]!, { descriptor, repository }]));
  } catch (error) {
    if (error instanceof TaskError || error instanceof SyntaxError || error instanceof TypeError)
      return new Map();
    throw error;
  }
}

async function layersOfIndex(registry: RegistryClient, body: Buffer): Promise<KnownLayers> {
  const { manifests } = JSON.parse(body.toString('utf8')) as { manifests: (Descriptor & Partial<Entry>)[] };
  // Attestations are of no platform.
  const images = manifests.filter(({ platform }) => platform?.os !== 'unknown');
  return layersOfAll(images.map(({ digest }) => layersOf(registry, digest)));
}

interface Entry {
  readonly platform: Platform;
}

/** Of a layer that lies in several places, the first one counts. */
export async function layersOfAll(images: readonly Promise<KnownLayers>[]): Promise<KnownLayers> {
  const layers = (await Promise.all(images)).flatMap((image) => [...image]);
  return new Map(layers.reverse());
}
