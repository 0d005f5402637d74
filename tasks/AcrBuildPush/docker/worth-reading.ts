import { statfsSync } from 'node:fs';
import { formatBytes } from '../../common/text';
import { type EngineImage, type ImageFacts, sizeOfInstructions, UnreadableImageError } from './engine';

/** Reading an image of this many bytes takes no longer than a second or so, whatever there is in it. */
const SMALL = 100_000_000;

/**
 * Where less of an image than this was built on its base image, docker is quicker: it has to compress what was built,
 * at a twentieth to a sixth of the speed at which an engine gives out the whole image, but need not read the rest.
 */
const WORTH_READING = 0.1;

/**
 * Makes sure that it is possible and worth the time to take an image out of its engine.
 *
 * @param folder which the image would pass through
 * @param more bytes that come on top of the image, which docker would have to compress as well
 * @throws UnreadableImageError where docker had better push; the message says why
 */
export async function checkIsWorthReading(
  { docker, id, ownInstructions }: EngineImage,
  { os, size }: ImageFacts,
  folder: string,
  more = 0,
): Promise<void> {
  if (os === 'windows') {
    throw new UnreadableImageError(
      'Layers of Windows may not be copied to any registry, which docker sees to.',
    );
  }
  if (size <= SMALL) return;
  // The engine makes a copy first, often on the same disk.
  const { bavail, bsize } = statfsSync(folder);
  if (bavail * bsize < 2 * size) {
    throw new UnreadableImageError(
      `The disk has only ${formatBytes(bavail * bsize)} left, and the image of ${formatBytes(size)} would pass through it.`,
    );
  }
  const built = (await sizeOfInstructions(docker, id, ownInstructions)) + more;
  if (built < size * WORTH_READING) {
    throw new UnreadableImageError(
      `Only ${formatBytes(built)} of the image's ${formatBytes(size + more)} were built on its base image, and docker need not read the rest.`,
    );
  }
}
