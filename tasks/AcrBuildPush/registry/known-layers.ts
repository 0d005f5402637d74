import type { Descriptor } from '../image/image';
import type { EarlierImage } from './earlier-images';

/** Where the content of a layer lies in a registry already. */
export interface KnownLayer {
  readonly descriptor: Descriptor;
  readonly repository: string;
}

/** By diff id: the digest of the uncompressed content, which is the same however a registry stores it. */
export type KnownLayers = ReadonlyMap<string, KnownLayer>;

/** The layers of images in the registry. Of one that lies in several places, the first counts. */
export function layersOf(images: readonly EarlierImage[]): KnownLayers {
  const places = images.flatMap(({ repository, config, layers }) =>
    layers.map((descriptor, index) => [config.rootfs.diff_ids[index]!, { descriptor, repository }] as const),
  );
  return new Map(places.reverse());
}
