import { createHash } from 'node:crypto';
import { dirname, join } from 'node:path';
import { readSourceFile } from '../common/files/source-file';
import { isRecord, readJsonObject, recordOf } from '../common/json';

/** Which model an image holds, from the manifest that ModelRegistryDownload writes beside the model. */
export interface Model {
  readonly name: string;
  readonly version: string;
  /** One digest over all files of the model, `sha256:…`. */
  readonly digest: string;
  /** The run of the job that trained it. */
  readonly trainingRun?: string;
  readonly files?: readonly ModelFile[];
  /** Where its manifest lies, and the files where nobody has moved them. */
  readonly folder?: string;
  /** Where it was downloaded from. */
  readonly source?: Readonly<Record<string, unknown>>;
  /** Of all its files as OpenSSF model signing counts them, where such a signature was verified: `sha256:…`. */
  readonly signedDigest?: string;
  /** What its training has written down of it. */
  readonly metadata?: Metadata;
}

export interface ModelFile {
  /** Relative to the model's folder, with slashes. */
  readonly path: string;
  /** In bytes. */
  readonly size: number;
  /** 64 hexadecimal digits. */
  readonly sha256: string;
}

/** The `metadata.json` that a notebook stores with a model. */
export interface Metadata {
  readonly content: Readonly<Record<string, unknown>>;
  /** Of the file: 64 hexadecimal digits. */
  readonly sha256: string;
}

/** Bytes of a model's manifest, at most. */
const LARGEST_MANIFEST = 64 * 1024 * 1024;

/** Bytes of a model's metadata, at most. */
const LARGEST_METADATA = 1024 * 1024;

const METADATA_NAME = 'metadata.json';

/**
 * Reads a model's manifest, and the metadata beside it.
 *
 * @throws SourceFileError, or another Error, when it is not one
 */
export function readModel(manifestFile: string): Model {
  const model = parseModelManifest(readSourceFile(manifestFile, LARGEST_MANIFEST).toString('utf8'));
  const metadata = readMetadata(join(dirname(manifestFile), METADATA_NAME), model);
  const runId = metadata?.content.runId;
  return {
    ...(isRunId(runId) && { trainingRun: String(runId) }),
    ...model,
    folder: dirname(manifestFile),
    ...(metadata && { metadata }),
  };
}

/**
 * What a model's manifest says.
 *
 * @throws Error when it is none
 */
export function parseModelManifest(text: string): Model {
  const manifest: unknown = JSON.parse(text);
  const { name, version, digest, trainingRun, files, source, signature } = recordOf(manifest);
  if (typeof name !== 'string' || typeof version !== 'string' || typeof digest !== 'string') {
    throw new Error("it has no 'name', 'version' and 'digest'");
  }
  const listed = Array.isArray(files) ? files.filter(isModelFile) : [];
  const signed = isRecord(signature) ? signature.digest : undefined;
  return {
    name,
    version,
    digest,
    ...(isRunId(trainingRun) && { trainingRun: String(trainingRun) }),
    ...(listed.length > 0 && { files: listed.map(({ path, size, sha256 }) => ({ path, size, sha256 })) }),
    ...(isRecord(source) && { source }),
    ...(typeof signed === 'string' && { signedDigest: signed }),
  };
}

/** The metadata beside a model; undefined without any, and for a file that the model's manifest does not know as it is. */
function readMetadata(file: string, { files }: Model): Metadata | undefined {
  try {
    const content = readSourceFile(file, LARGEST_METADATA);
    const sha256 = createHash('sha256').update(content).digest('hex');
    const isOfModel = files?.some((one) => one.path === METADATA_NAME && one.sha256 === sha256) ?? true;
    return isOfModel ? { content: readJsonObject(content), sha256 } : undefined;
  } catch {
    return undefined;
  }
}

function isModelFile(file: unknown): file is ModelFile {
  return (
    isRecord(file) &&
    typeof file.path === 'string' &&
    Number.isSafeInteger(file.size) &&
    typeof file.sha256 === 'string' &&
    /^[0-9a-f]{64}$/.test(file.sha256)
  );
}

/** Ids of runs are strings; those that were written as numbers count while they are exact. */
function isRunId(value: unknown): boolean {
  return (typeof value === 'string' && value !== '') || Number.isSafeInteger(value);
}
