import { TaskError } from '../../common/errors';
import type { Logger } from '../../common/log';
import { enumerate, nearest, plural } from '../../common/text';
import type { ModelContainer } from '../registry/container';
import { MovedError } from '../registry/errors';
import { listVersions } from '../registry/listing';
import type { Connection } from '../registry/persist';
import { asStranger, type Lack, unlessRefused } from './completeness';
import { isLatest, type Ranking, rangeBelow, rangeOf, rankInRange, rankNewest, tiesOfFirst } from './ranking';
import { findUnstated, readStatement } from './statement';
import { type Listing, listVersion, type ModelVersion, selectVersion, type VersionQuery } from './version';

/** How many names a line of the log shows. */
const MOST_NAMED = 20;

/** Versions that may be passed over as incomplete. When more are, it is not that one is just being published. */
const MOST_PASSED_OVER = 20;

export interface VersionWish extends VersionQuery {
  /** A version's name, `latest`, or a semantic-version range. */
  readonly version: string;
  readonly includePrereleases: boolean;
  /** Whether a version seems to be in its place already; then what it says of itself is not read again. */
  isHeld(version: ModelVersion): boolean;
}

export interface ChosenVersion extends ModelVersion {
  /** Why it is this one: half a sentence. */
  readonly why: string;
}

/**
 * Finds the version that a step asks for, and tells the log how.
 *
 * @throws TaskError when there is none, or when it is not complete, cannot be read, or cannot be written safely
 */
export async function chooseVersion(
  container: ModelContainer,
  wish: VersionWish,
  connection: Connection,
): Promise<ChosenVersion> {
  const { version, versionsFolder, includePrereleases } = wish;
  const range = rangeOf(version);
  if (!isLatest(version) && range === undefined) return takeNamed(container, wish, connection);

  const folders = await listVersions(container, versionsFolder, connection);
  const named = folderNamed(wish, folders);
  if (named !== undefined) {
    const unread = isLatest(version)
      ? "taken rather than the newest. '*' asks for that"
      : 'not read as a range';
    connection.log.info(`'${named}' is the name of a folder there, so it is ${unread}.`);
    return takeNamed(container, { ...wish, version: named }, connection);
  }
  const ranking =
    range === undefined
      ? rankNewest(folders, includePrereleases)
      : rankInRange(folders, version, includePrereleases);
  if (ranking.rivals.length > 0) throw noNewest(container, wish, ranking);
  explainRanking(ranking, wish, range, connection.log);
  if (ranking.fitting.length === 0) throw nothingFits(container, wish, ranking);
  return takeNewest(container, wish, ranking, connection);
}

/** A folder that is called what `modelVersion` says, though that means something else; `latest` in any case. */
function folderNamed({ version }: VersionWish, folders: readonly string[]): string | undefined {
  if (folders.includes(version)) return version;
  if (!isLatest(version)) return undefined;
  const promoted = folders.filter(isLatest);
  if (promoted.length > 1) {
    throw new TaskError(
      `'${version}' could be any of the folders ${quoteAll(promoted)}. Write 'modelVersion' exactly like one of them, or give a version.`,
    );
  }
  return promoted[0];
}

async function takeNamed(
  container: ModelContainer,
  wish: VersionWish,
  connection: Connection,
): Promise<ChosenVersion> {
  const { version, versionsFolder } = wish;
  const listing = await listVersion(container, version, wish, 'told', connection);
  if (listing.files.length === 0) {
    const versions = await unlessRefused(
      listVersions(container, versionsFolder, asStranger(connection)),
      undefined,
    );
    throw versions?.includes(version)
      ? new TaskError(`Version '${version}' of the model holds no files. Publish it, or choose another one.`)
      : notThere(container, wish, versions);
  }
  if (listing.lack?.isGuess) {
    connection.log.warning(
      `Version '${version}' ${listing.lack.what}. It is downloaded, since it is named; if it is being published at this moment, run the step again once that has ended.`,
    );
  }
  return { ...selectVersion(version, listing, wish), why: "named by 'modelVersion'" };
}

async function takeNewest(
  container: ModelContainer,
  wish: VersionWish,
  { fitting }: Ranking,
  connection: Connection,
): Promise<ChosenVersion> {
  const passedOver: string[] = [];
  for (const name of fitting.slice(0, MOST_PASSED_OVER)) {
    const listing = await listVersion(container, name, wish, 'decides', connection);
    const looked = listing.lack ?? (await readOn(container, name, listing, wish, connection));
    if ('files' in looked) {
      const why = reasonFor(wish, fitting, passedOver);
      connection.log.info(`Chose version ${name}: ${why}.`);
      return { ...looked, why };
    }
    connection.log.warning(`Passed over version ${name}, which is not complete: it ${looked.what}.`);
    passedOver.push(`'${name}' ${looked.what}`);
  }
  throw noneComplete(wish, passedOver, fitting.length - passedOver.length);
}

/** Holds a version that seems complete against what it says of itself. */
async function readOn(
  container: ModelContainer,
  name: string,
  listing: Listing,
  wish: VersionWish,
  connection: Connection,
): Promise<ModelVersion | Lack> {
  const version = selectVersion(name, listing, wish);
  if (wish.completeness === 'off' || wish.isHeld(version)) return version;
  try {
    const statement = await readStatement(container, listing.files, connection);
    const what = findUnstated(statement, listing.files);
    return what === undefined ? { ...version, statement } : { what, isGuess: false };
  } catch (error) {
    // It will be listed again before it is downloaded.
    if (error instanceof MovedError) return version;
    throw error;
  }
}

function reasonFor({ version }: VersionWish, fitting: readonly string[], passedOver: readonly string[]) {
  const whole = passedOver.length > 0 ? 'newest complete' : 'newest';
  const among = isLatest(version) ? `of ${plural(fitting.length, 'version')}` : fits(version, fitting.length);
  const over = passedOver.length > 0 ? `; passed over ${quoteAll(fitting.slice(0, passedOver.length))}` : '';
  return `the ${whole} ${among}${over}`;
}

function fits(range: string, count: number): string {
  return count === 1 ? `that fits '${range}', and the only one` : `of ${count} that fit '${range}'`;
}

function explainRanking(
  { fitting, unfit, prereleases, others }: Ranking,
  { version }: VersionWish,
  range: string | undefined,
  log: Logger,
): void {
  const meaning = range === undefined ? 'the newest version' : `the newest version that fits ${range}`;
  const all = plural(fitting.length + unfit.length, 'version');
  log.info(`'${version}' asks for ${meaning}. Of ${all} these fit, newest first: ${list(fitting)}.`);
  if (prereleases.length > 0) {
    log.info(`Left out as pre-releases: ${list(prereleases)}. 'includePrereleases' takes them in.`);
  }
  if (others.length > 0) {
    const why =
      range === undefined
        ? 'for names that are no newer version'
        : 'for names that no range can be held against';
    log.info(`Left out ${why}: ${list(others)}. They can be asked for by name.`);
  }
  const ties = tiesOfFirst(fitting);
  if (ties.length > 0) {
    log.warning(
      `${quoteAll([fitting[0]!, ...ties])} have the same rank: their names do not tell which is newer. The last by name goes first.`,
    );
  }
}

function noNewest(container: ModelContainer, wish: VersionWish, { rivals }: Ranking): TaskError {
  const some = quoteAll(rivals.slice(0, MOST_NAMED));
  return new TaskError(
    `Which version of the model is the newest cannot be told from the names in ${whereOf(container, wish)}, since they are written in different ways. It could be any of ${some}. Give one of them as 'modelVersion', or a range such as * or 1.x, which looks at versions like 1.2.0 only.`,
    { details: rivals.length > MOST_NAMED ? [`And ${rivals.length - MOST_NAMED} more.`] : [] },
  );
}

/** @param versions those that there are; undefined when they may not be listed */
function notThere(
  container: ModelContainer,
  wish: VersionWish,
  versions: readonly string[] | undefined,
): TaskError {
  if (versions === undefined) {
    return new TaskError(
      `There is no version '${wish.version}' of the model in ${whereOf(container, wish)}. Check 'modelVersion' and 'pathPrefix'; which versions there are, the step may not see.`,
    );
  }
  if (versions.length === 0) return noVersions(container, wish);
  const close = nearest(wish.version, versions);
  const theirs = close.length === versions.length ? 'its versions are' : 'the nearest of its versions are';
  const range = rangeBelow(wish.version);
  const fitting = range ? rankInRange(versions, range, wish.includePrereleases).fitting : [];
  const hint = fitting.length > 0 ? ` The newest that begins with it is asked for by '${range}'.` : '';
  return new TaskError(
    `There is no version '${wish.version}' of the model in ${whereOf(container, wish)}. Check 'modelVersion': ${theirs} ${quoteAll(close)}.${hint}`,
  );
}

function nothingFits(container: ModelContainer, wish: VersionWish, ranking: Ranking): TaskError {
  const { unfit, prereleases, others } = ranking;
  if (unfit.length + others.length === 0) return noVersions(container, wish);
  const where = whereOf(container, wish);
  if (prereleases.length > 0) {
    return new TaskError(
      `Only pre-releases of the model fit '${wish.version}' in ${where}: ${quoteAll(prereleases.slice(0, 5))}. Set 'includePrereleases' to true to take one, or publish the release.`,
    );
  }
  const [are, names] =
    unfit.length > 0 ? ['the newest versions there are', unfit] : ['no folder is named like one:', others];
  return new TaskError(
    `No version of the model fits '${wish.version}' in ${where}. Check 'modelVersion': ${are} ${quoteAll(names.slice(0, 5))}.`,
  );
}

function noneComplete({ version }: VersionWish, [newest, ...older]: string[], unseen: number): TaskError {
  const also =
    older.length > 0 ? `, and ${older.length} older ${older.length === 1 ? 'is' : 'are'} no better` : '';
  return new TaskError(
    `No complete version of the model fits '${version}': the newest, ${newest}${also}. Check 'requiredFiles', or publish a version again.`,
    { details: unseen > 0 ? [...older, `${unseen} more were not looked at.`] : older },
  );
}

function noVersions(container: ModelContainer, wish: VersionWish): TaskError {
  return new TaskError(
    `There is no version '${wish.version}' of the model: ${whereOf(container, wish)} holds no versions at all. Check 'modelName' and 'pathPrefix', and that the model was published.`,
  );
}

function whereOf({ place }: ModelContainer, { versionsFolder }: VersionWish): string {
  const under = versionsFolder ? ` under '${versionsFolder}'` : '';
  return `${place}${under}`;
}

function quoteAll(names: readonly string[]): string {
  return names.map((name) => `'${name}'`).join(', ');
}

function list(names: readonly string[]): string {
  return names.length === 0 ? 'none' : enumerate(names, MOST_NAMED);
}
