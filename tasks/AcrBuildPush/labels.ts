import { CREATED } from './image/annotations';
import type { BaseImage } from './image/image';
import type { Model } from './model';

/** Where an image comes from. */
export interface Origin {
  /** The commit. */
  readonly revision: string | undefined;
  /** The repository of the sources. */
  readonly source: string | undefined;
  /** When the image was made, as far as it says. */
  readonly created: Date;
}

/**
 * The labels of an image: those that the OCI image specification gives a meaning, those of the model in it, and the
 * user's own, which win.
 */
export function imageLabels(
  version: string,
  origin: Origin,
  model: Model | undefined,
  own: Readonly<Record<string, string>>,
): Record<string, string> {
  return {
    'org.opencontainers.image.version': version,
    ...(origin.revision && { 'org.opencontainers.image.revision': origin.revision }),
    ...(origin.source && { 'org.opencontainers.image.source': withoutUser(origin.source) }),
    [CREATED]: origin.created.toISOString(),
    ...(model && {
      'model.name': model.name,
      'model.version': model.version,
      'model.digest': model.digest,
      ...(model.trainingRun && { 'model.training-run': model.trainingRun }),
    }),
    ...own,
  };
}

/** The labels that name the image that another is built on, as far as it is known. */
export function baseLabels(base: BaseImage | undefined): Record<string, string> {
  return {
    ...(base && { 'org.opencontainers.image.base.name': base.name }),
    ...(base?.digest && { 'org.opencontainers.image.base.digest': base.digest }),
  };
}

/**
 * The annotations of a manifest: what a registry shows without reading the image's configuration. Those of the
 * labels that the OCI image specification gives a meaning, and those of the model.
 */
export function imageAnnotations(labels: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(labels).filter(([key]) => /^(org\.opencontainers\.image|model)\./.test(key)),
  );
}

/** Clone addresses may hold a user's name, or worse, a token. */
function withoutUser(address: string): string {
  return address.replace(/^(\w+:\/\/)[^/@]*@/, '$1');
}
