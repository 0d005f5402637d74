import { TaskError } from '../../common/errors';
import { formatBytes, plural } from '../../common/text';
import { MANIFEST_NAME } from '../folder/manifest';
import type { ModelContainer } from '../registry/container';
import { listFiles, type ModelFile } from '../registry/listing';
import { hasDotSegment, type NameRules, refuseHostileNames } from '../registry/names';
import type { Connection } from '../registry/persist';
import { findLack, type GuessUse, type Lack, MARKERS } from './completeness';
import type { Completeness } from './completeness-rules';
import { matchFiles, selectFiles } from './patterns';
import { findUnstated, isStatement, type Statement } from './statement';

/** How many archived files a message shows. */
const MOST_SHOWN = 100;

/** What a step wants of a version. */
export interface VersionQuery {
  /** Empty, or a path that ends with a slash. */
  readonly versionsFolder: string;
  readonly patterns: readonly string[];
  readonly requiredFiles: readonly string[];
  readonly completeness: Completeness;
  /** Whose rules the names of files must keep. */
  readonly nameRules: NameRules;
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
  /** What is wrong with the names of its files on agents of other platforms. */
  readonly oddNames: readonly string[];
  /** What it says of its own files, where that was read already. */
  readonly statement?: Statement | undefined;
}

/** A listing of a version's folder, and what it lacks to be complete. */
export interface Listing {
  readonly files: readonly ModelFile[];
  readonly lack: Lack | undefined;
}

/** Lists a version's folder. The registry knows prefixes, not folders: one that is not there lists as nothing. */
export async function listVersion(
  container: ModelContainer,
  name: string,
  query: VersionQuery,
  guess: GuessUse,
  connection: Connection,
): Promise<Listing> {
  const files = await listFiles(container, prefixOf(name, query), connection);
  return { files, lack: await findLack(container, { ...query, name }, files, guess, connection) };
}

/**
 * Chooses the files of a version that was listed.
 *
 * @throws TaskError when the version is surely not complete, cannot be read, or cannot be written safely
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
  if (lack && !lack.isGuess) throw incomplete(name, lack.what);
  const files = selectFiles(content, query.patterns);
  const oddNames = refuseHostileNames(pathsOf(files), MANIFEST_NAME, query.nameRules);
  refuseArchived(name, files);
  return { name, prefix: prefixOf(name, query), all, files, oddNames };
}

/** @throws TaskError when a version lacks a part of what it says that it consists of */
export function refuseUnstated({ name, all }: ModelVersion, statement: Statement, query: VersionQuery): void {
  const lack = query.completeness === 'off' ? undefined : findUnstated(statement, all);
  if (lack) throw incomplete(name, lack);
}

function incomplete(name: string, lack: string): TaskError {
  return new TaskError(
    `Version '${name}' is not complete: it ${lack}. If it is being published at this moment, run the step again when that has ended; otherwise publish it again. 'completeness' set to off takes it as it is.`,
  );
}

/**
 * The files of a version that are no longer there, of those that are downloaded and those that say whether the version is
 * complete.
 *
 * @param now everything in the version
 */
export function findGone(before: ModelVersion, now: readonly ModelFile[], query: VersionQuery): string[] {
  const present = new Set(pathsOf(now));
  return [...etagsOf(before.all, query).keys()].filter((path) => !present.has(path));
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
  const telling = files.filter(
    (file) => isStatement(file) || MARKERS.includes(file.path) || query.requiredFiles.includes(file.path),
  );
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
    `${plural(archived.length, 'file')} of version '${name}' cannot be read in the archive tier: '${archived[0]!.path}'${archived.length > 1 ? ' and others' : ''}. Rehydrate the version to the hot or cool tier first, which takes up to 15 hours.`,
    { details: archived.slice(0, MOST_SHOWN).map(describeArchived) },
  );
}

function describeArchived({ path, size, tier, rehydration }: ModelFile): string {
  return `${path} (${formatBytes(size)}): tier ${tier}${rehydration ? `, ${rehydration}` : ''}`;
}
