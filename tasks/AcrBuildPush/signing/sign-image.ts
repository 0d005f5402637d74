import type { Logger } from '../../common/log';
import { BUNDLE_PREDICATE } from '../image/annotations';
import type { Manifest } from '../image/image';
import type { IndexEntry } from '../image/manifest';
import { SIGSTORE_BUNDLE } from '../image/media-types';
import { type Attachment, attach } from '../publish/attach';
import type { Destination } from '../publish/destination';
import { findReferrers, readAttachedBlob } from '../registry/referrers';
import type { Signer } from '../vault/signer';
import { type InTotoStatement, isBundleOf, signedBundle, statementOf } from './bundle';
import { howToVerify } from './how-to-verify';
import { isNotarySignature, NOTARY_TYPE, notarySignature } from './notary';

/** The predicate by which cosign says that an image is signed, and no more. */
const COSIGN_SIGN = 'https://sigstore.dev/cosign/sign/v1';

/** Signatures of one kind that are looked at, at most: the last in the list. */
const MOST_READ = 20;

export interface SignOptions {
  readonly log: Logger;
  readonly signal: AbortSignal;
  /** Of the step. */
  readonly version: string;
}

/**
 * Signs an image and what is said of it, before a tag names it: a signature of the Notary Project, where the key has a
 * certificate, and bundles of Sigstore. What is signed already by the same key is not signed again.
 *
 * @throws TaskError when the vault does not sign, or the registry takes no signatures
 */
export async function signImage(
  signer: Signer,
  manifest: Manifest,
  statements: readonly InTotoStatement[],
  destination: Destination,
  { log, signal, version }: SignOptions,
): Promise<void> {
  const { registry, name } = destination;
  const listed = await findReferrers(registry, manifest.digest);
  const isThere = async (entries: readonly IndexEntry[], isOwn: (blob: Buffer) => boolean) => {
    const newest = entries.slice(-MOST_READ);
    const blobs = await Promise.all(newest.map((entry) => readAttachedBlob(registry, entry, () => true)));
    return blobs.some((blob) => blob !== undefined && isOwn(blob.content));
  };

  const all = [statementOf(name, manifest.digest, COSIGN_SIGN, {}), ...statements];
  const bundles = all.map(async (statement) => {
    const { predicateType } = statement;
    const entries = listed.filter(
      ({ artifactType, annotations }) =>
        artifactType === SIGSTORE_BUNDLE &&
        (annotations?.[BUNDLE_PREDICATE] ?? predicateType) === predicateType,
    );
    const isSigned = await isThere(entries, (blob) => isBundleOf(blob, statement, signer));
    return isSigned ? undefined : signedBundle(statement, signer);
  });
  const notary = async () => {
    if (!signer.chain) return undefined;
    const entries = listed.filter(({ artifactType }) => artifactType === NOTARY_TYPE);
    const isSigned = await isThere(entries, (blob) => isNotarySignature(blob, manifest, signer));
    return isSigned ? undefined : notarySignature(manifest, signer, version);
  };
  const made = await Promise.all([notary(), ...bundles]);
  const missing = made.filter((one): one is Attachment => one !== undefined);
  if (missing.length === 0) log.info('The image is signed already.');
  const attached = await attach(manifest, missing, listed, destination, { log, signal });
  for (const [index, { digest }] of attached.entries()) {
    log.info(
      `Signed: ${missing[index]!.annotations?.[BUNDLE_PREDICATE] ?? 'the image, for notation'}: ${digest}`,
    );
  }
  for (const line of howToVerify(signer, name, manifest.digest, statements)) log.info(line);
}
