import { TaskError } from '../../common/errors';
import { formatBytes, plural } from '../../common/text';
import { MANIFEST_NAME } from '../folder/manifest';
import { findLack, MARKERS } from '../registry/completeness';
import type { ModelContainer } from '../registry/container';
import { listFiles, type ModelFile } from '../registry/listing';
import { hasDotSegment, refuseHostileNames } from '../registry/names';
import type { Connection } from '../registry/persist';
import { matchFiles, selectFiles } from './patterns';

/** How many archived files a message shows. */
const MOST_SHOWN = 100;

/** What a step wants of a version. */
export interface VersionQuery {
  /** Empty, or a path that ends with a slash. */
  readonly versionsFolder: string;
  readonly patterns: readonly string[];
  readonly requiredFiles: readonly string[];
}

/** A version of the model as the registry has it at one moment. */
export interface ModelVersion {
  /** The name of its folder. */
  readonly name: string;
  /** The path of its folder in the container, with a slash at its end. */
  readonly prefix: string;
  /** Everything in the version. */
  readonly all: readonly ModelFile[];
  /** What is to be downloaded of it. */
  readonly files: readonly ModelFile[];
}

/** A listing of a version's folder, and what it lacks to be complete (going on from "it"). */
export interface Listing {
  readonly files: readonly ModelFile[];
  readonly lack: string | undefined;
}

/** Lists a version's folder. The registry knows prefixes, not folders: one that is not there lists as nothing. */
export async function listVersion(
  container: ModelContainer,
  name: string,
  query: VersionQuery,
  connection: Connection,
): Promise<Listing> {
  const files = await listFiles(container, prefixOf(name, query), connection);
  return { files, lack: await findLack(container, { ...query, name }, files, connection) };
}

/**
 * Chooses the files of a version that was listed.
 *
 * @throws TaskError when the version is not complete, cannot be read, or cannot be written safely
 */
export function selectVersion(
  name: string,
  { files: all, lack }: Listing,
  query: VersionQuery,
): ModelVersion {
  // A manifest that was stored with the version is read for its checksums; the folder gets its own.
  const content = all.filter(({ path }) => path !== MANIFEST_NAME);
  // No pattern matches a path with dots between slashes, and to leave such a file out in silence would be wrong too.
  refuseHostileNames(pathsOf(content).filter(hasDotSegment), MANIFEST_NAME);
  if (lack) {
    throw new TaskError(
      `Version '${name}' is not complete: it ${lack}. If it is being published at this moment, run the step again once that has ended; else publish it anew.`,
    );
  }
  const files = selectFiles(content, query.patterns);
  refuseHostileNames(pathsOf(files), MANIFEST_NAME);
  refuseArchived(name, files);
  return { name, prefix: prefixOf(name, query), all, files };
}

/**
 * Lists a version again, after its transfer.
 *
 * @returns the first file that was added, removed or replaced, of those that are downloaded and those that say
 *   whether the version is complete
 */
export async function findChange(
  container: ModelContainer,
  before: ModelVersion,
  query: VersionQuery,
  connection: Connection,
): Promise<string | undefined> {
  const then = etagsOf(before.all, query);
  const now = etagsOf(await listFiles(container, before.prefix, connection), query);
  return [...then.keys(), ...now.keys()].find((path) => then.get(path) !== now.get(path));
}

/** The ETags of the files that make a version what it is. */
function etagsOf(files: readonly ModelFile[], query: VersionQuery): Map<string, string> {
  const telling = files.filter(({ path }) => MARKERS.includes(path) || query.requiredFiles.includes(path));
  const { selected } = matchFiles(files, query.patterns);
  return new Map([...selected, ...telling].map(({ path, etag }) => [path, etag]));
}

function prefixOf(name: string, { versionsFolder }: VersionQuery): string {
  return `${versionsFolder}${name}/`;
}

function pathsOf(files: readonly ModelFile[]): string[] {
  return files.map(({ path }) => path);
}

/** All of them at once: each takes hours to come back. */
function refuseArchived(name: string, files: readonly ModelFile[]): void {
  const archived = files.filter(({ tier }) => tier === 'Archive');
  if (archived.length === 0) return;
  throw new TaskError(
    `${plural(archived.length, 'file')} of version '${name}' cannot be read, for being in the archive tier: '${archived[0]!.path}'${archived.length > 1 ? ' and others' : ''}. Rehydrate the version to the hot or cool tier first, which takes up to 15 hours.`,
    { details: archived.slice(0, MOST_SHOWN).map(describeArchived) },
  );
}

function describeArchived({ path, size, tier, rehydration }: ModelFile): string {
  return `${path} (${formatBytes(size)}): tier ${tier}${rehydration ? `, ${rehydration}` : ''}`;
}
