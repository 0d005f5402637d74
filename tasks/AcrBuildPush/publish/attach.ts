import type { Manifest } from '../image/image';
import { digestOfBytes } from '../image/image';
import type { IndexEntry } from '../image/manifest';
import { OCI_EMPTY, OCI_MANIFEST } from '../image/media-types';
import { addReferrers } from '../registry/referrers';
import type { UploadOptions } from '../registry/send-blob';
import type { Annotations } from './annotate';
import { publishBlob, type SmallBlob } from './blob';
import { type Place, putManifest } from './destination';

/** Something that is said about an image, such as where it comes from, and that lies beside it in the registry. */
export interface Attachment {
  /** What it is: a media type, by which tools find it. */
  readonly artifactType: string;
  /** Whether it is known by its configuration's type alone, as before the specification 1.1. */
  readonly isNamedByConfig?: boolean;
  readonly blobs: readonly AttachedBlob[];
  /** Of its manifest; they are listed with it. The same attachment has to come to the same ones. */
  readonly annotations?: Annotations;
}

export interface AttachedBlob extends SmallBlob {
  /** Whether the registry can't have it, so that it need not be asked. */
  readonly isNew?: boolean;
  readonly annotations?: Annotations;
}

/** An attachment that is in the registry. */
export interface Attached {
  readonly digest: string;
  /** Whether it was there, byte for byte. */
  readonly wasThere: boolean;
}

/** The content of the configuration that attachments have in place of one. */
const EMPTY: SmallBlob = {
  name: 'An empty configuration',
  mediaType: OCI_EMPTY,
  content: Buffer.from('{}'),
};

/**
 * Attaches things to an image by the OCI specifications 1.1: each gets a manifest of its own, which names the image as
 * its subject. What the image has already is not attached again.
 *
 * @param listed what the image has, of {@link findReferrers}
 * @returns in the order of the attachments
 * @throws TaskError where the registry refuses, as some do that know no such manifests
 */
export async function attach(
  subject: Manifest,
  attachments: readonly Attachment[],
  listed: readonly IndexEntry[],
  place: Place,
  options: UploadOptions,
): Promise<readonly Attached[]> {
  const manifests = attachments.map((attachment) => manifestOf(subject, attachment));
  const isListed = ({ digest }: Manifest) => listed.some((entry) => entry.digest === digest);
  const fresh = attachments.filter((_, index) => !isListed(manifests[index]!));
  if (fresh.length > 0) {
    await Promise.all([
      publishBlob(place, EMPTY, options),
      ...fresh
        .flatMap(({ blobs }) => blobs)
        .map((blob) => publishBlob(place, blob, { ...options, isNew: blob.isNew })),
    ]);
  }
  const missing = manifests.filter((manifest) => !isListed(manifest));
  const areListed = await Promise.all(
    missing.map((manifest) => putManifest(place.registry, manifest, manifest.digest, options)),
  );
  const unlisted = missing.filter((_, index) => !areListed[index]);
  if (unlisted.length > 0) await addReferrers(place.registry, subject.digest, unlisted, options.signal);
  return manifests.map((manifest) => ({ digest: manifest.digest, wasThere: isListed(manifest) }));
}

/** Milliseconds that attaching may take: a registry that fails at it alone is no reason to wait as long as an image is. */
export const ATTACH_LIMIT = 60_000;

function manifestOf(
  { mediaType, digest, body: { length } }: Manifest,
  { artifactType, isNamedByConfig, blobs, annotations }: Attachment,
): Manifest {
  const empty = descriptorOf(EMPTY);
  const config = isNamedByConfig
    ? { ...empty, mediaType: artifactType }
    : { ...empty, data: EMPTY.content.toString('base64') };
  const layers = blobs.map((blob) => ({
    ...descriptorOf(blob),
    ...(blob.annotations && { annotations: blob.annotations }),
  }));
  const body = Buffer.from(
    JSON.stringify({
      schemaVersion: 2,
      mediaType: OCI_MANIFEST,
      ...(!isNamedByConfig && { artifactType }),
      config,
      layers,
      subject: { mediaType, digest, size: length },
      ...(annotations && { annotations }),
    }),
  );
  return { digest: digestOfBytes(body), mediaType: OCI_MANIFEST, body, config, layers };
}

function descriptorOf({ mediaType, content }: SmallBlob) {
  return { mediaType, digest: digestOfBytes(content), size: content.length };
}
