/* The names of labels and annotations that more than one room writes or reads. */

/** When an image, or what is attached to one, was made. */
export const CREATED = 'org.opencontainers.image.created';

/** What a bundle of Sigstore's says of an image, told before it is read. */
export const BUNDLE_PREDICATE = 'dev.sigstore.bundle.predicateType';
