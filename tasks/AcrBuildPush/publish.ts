import { TaskError } from '../common/errors';
import type { Logger } from '../common/log';
import type { Manifest, RegistryClient } from './acr/registry';
import type { LocalImage } from './docker/build';
import type { DockerCli } from './docker/cli';
import { pushWithDocker } from './docker/push';

/** Where an image goes. */
export interface Destination {
  readonly registry: RegistryClient;
  /** `<login server>/<repository>`. */
  readonly name: string;
  /** In the order of publishing. None: the registry has all that was asked for. */
  readonly tags: readonly string[];
}

/**
 * Pushes an image from the engine under its first tag, and gives it the others by one request each.
 *
 * @returns the image's manifest as the registry holds it
 */
export async function publishWithDocker(
  docker: DockerCli,
  image: LocalImage,
  { registry, name, tags }: Destination,
  options: { log: Logger; signal: AbortSignal },
): Promise<Manifest> {
  const [firstTag, ...furtherTags] = tags as [string, ...string[]];
  const digest = await pushWithDocker(docker, { reference: `${name}:${firstTag}`, registry }, options);
  const manifest = await registry.manifest(digest ?? firstTag);
  // Engines differ in what they call an image's id: the digest of its configuration, or of its manifest.
  if (image.id !== manifest.config?.digest && image.id !== manifest.digest) {
    throw new TaskError(
      `${name}:${firstTag} is another image in the registry than the one that was built (${image.id}). Another run may have pushed at the same time: run the step again.`,
    );
  }
  for (const tag of furtherTags) {
    await registry.tag(manifest, tag);
    options.log.info(`Tagged ${tag}.`);
  }
  return manifest;
}

/** Reads every tag back from the registry: a push that reports success is not proof enough. */
export async function verifyTags({ registry, name, tags }: Destination, manifest: Manifest): Promise<void> {
  const digests = await Promise.all(tags.map((tag) => registry.digestOf(tag)));
  for (const [index, digest] of digests.entries()) {
    if (digest === manifest.digest) continue;
    throw new TaskError(
      `${name}:${tags[index]} was set to ${manifest.digest}, but now is ${digest ?? 'gone'}. Another run may have pushed the same tag: run the step again, one run at a time.`,
    );
  }
}
