import { pullImage, startContainer } from '../engine/engine';
import type { RegistryLogin } from '../engine/registry-client';
import type { ImageRunner } from './places';

/** Runs images of a registry in the Docker engine. */
export function engineRunner(registry: RegistryLogin, signal: AbortSignal): ImageRunner {
  return {
    start: async (image, args) => {
      await pullImage(image, registry, signal);
      return startContainer(image, args, signal);
    },
  };
}
