import { TaskError } from '../../common/errors';
import type { Logger } from '../../common/log';
import type { Manifest } from '../image/image';
import type { RegistryClient } from '../registry/client';
import { lockTag } from '../registry/locks';
import type { Uploads } from '../registry/upload';
import { lastingTags, type PlannedTag } from '../tags';

/** Where an image goes. */
export interface Destination {
  readonly registry: RegistryClient;
  /** Those to the registry. */
  readonly uploads: Uploads;
  /** `<login server>/<repository>`. */
  readonly name: string;
  /** In the order of publishing. None: the registry has all that was asked for. */
  readonly tags: readonly PlannedTag[];
}

/** An image in the registry. */
export interface PublishedImage {
  readonly manifest: Manifest;
  /** The blobs that were sent, by digest; undefined where that is not known. */
  readonly sent: ReadonlySet<string> | undefined;
}

/** Sets the tags to a manifest, in order. */
export async function setTags(
  manifest: Manifest,
  tags: readonly PlannedTag[],
  registry: RegistryClient,
  log: Logger,
): Promise<void> {
  for (const { tag } of tags) {
    await registry.put(manifest, tag);
    log.info(`Tagged ${tag}.`);
  }
}

/** Reads every tag back from the registry: a push that reports success is not proof enough. */
export async function verifyTags({ registry, name, tags }: Destination, manifest: Manifest): Promise<void> {
  const digests = await Promise.all(tags.map(({ tag }) => registry.digestOf(tag)));
  for (const [index, digest] of digests.entries()) {
    if (digest === manifest.digest) continue;
    throw new TaskError(
      `${name}:${tags[index]!.tag} was set to ${manifest.digest}, but now is ${digest ?? 'gone'}. Another run may have pushed the same tag: run the step again, one run at a time.`,
    );
  }
}

/** Locks the tags that are not meant to move. */
export async function lockTags({ registry, tags }: Destination, log: Logger): Promise<void> {
  for (const tag of lastingTags(tags)) {
    await lockTag(registry, tag);
    log.info(`Locked ${tag}.`);
  }
}
