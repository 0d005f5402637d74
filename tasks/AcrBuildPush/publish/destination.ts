import { sleep } from '../../common/cancel';
import { TaskError } from '../../common/errors';
import type { Logger } from '../../common/log';
import { Patience } from '../../common/retry';
import type { Manifest } from '../image/image';
import type { RegistryClient } from '../registry/client';
import type { EarlierImages } from '../registry/earlier-images';
import { MissingBlobError } from '../registry/errors';
import { lockTag as lockOneTag, readTagLock } from '../registry/locks';
import { registryNameOf } from '../registry/names';
import type { Uploads } from '../registry/upload';
import { decideTags, type ExistingTagPolicy, lastingTags, type PlannedTag } from '../tags';

/** Where the blobs of an image go. */
export interface Place {
  readonly registry: RegistryClient;
  /** Those to the registry. */
  readonly uploads: Uploads;
}

/** Where an image goes. */
export interface Destination extends Place {
  /** `<login server>/<repository>`. */
  readonly name: string;
  /** In the order of publishing. */
  readonly tags: readonly PlannedTag[];
  readonly ifTagExists: ExistingTagPolicy;
  /** What the tags named when the step began, where they named an image. */
  readonly before: ReadonlyMap<string, string>;
}

/** What is asked of a destination. */
export interface DestinationRequest extends Pick<Destination, 'name' | 'tags' | 'ifTagExists'> {
  readonly lockTag: boolean;
}

/** An image in the registry. */
export interface PublishedImage {
  readonly manifest: Manifest;
  /** The blobs that were sent, by digest; undefined where that is not known. */
  readonly sent: ReadonlySet<string> | undefined;
  /** What its builder has pushed by itself, before annotations; and the tag that it set to that, if any. */
  readonly pushed?: { readonly digest: string; readonly tag?: string };
}

/** Signs in, makes sure before the build that a push will be let in, and decides which tags to publish. */
export async function checkDestination(
  registry: RegistryClient,
  uploads: Uploads,
  earlier: EarlierImages,
  { name, tags, ifTagExists, lockTag }: DestinationRequest,
  log: Logger,
): Promise<Destination> {
  await registry.signIn();
  const [states] = await Promise.all([
    Promise.all(tags.map(({ tag }) => tagState(registry, earlier, tag))),
    uploads.check(),
  ]);
  if (lockTag && states.some(({ lock }) => lock === undefined)) {
    throw new TaskError(
      `${registry.host} has no locks for tags, which only Azure Container Registry has. Set input 'lockTag' to false.`,
    );
  }
  const existing = states.filter(({ digest }) => digest !== undefined);
  const { publish, conflicts } = decideTags(tags, new Set(existing.map(({ tag }) => tag)), ifTagExists);
  if (conflicts.length > 0) {
    throw new TaskError(
      `${conflicts.map((tag) => `${name}:${tag}`).join(' and ')} exists already, and input 'ifTagExists' is 'fail'. Nothing was built. Give a version that is new, or set 'ifTagExists' to 'overwrite' or 'skip'.`,
    );
  }
  const locked = existing.find(
    ({ tag, lock }) => lock === 'locked' && publish.some((one) => one.tag === tag),
  );
  if (locked) {
    throw new TaskError(
      `${name}:${locked.tag} exists and is locked, so it can't move to a new image. Nothing was built. Give a version that is new, set input 'ifTagExists' to 'skip', or unlock it: az acr repository update -n ${registryNameOf(registry.host) ?? '<registry>'} --image ${registry.repository}:${locked.tag} --write-enabled true --delete-enabled true.`,
    );
  }
  for (const { tag, digest, lock } of existing) {
    const fate = publish.some((one) => one.tag === tag) ? 'will move to the new image' : 'stays as it is';
    log.info(`Tag ${tag} exists${lock === 'locked' ? ', is locked,' : ''} and ${fate}: ${digest}`);
  }
  const before = new Map(existing.map(({ tag, digest }) => [tag, digest!]));
  return { registry, uploads, name, tags: publish, ifTagExists, before };
}

/** What the registry has under a tag, and whether it is locked. */
async function tagState(registry: RegistryClient, earlier: EarlierImages, tag: string) {
  const [manifest, lock] = await Promise.all([earlier.manifest(tag), readTagLock(registry, tag)]);
  return { tag, digest: manifest?.digest, lock };
}

/** What waits go by. */
export interface TagOptions {
  readonly log: Logger;
  readonly signal: AbortSignal;
  readonly sleep?: typeof sleep | undefined;
}

/**
 * Sets the tags to a manifest that the registry has, in order. Under `skip` and `fail` it is looked first whether
 * somebody has set one of them since the step began: a build takes its time.
 *
 * @returns the tags that were set; none where `skip` leaves all as they are
 * @throws TaskError where `fail` forbids it
 */
export async function setTags(
  { manifest, pushed }: PublishedImage,
  destination: Destination,
  options: TagOptions,
): Promise<readonly PlannedTag[]> {
  const { registry } = destination;
  const own = new Set([manifest.digest, ...(pushed ? [pushed.digest] : [])]);
  const tags = await lookAgain(destination, own, options.log);
  const isSet = ({ tag }: PlannedTag) => tag === pushed?.tag && manifest.digest === pushed.digest;
  for (const { tag } of tags.filter((one) => !isSet(one))) {
    await putManifest(registry, manifest, tag, options);
    options.log.info(`Tagged ${tag}.`);
  }
  return tags;
}

/**
 * The tags that may still be set: under `skip` and `fail`, another run may have set one since the step began.
 *
 * @param own digests of the step's own image
 * @throws TaskError where `fail` forbids to go on
 */
export async function lookAgain(
  destination: Destination,
  own: ReadonlySet<string>,
  log: Logger,
): Promise<readonly PlannedTag[]> {
  const { name, tags, ifTagExists } = destination;
  if (ifTagExists === 'overwrite') return tags;
  const { publish, keep, conflicts } = decideTags(tags, await setMeanwhile(destination, own), ifTagExists);
  if (conflicts.length > 0) {
    const taken = conflicts.map((tag) => `${name}:${tag}`).join(' and ');
    throw new TaskError(
      `Somebody has set ${taken} while this step built its image, and input 'ifTagExists' is 'fail'. This step has set no tag. Give a version that is new.`,
    );
  }
  for (const tag of keep) log.info(`Somebody has set ${tag} meanwhile. It stays as it is.`);
  return publish;
}

/** The tags that must not move, and that another image has got since the step began. */
async function setMeanwhile({ registry, tags }: Destination, own: ReadonlySet<string>): Promise<Set<string>> {
  const lasting = lastingTags(tags);
  const now = await Promise.all(lasting.map((tag) => registry.digestOf(tag)));
  return new Set(lasting.filter((_, index) => now[index] !== undefined && !own.has(now[index])));
}

/** Milliseconds for which a registry may not know what it has taken in: its copies in other regions come later. */
const REPLICATION_LIMIT = 60_000;

/**
 * Sets a tag, or stores a manifest by its digest, once the registry knows all its blobs where it is asked.
 *
 * @returns whether the registry lists it among the referrers of its subject, where it has one
 */
export async function putManifest(
  registry: RegistryClient,
  manifest: Manifest,
  reference: string,
  options: TagOptions,
): Promise<boolean> {
  const patience = new Patience({ forMilliseconds: REPLICATION_LIMIT });
  for (;;) {
    try {
      return await registry.put(manifest, reference);
    } catch (error) {
      const wait = error instanceof MissingBlobError ? patience.next(0) : undefined;
      if (wait === undefined) throw error;
      if (patience.failures === 1) options.log.info(`${(error as Error).message} Trying again.`);
      await (options.sleep ?? sleep)(wait, options.signal);
    }
  }
}

/**
 * Reads every tag back from the registry, or where there is none, the image: a push that reports success is not proof
 * enough. A registry that is replicated may show what was there before for a while.
 */
export async function verifyTags(
  { registry, name, before }: Destination,
  tags: readonly PlannedTag[],
  { digest }: Manifest,
  { log, signal, ...options }: TagOptions,
): Promise<void> {
  const patience = new Patience({ forMilliseconds: REPLICATION_LIMIT });
  let missing = tags.length > 0 ? tags.map(({ tag }) => tag) : [digest];
  for (;;) {
    const found = await Promise.all(missing.map((reference) => registry.digestOf(reference)));
    const seen = new Map(missing.map((reference, index) => [reference, found[index]]));
    missing = missing.filter((reference) => seen.get(reference) !== digest);
    const [reference] = missing;
    if (reference === undefined) return;
    const stranger = missing.find((one) => seen.get(one) !== undefined && seen.get(one) !== before.get(one));
    const wait = stranger === undefined ? patience.next(0) : undefined;
    if (wait === undefined) {
      const tag = stranger ?? reference;
      if (tag === digest) {
        throw new TaskError(
          `${name}@${digest} was pushed, but ${registry.host} does not show it. Run the step again; if that does not help, see whether something deletes images without tags there.`,
        );
      }
      throw new TaskError(
        `${name}:${tag} was set to ${digest}, but now is ${seen.get(tag) ?? 'gone'}. Another run may have pushed the same tag: run the step again, one run at a time.`,
      );
    }
    if (patience.failures === 1) {
      log.info(
        `${registry.host} does not show ${reference} as it was set, as happens where a registry is replicated to several regions. Looking again for up to a minute.`,
      );
    }
    await (options.sleep ?? sleep)(wait, signal);
  }
}

/** Locks the tags that are not meant to move. */
export async function lockTags(
  { registry }: Destination,
  tags: readonly PlannedTag[],
  log: Logger,
): Promise<void> {
  for (const tag of lastingTags(tags)) {
    await lockOneTag(registry, tag);
    log.info(`Locked ${tag}.`);
  }
}
