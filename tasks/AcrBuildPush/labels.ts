import { readSourceFile } from '../common/files/source-file';
import type { BaseImage } from './image/image';

/** Which model an image holds, from the manifest that ModelRegistryDownload writes beside the model. */
export interface ModelProvenance {
  readonly name: string;
  readonly version: string;
  /** One digest over all files of the model, `sha256:…`. */
  readonly digest: string;
  /** The run of the job that trained it. */
  readonly trainingRun?: string;
}

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
 * Reads a model's manifest.
 *
 * @throws Error when it is not one
 */
export function parseModelManifest(text: string): ModelProvenance {
  const manifest: unknown = JSON.parse(text);
  const { name, version, digest, trainingRun } = (manifest ?? {}) as Partial<
    Record<keyof ModelProvenance, unknown>
  >;
  if (typeof name !== 'string' || typeof version !== 'string' || typeof digest !== 'string') {
    throw new Error("it has no 'name', 'version' and 'digest'");
  }
  return { name, version, digest, ...(isRunId(trainingRun) && { trainingRun: String(trainingRun) }) };
}

/** Bytes of a model's metadata, at most. */
const LARGEST_METADATA = 1024 * 1024;

/** The run that trained a model, from the `metadata.json` that the notebook stores with it; undefined without one. */
export function readTrainingRun(metadataFile: string): string | undefined {
  try {
    const { runId } = JSON.parse(readSourceFile(metadataFile, LARGEST_METADATA).toString('utf8'));
    return isRunId(runId) ? String(runId) : undefined;
  } catch {
    return undefined;
  }
}

/** Ids of runs are strings; those that were written as numbers count while they are exact. */
function isRunId(value: unknown): boolean {
  return (typeof value === 'string' && value !== '') || Number.isSafeInteger(value);
}

/**
 * The labels of an image: those that the OCI image specification gives a meaning, those of the model in it, and the
 * user's own, which win.
 */
export function imageLabels(
  version: string,
  origin: Origin,
  model: ModelProvenance | undefined,
  own: Readonly<Record<string, string>>,
): Record<string, string> {
  return {
    'org.opencontainers.image.version': version,
    ...(origin.revision && { 'org.opencontainers.image.revision': origin.revision }),
    ...(origin.source && { 'org.opencontainers.image.source': withoutUser(origin.source) }),
    'org.opencontainers.image.created': origin.created.toISOString(),
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
