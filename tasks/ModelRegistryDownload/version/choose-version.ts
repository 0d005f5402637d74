import { TaskError } from '../../common/errors';
import type { Logger } from '../../common/log';
import { nearest, plural } from '../../common/text';
import type { ModelContainer } from '../registry/container';
import { listVersions } from '../registry/listing';
import type { Connection } from '../registry/persist';
import { isLatest, isVersion, type Ranking, rangeOf, rankVersions, tiesOfFirst } from '../registry/versions';
import { type Listing, listVersion, type ModelVersion, selectVersion, type VersionQuery } from './version';

/** How many names a line of the log shows. */
const MOST_NAMED = 20;

/** Versions that may be passed over as incomplete. When more are, it is not that one is just being published. */
const MOST_PASSED_OVER = 20;

export interface VersionWish extends VersionQuery {
  /** A version's name, `latest`, or a semantic-version range. */
  readonly version: string;
  readonly includePrereleases: boolean;
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
  const range = isVersion(wish.version) ? undefined : rangeOf(wish.version);
  if (range === undefined) return takeNamed(container, wish, connection);

  const folders = await listVersions(container, wish.versionsFolder, connection);
  if (!isLatest(wish.version) && folders.includes(wish.version)) {
    connection.log.info(`'${wish.version}' is the name of a version, so it is not read as a range.`);
    return takeNamed(container, wish, connection);
  }
  const ranking = rankVersions(folders, range, wish.includePrereleases);
  explainRanking(ranking, wish, range, connection.log);
  if (ranking.fitting.length === 0) throw nothingFits(container, wish, ranking);
  return takeNewest(container, wish, ranking, connection);
}

async function takeNamed(
  container: ModelContainer,
  wish: VersionWish,
  connection: Connection,
): Promise<ChosenVersion> {
  const { version, versionsFolder } = wish;
  const listing = await listVersion(container, version, wish, connection);
  if (listing.files.length === 0) {
    const versions = await listVersions(container, versionsFolder, connection);
    throw versions.includes(version)
      ? new TaskError(`Version '${version}' of the model holds no files. Publish it, or choose another one.`)
      : notThere(container, wish, versions);
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
    const listing: Listing = await listVersion(container, name, wish, connection);
    if (listing.lack === undefined) {
      const why = reasonFor(wish, fitting, passedOver);
      connection.log.info(`Chose version ${name}: ${why}.`);
      return { ...selectVersion(name, listing, wish), why };
    }
    connection.log.warning(`Passed over version ${name}, which is not complete: it ${listing.lack}.`);
    passedOver.push(`'${name}' ${listing.lack}`);
  }
  throw noneComplete(wish, passedOver, fitting.length - passedOver.length);
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
  range: string,
  log: Logger,
): void {
  const meaning = isLatest(version) ? 'the newest version' : `the newest version that fits ${range}`;
  const all = plural(fitting.length + unfit.length, 'version');
  log.info(`'${version}' asks for ${meaning}. Of ${all} these fit, newest first: ${list(fitting)}.`);
  if (prereleases.length > 0) {
    log.info(`Left out as pre-releases: ${list(prereleases)}. 'includePrereleases' takes them in.`);
  }
  if (others.length > 0) {
    log.info(`Left out as no semantic versions: ${list(others)}. They can be asked for by name.`);
  }
  const ties = tiesOfFirst(fitting);
  if (ties.length > 0) {
    log.warning(
      `${quoteAll([fitting[0]!, ...ties])} are the same version as far as semantic versions go. The last by name goes first.`,
    );
  }
}

function notThere(container: ModelContainer, wish: VersionWish, versions: readonly string[]): TaskError {
  if (versions.length === 0) return noVersions(container, wish);
  const close = nearest(wish.version, versions);
  const theirs = close.length === versions.length ? 'its versions are' : 'the nearest of its versions are';
  return new TaskError(
    `There is no version '${wish.version}' of the model in ${whereOf(container, wish)}. Check 'modelVersion': ${theirs} ${quoteAll(close)}.`,
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
    unfit.length > 0 ? ['the newest versions there are', unfit] : ['no folder is named like one', others];
  return new TaskError(
    `No version of the model fits '${wish.version}' in ${where}. Check 'modelVersion': ${are}${unfit.length > 0 ? '' : ':'} ${quoteAll(names.slice(0, 5))}.`,
  );
}

function noneComplete({ version }: VersionWish, [newest, ...older]: string[], unseen: number): TaskError {
  const also =
    older.length > 0 ? `, and ${older.length} older ${older.length === 1 ? 'is' : 'are'} no better` : '';
  return new TaskError(
    `No complete version of the model fits '${version}': the newest, ${newest}${also}. Check 'requiredFiles', or publish a version anew.`,
    { details: unseen > 0 ? [...older, `${unseen} more were not looked at.`] : older },
  );
}

function noVersions(container: ModelContainer, wish: VersionWish): TaskError {
  return new TaskError(
    `There is no version '${wish.version}' of the model: ${whereOf(container, wish)} holds no versions at all. Check 'modelName' and 'pathPrefix', and that the model was published.`,
  );
}

function whereOf({ address }: ModelContainer, { versionsFolder }: VersionWish): string {
  const under = versionsFolder ? ` under '${versionsFolder}'` : '';
  return `container '${address.container}' of storage account '${address.account}'${under}`;
}

function quoteAll(names: readonly string[]): string {
  return names.map((name) => `'${name}'`).join(', ');
}

function list(names: readonly string[]): string {
  if (names.length === 0) return 'none';
  const more = names.length - MOST_NAMED;
  return `${names.slice(0, MOST_NAMED).join(', ')}${more > 0 ? ` and ${more} more` : ''}`;
}
