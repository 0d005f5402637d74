import { sleep } from '../../common/cancel';
import { TaskError } from '../../common/errors';
import type { HttpAnswer } from '../../common/http';
import { readJsonObject } from '../../common/json';
import { isRetryableStatus, type RetryPolicy } from '../../common/retry';
import type { Descriptor, Manifest } from '../image/image';
import { entriesOf, type IndexEntry } from '../image/manifest';
import { OCI_INDEX } from '../image/media-types';
import type { RegistryClient } from './client';
import { MissingBlobError } from './errors';

/*
 * Manifests that say something about another, their subject, such as signatures and attestations, by the OCI distribution
 * specification 1.1. A registry lists them by itself; for one that does not, those who push them keep the list under a
 * tag.
 */

/** Pages of a list that are read, at most. */
const MOST_PAGES = 100;

/** A list is no reason to wait as long as an image is. */
const PATIENCE: RetryPolicy = { forMilliseconds: 20_000 };

/** How often entries are written into a list that others write at the same time. */
const MOST_TRIES = 5;

/** Milliseconds between two of these tries, at most; by chance, so that two who write don't meet again. */
const LONGEST_WAIT = 500;

/**
 * The manifests that refer to another: those that the registry lists, and those under the tag, where some tools write
 * even if the registry has a list of its own.
 *
 * @throws TaskError where the registry fails to tell
 */
export async function findReferrers(
  registry: RegistryClient,
  subject: string,
  retry = PATIENCE,
): Promise<readonly IndexEntry[]> {
  const [listed, tagged] = await Promise.all([
    listedBy(registry, subject, retry),
    registry.findManifest(referrersTag(subject)),
  ]);
  const entries = [...listed, ...((tagged && entriesOf(tagged)) ?? [])];
  return [...new Map(entries.map((entry) => [entry.digest, entry])).values()];
}

async function listedBy(
  registry: RegistryClient,
  subject: string,
  retry: RetryPolicy,
): Promise<readonly IndexEntry[]> {
  const found: IndexEntry[] = [];
  let page: string | undefined = registry.path(`referrers/${subject}`);
  for (let pages = 0; page !== undefined && pages < MOST_PAGES; pages++) {
    const answer: HttpAnswer = await registry.send(page, { method: 'GET', retry });
    if (isRetryableStatus(answer.status)) {
      throw registry.refusal(answer, `list what refers to ${subject}`);
    }
    // Registries without such a list answer in many ways.
    if (answer.status !== 200) break;
    found.push(...(entriesOf(answer) ?? []));
    page = nextPage(answer, new URL(page, registry.base));
  }
  return found;
}

function nextPage({ headers }: HttpAnswer, current: URL): string | undefined {
  const target = /<([^>]*)>\s*;[^,]*\brel="?next\b/i.exec(headers.get('link') ?? '')?.[1];
  return target !== undefined && URL.canParse(target, current.href)
    ? new URL(target, current).href
    : undefined;
}

/**
 * A blob of a manifest that refers to an image. Anybody may attach anything: what can't be read is passed over.
 *
 * @param isWanted tells which of its blobs; of several, the first counts
 */
export async function readAttachedBlob(
  registry: RegistryClient,
  { digest }: Pick<IndexEntry, 'digest'>,
  isWanted: (blob: Descriptor) => boolean,
): Promise<{ readonly mediaType: string; readonly content: Buffer } | undefined> {
  try {
    const blob = (await registry.manifest(digest)).layers.find(isWanted);
    return blob && { mediaType: blob.mediaType, content: await registry.blob(blob.digest) };
  } catch (error) {
    if (error instanceof TaskError) return undefined;
    throw error;
  }
}

/**
 * Adds manifests to the list under the tag of their subject, for a registry that does not list them by itself. Others may
 * write at the same time, and a registry has no way to write only what nobody has changed: so the list is read once more,
 * and written again where entries are missing.
 *
 * @throws TaskError where the registry refuses, or what the tag names is no list
 */
export async function addReferrers(
  registry: RegistryClient,
  subject: string,
  manifests: readonly Pick<Manifest, 'digest' | 'mediaType' | 'body'>[],
  signal: AbortSignal,
): Promise<void> {
  const tag = referrersTag(subject);
  const added = manifests.map(entryOf);
  for (let tries = 0; ; tries++) {
    const index = await registry.findManifest(tag);
    const entries = index ? entriesOf(index) : [];
    if (!entries) {
      throw new TaskError(
        `Tag ${tag} of '${registry.repository}' should be the list of what refers to an image, and is something else. Delete the tag.`,
      );
    }
    const missing = added.filter(({ digest }) => !entries.some((entry) => entry.digest === digest));
    if (missing.length === 0) return;
    if (tries === MOST_TRIES) {
      throw new TaskError(
        `Others keep writing the list of what refers to an image, tag ${tag} of '${registry.repository}', at the same time. Run the step again.`,
      );
    }
    if (tries > 0) await sleep(Math.random() * LONGEST_WAIT, signal);
    try {
      await putList(registry, tag, [...entries, ...missing]);
    } catch (error) {
      if (!(error instanceof MissingBlobError)) throw error;
      // Somebody has deleted what the list still names, and no registry takes such a list.
      await putList(registry, tag, [...(await stillThere(registry, entries)), ...missing]);
    }
  }
}

async function putList(registry: RegistryClient, tag: string, manifests: readonly IndexEntry[]) {
  const content = { schemaVersion: 2, mediaType: OCI_INDEX, manifests };
  await registry.put({ mediaType: OCI_INDEX, body: Buffer.from(JSON.stringify(content)) }, tag);
}

async function stillThere(
  registry: RegistryClient,
  entries: readonly IndexEntry[],
): Promise<readonly IndexEntry[]> {
  const found = await Promise.all(entries.map(({ digest }) => registry.digestOf(digest)));
  return entries.filter((_, index) => found[index] !== undefined);
}

/** How a list describes a manifest. */
function entryOf({ digest, mediaType, body }: Pick<Manifest, 'digest' | 'mediaType' | 'body'>): IndexEntry {
  const { artifactType, annotations, config } = readJsonObject(body) as {
    readonly artifactType?: string;
    readonly annotations?: Readonly<Record<string, string>>;
    readonly config?: { readonly mediaType?: string };
  };
  const type = artifactType || config?.mediaType;
  return {
    mediaType,
    digest,
    size: body.length,
    ...(type && { artifactType: type }),
    ...(annotations && { annotations }),
  };
}

/** The tag of the list of what refers to a manifest: `sha256-<hex>`. */
export function referrersTag(digest: string): string {
  const [algorithm = '', encoded = ''] = digest.split(':');
  return `${algorithm.slice(0, 32)}-${encoded.slice(0, 64)}`;
}
