import { ensureBaseImage, type LayerOptions, makeRuntimeImage } from './base-image';
import type { Engine } from './engine';

/** What the Dockerfile of the model API asks for. */
const BASE_IMAGE = 'python:3.12-slim';

/**
 * Has something that the API's image can be built on: a base image where an engine installs the packages, and else one
 * that has them already.
 *
 * @returns the variables of the pipelines that name it
 */
export async function provideApiBase(
  engine: Engine | { readonly missing: string },
  options: LayerOptions,
): Promise<Record<string, string>> {
  if ('missing' in engine) {
    options.log(`No Docker engine: ${engine.missing}.`);
    return { 'runtime-image': await makeRuntimeImage(options) };
  }
  return { 'base-image': (await ensureBaseImage({ ...options, reference: BASE_IMAGE })).image };
}
