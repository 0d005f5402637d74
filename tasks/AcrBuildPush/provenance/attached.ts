import { isRecord, readJsonObject } from '../../common/json';
import { BUNDLE_PREDICATE, CREATED } from '../image/annotations';
import type { Descriptor } from '../image/image';
import type { IndexEntry } from '../image/manifest';
import { IN_TOTO, SIGSTORE_BUNDLE } from '../image/media-types';
import type { RegistryClient } from '../registry/client';
import { readAttachedBlob } from '../registry/referrers';
import { PROVENANCE_TYPE, readProvenance, type Statement } from './statement';

/** The annotation that tells what a statement is about before it is read, by BuildKit and in-toto's own tools. */
export const PREDICATE_TYPE = 'in-toto.io/predicate-type';

/** Statements that are read, at most: the newest. */
const MOST_READ = 10;

/** Bytes of one, at most. */
const LARGEST = 16 * 1024 * 1024;

/** A statement of provenance that lies beside an image. */
export interface Found {
  readonly statement: Statement;
  /** Of the manifest that it is attached by. */
  readonly digest: string;
}

/**
 * Reads the statements of provenance that are attached to an image, the newest first. What can't be read is passed over:
 * anybody may attach anything.
 *
 * @param listed what refers to the image
 */
export async function readAttached(
  registry: RegistryClient,
  image: string,
  listed: readonly IndexEntry[],
): Promise<readonly Found[]> {
  const candidates = listed.filter(mayBeProvenance).sort(byAge).slice(0, MOST_READ);
  const found = await Promise.all(candidates.map((entry) => readOne(registry, image, entry)));
  return found.filter((one) => one !== undefined);
}

function mayBeProvenance({ artifactType, annotations = {} }: IndexEntry): boolean {
  const type = annotations[PREDICATE_TYPE] ?? annotations[BUNDLE_PREDICATE];
  return (
    (artifactType === IN_TOTO || artifactType === SIGSTORE_BUNDLE) &&
    (type ?? PROVENANCE_TYPE) === PROVENANCE_TYPE
  );
}

function byAge(one: IndexEntry, other: IndexEntry): number {
  const created = ({ annotations }: IndexEntry) => annotations?.[CREATED] ?? '';
  return created(one) < created(other) ? 1 : -1;
}

async function readOne(
  registry: RegistryClient,
  image: string,
  entry: IndexEntry,
): Promise<Found | undefined> {
  const blob = await readAttachedBlob(registry, entry, isReadable);
  if (!blob) return undefined;
  const { mediaType, content } = blob;
  const statement = readProvenance(mediaType === SIGSTORE_BUNDLE ? payloadOf(content) : content, image);
  return statement && { statement, digest: entry.digest };
}

function isReadable({ mediaType, size }: Descriptor): boolean {
  return (mediaType === IN_TOTO || mediaType === SIGSTORE_BUNDLE) && size <= LARGEST;
}

/** What a bundle signs; whether its signature is right is not looked at. */
function payloadOf(bundle: Buffer): Buffer {
  const { dsseEnvelope } = readJsonObject(bundle);
  const payload = isRecord(dsseEnvelope) ? dsseEnvelope.payload : undefined;
  return Buffer.from(typeof payload === 'string' ? payload : '', 'base64');
}
