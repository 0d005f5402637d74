/*
 * The types of what an image is made of, by the OCI image specification, and docker's older names for the same; and those
 * of what lies beside an image, as far as more than one room knows them. They stand here alone.
 */

const OCI = 'application/vnd.oci.image';
const DOCKER = 'application/vnd.docker';

/** The manifest of an image. */
export const OCI_MANIFEST = `${OCI}.manifest.v1+json`;

/** A list of manifests, one for each platform. */
export const OCI_INDEX = `${OCI}.index.v1+json`;

/** The configuration of an image. */
export const OCI_CONFIG = `${OCI}.config.v1+json`;

/** The configuration of what is no image: an empty object. */
export const OCI_EMPTY = 'application/vnd.oci.empty.v1+json';

/** Statements of in-toto's about an image, and what is attached that holds one without a signature. */
export const IN_TOTO = 'application/vnd.in-toto+json';

/** Bundles of Sigstore's: a statement and its signature in one. */
export const SIGSTORE_BUNDLE = 'application/vnd.dev.sigstore.bundle.v0.3+json';

/** A layer as it is; compressed, `+gzip` or `+zstd` follows. */
export const OCI_LAYER = `${OCI}.layer.v1.tar`;

/** Docker's names, by which older engines push, and what the specification calls the same bytes. */
const OCI_NAMES: Readonly<Record<string, string>> = {
  [`${DOCKER}.distribution.manifest.v2+json`]: OCI_MANIFEST,
  [`${DOCKER}.distribution.manifest.list.v2+json`]: OCI_INDEX,
  [`${DOCKER}.container.image.v1+json`]: OCI_CONFIG,
  [`${DOCKER}.image.rootfs.diff.tar`]: OCI_LAYER,
  [`${DOCKER}.image.rootfs.diff.tar.gzip`]: `${OCI_LAYER}+gzip`,
  [`${DOCKER}.image.rootfs.diff.tar.zstd`]: `${OCI_LAYER}+zstd`,
};

/** What the specification calls a type; undefined for what it has no name for. */
export function asOci(mediaType: string): string | undefined {
  return mediaType.startsWith(`${OCI}.`) ? mediaType : OCI_NAMES[mediaType];
}

/** Whether a manifest of this type is a list of others. */
export function isIndex(mediaType: string): boolean {
  return asOci(mediaType) === OCI_INDEX;
}

/** Whether a manifest of this type is that of one image. */
export function isImage(mediaType: string): boolean {
  return asOci(mediaType) === OCI_MANIFEST;
}

/** All types of manifests that are understood here, as a request for one names them. */
export const MANIFEST_TYPES: readonly string[] = [
  OCI_MANIFEST,
  OCI_INDEX,
  ...Object.keys(OCI_NAMES).filter((type) => isImage(type) || isIndex(type)),
];
