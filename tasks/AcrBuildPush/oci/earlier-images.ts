import type { RegistryClient } from '../acr/registry';
import type { ImageConfig } from './image';

/**
 * The configurations of the images that a repository has under some tags, or `latest`. An image that is not there or
 * can't be read is passed over: knowing it only spares work.
 */
export async function earlierImages(
  registry: RegistryClient,
  tags: readonly string[],
): Promise<readonly ImageConfig[]> {
  const read = async (tag: string): Promise<ImageConfig[]> => {
    const { config } = await registry.manifest(tag);
    return config ? [JSON.parse((await registry.blob(config.digest)).toString('utf8'))] : [];
  };
  const found = await Promise.allSettled([...new Set([...tags, 'latest'])].map(read));
  return found.flatMap((one) => (one.status === 'fulfilled' ? one.value : []));
}
