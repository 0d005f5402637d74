import type { BaseImage, Descriptor } from '../image/image';
import { apiHostOf, parseImageName, referenceOf } from '../image/image-name';
import type { RegistryClient } from './client';
import { type EarlierImage, type EarlierImages, readImages } from './earlier-images';

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

/**
 * The layers of earlier images, and of the base image where it lies in the same registry.
 *
 * @param base where the builder does not know its layers
 */
export async function findKnownLayers(
  registry: RegistryClient,
  earlier: EarlierImages,
  base: BaseImage | undefined,
): Promise<KnownLayers> {
  const images = await Promise.all([earlier.all(), base ? readBase(registry, base) : []]);
  return layersOf(images.flat());
}

async function readBase(registry: RegistryClient, { name, digest }: BaseImage): Promise<EarlierImage[]> {
  const image = parseImageName(name);
  if (apiHostOf(image.registry) !== registry.host) return [];
  const source = registry.sibling(image.repository);
  const pinned = digest === undefined ? [] : await readImages(source, digest);
  // With containerd's store, an engine has a digest for what was built in it as well, which no registry knows.
  return pinned.length > 0 ? pinned : readImages(source, referenceOf(image));
}
