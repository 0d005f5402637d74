import { TaskError } from '../../../common/errors';
import type { RegistryClient } from '../../acr/registry';
import type { Descriptor, ImageConfig } from '../image';

/** Where the content of a layer lies in a registry already. */
export interface KnownLayer {
  readonly descriptor: Descriptor;
  readonly repository: string;
}

/** By diff id: the digest of the uncompressed content, which is the same however a registry stores it. */
export type KnownLayers = ReadonlyMap<string, KnownLayer>;

/**
 * The layers of an image in the registry. Empty when there is no such image, when it is an index of several, or when
 * it can't be read: knowing a layer only spares work.
 */
export async function layersOf(registry: RegistryClient, reference: string): Promise<KnownLayers> {
  try {
    const { config, layers } = await registry.manifest(reference);
    if (!config) return new Map();
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
