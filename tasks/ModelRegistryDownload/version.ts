import { TaskError } from '../common/errors';
import { formatBytes, plural } from '../common/text';
import { MANIFEST_NAME } from './manifest';
import { selectFiles } from './patterns';
import type { ModelContainer } from './registry/client';
import { listFiles, type ModelFile, versionNotFound } from './registry/listing';
import { hasDotSegment, refuseHostileNames } from './registry/names';
import type { Connection } from './registry/persist';

/** How many archived files a message shows. */
const MOST_SHOWN = 100;

export interface VersionQuery {
  /** Empty, or a path that ends with a slash. */
  readonly versionsFolder: string;
  readonly version: string;
  readonly patterns: readonly string[];
  readonly requiredFiles: readonly string[];
}

/** A version of the model as the registry has it at one moment. */
export interface ModelVersion {
  /** The path of its folder in the container, with a slash at its end. */
  readonly prefix: string;
  /** Everything in the version. */
  readonly all: readonly ModelFile[];
  /** What is to be downloaded of it. */
  readonly files: readonly ModelFile[];
}

/**
 * Lists a version and chooses its files.
 *
 * @throws TaskError when it is not there, not complete, cannot be read, or cannot be written safely
 */
export async function readVersion(
  container: ModelContainer,
  query: VersionQuery,
  connection: Connection,
): Promise<ModelVersion> {
  const prefix = `${query.versionsFolder}${query.version}/`;
  const all = await listFiles(container, prefix, connection);
  if (all.length === 0) {
    throw await versionNotFound(container, query.versionsFolder, query.version, connection);
  }
  refuseIncomplete(all, query);
  // A manifest that was stored with the version is read for its checksums; the folder gets its own.
  const content = all.filter(({ path }) => path !== MANIFEST_NAME);
  // No pattern matches a path with dots between slashes, and to leave such a file out in silence would be wrong too.
  refuseHostileNames(pathsOf(content).filter(hasDotSegment), MANIFEST_NAME);
  const files = selectFiles(content, query.patterns);
  refuseHostileNames(pathsOf(files), MANIFEST_NAME);
  refuseArchived(files);
  return { prefix, all, files };
}

/** What differs between two readings of the same version: the first file that was added, removed or replaced. */
export function findChange(before: ModelVersion, after: ModelVersion): string | undefined {
  const now = new Map(after.files.map(({ path, etag }) => [path, etag]));
  const changed = before.files.find(({ path, etag }) => now.get(path) !== etag);
  if (changed) return changed.path;
  const then = new Set(before.files.map(({ path }) => path));
  return after.files.find(({ path }) => !then.has(path))?.path;
}

function pathsOf(files: readonly ModelFile[]): string[] {
  return files.map(({ path }) => path);
}

function refuseIncomplete(files: readonly ModelFile[], { version, requiredFiles }: VersionQuery): void {
  const present = new Set(pathsOf(files));
  const missing = requiredFiles.filter((path) => !present.has(path));
  if (missing.length === 0) return;
  throw new TaskError(
    `Version '${version}' is not complete: it lacks ${missing.map((path) => `'${path}'`).join(', ')}, which 'requiredFiles' asks for. If it is being published at this moment, run the step again; else publish it anew.`,
  );
}

/** All of them at once: each takes hours to come back. */
function refuseArchived(files: readonly ModelFile[]): void {
  const archived = files.filter(({ tier }) => tier === 'Archive');
  if (archived.length === 0) return;
  throw new TaskError(
    `${plural(archived.length, 'file')} of this version cannot be read, for being in the archive tier: '${archived[0]!.path}'${archived.length > 1 ? ' and others' : ''}. Rehydrate the version to the hot or cool tier first, which takes up to 15 hours.`,
    { details: archived.slice(0, MOST_SHOWN).map(({ path, size }) => `${path} (${formatBytes(size)})`) },
  );
}
