import type { ImageConfig, Platform, RemoteLayer } from './image';

/** An image in a registry: what it says of itself, and its layers, which stay where they are. */
export interface PulledImage {
  readonly config: ImageConfig;
  /** From the bottom up. */
  readonly layers: readonly RemoteLayer[];
}

/**
 * Looks up an image by the name that a Dockerfile gives it.
 *
 * @throws TaskError when there is none for the platform, or it can't be read
 */
export type Pull = (image: string, platform: Platform) => Promise<PulledImage>;
