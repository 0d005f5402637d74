import { TaskError } from '../../common/errors';
import { formatDuration, nearest, plural } from '../../common/text';
import type { RegisteredModel } from '../catalog/model-path';
import type { Models, RegisteredVersion } from '../catalog/models';
import type { VersionWish } from '../catalog/version-wish';
import type { Connection } from '../registry/persist';

/** Milliseconds for which a version that is being registered is waited for, and between two looks at it. */
const WAIT = 2 * 60_000;
const LOOK_EVERY = 5_000;

/** How many versions a message names. */
const MOST_NAMED = 20;

export interface RegisteredChoice {
  readonly version: RegisteredVersion;
  /** Why it is this one: half a sentence. */
  readonly why: string;
}

/** Unity Catalog, as far as a choice needs it. */
export interface Catalog {
  readonly models: Pick<Models, 'version' | 'byAlias' | 'versions'>;
  readonly model: RegisteredModel;
  /** Host of the workspace. */
  readonly host: string;
  /** Whether an error says that something does not exist. */
  isNotFound(error: unknown): boolean;
}

/**
 * Finds the version of a registered model that a step asks for, and tells the log how.
 *
 * @throws TaskError when there is none, or when it was never registered to its end
 */
export async function chooseRegistered(
  catalog: Catalog,
  wish: VersionWish,
  connection: Connection,
): Promise<RegisteredChoice> {
  switch (wish.kind) {
    case 'latest':
      return takeLatest(catalog, connection);
    case 'number': {
      const version = await find(catalog, String(wish.number), () => catalog.models.version(wish.number));
      return { version: await untilReady(catalog, version, connection), why: "named by 'modelVersion'" };
    }
    case 'alias': {
      const version = await find(catalog, `@${wish.alias}`, () => catalog.models.byAlias(wish.alias));
      connection.log.info(`Alias '${wish.alias}' stands for version ${version.number}.`);
      return {
        version: await untilReady(catalog, version, connection),
        why: `has the alias '${wish.alias}'`,
      };
    }
  }
}

async function takeLatest(catalog: Catalog, connection: Connection): Promise<RegisteredChoice> {
  const versions = await listAll(catalog);
  const sorted = versions.sort((a, b) => b.number - a.number);
  const newest = sorted.find(({ status }) => status === 'READY');
  const passedOver = sorted.filter(({ number }) => number > (newest?.number ?? 0));
  const told = passedOver
    .slice(0, MOST_NAMED)
    .map(({ number, status }) => `${number} (${status || 'no status'})`);
  if (!newest) {
    const others = told.length > 0 ? `: there are ${told.join(', ')}` : ', nor any other';
    throw new TaskError(
      `Model '${catalog.model.name}' at ${catalog.host} has no version that is ready${others}. Register one, and check that what you sign in as has ${catalog.model.permission}.`,
    );
  }
  const over = told.length > 0 ? `; passed over ${told.join(', ')}` : '';
  if (over) {
    connection.log.warning(
      `Passed over, for not being ready: ${told.join(', ')}. They are being registered, or were never to the end.`,
    );
  }
  const why = `the newest that is ready of ${plural(versions.length, 'version')}${over}`;
  connection.log.info(`Chose version ${newest.number}: ${why}.`);
  // What is listed may say less of a version than what is asked for by number.
  const number = String(newest.number);
  return { version: await find(catalog, number, () => catalog.models.version(newest.number)), why };
}

async function find(
  catalog: Catalog,
  wanted: string,
  ask: () => Promise<RegisteredVersion>,
): Promise<RegisteredVersion> {
  try {
    return await ask();
  } catch (error) {
    if (!catalog.isNotFound(error)) throw error;
    throw await notThere(catalog, wanted);
  }
}

async function notThere(catalog: Catalog, wanted: string): Promise<TaskError> {
  const { model, host } = catalog;
  const versions = await listAll(catalog);
  const what = wanted.startsWith('@') ? `alias '${wanted.slice(1)}'` : `version ${wanted}`;
  if (versions.length === 0) {
    return new TaskError(
      `Model '${model.name}' at ${host} has no ${what}, nor any version that the step may see. Check 'modelName' and 'modelVersion', and that what you sign in as has ${model.permission}.`,
    );
  }
  const numbers = versions
    .map(({ number }) => number)
    .sort((a, b) => b - a)
    .map(String);
  const close = wanted.startsWith('@') ? numbers.slice(0, 5) : nearest(wanted, numbers);
  const are = close.length === numbers.length ? 'its versions are' : 'some of its versions are';
  return new TaskError(
    `Model '${model.name}' at ${host} has no ${what}. Check 'modelVersion': ${are} ${close.join(', ')}.${wanted.startsWith('@') ? " Aliases are set on the model's page in Catalog Explorer." : ''}`,
  );
}

async function listAll({ models, model, host, isNotFound }: Catalog): Promise<RegisteredVersion[]> {
  try {
    return await models.versions();
  } catch (error) {
    if (!isNotFound(error)) throw error;
    throw new TaskError(
      `There is no model '${model.name}' in Unity Catalog at ${host}, or the step may not see it. Check 'modelName', and that what you sign in as has ${model.permission}.`,
    );
  }
}

/** A version is ready once its publisher has stored all files; one that fell over on the way never is. */
async function untilReady(
  { models, model }: Catalog,
  first: RegisteredVersion,
  { log, signal, patience }: Connection,
): Promise<RegisteredVersion> {
  let version = first;
  const name = `Version ${first.number} of model '${model.name}'`;
  for (let waited = 0; version.status === 'PENDING_REGISTRATION'; waited += LOOK_EVERY) {
    if (waited === 0)
      log.info(`${name} is being registered. Waiting up to ${formatDuration(WAIT)} for that to end.`);
    if (waited >= WAIT) {
      throw new TaskError(
        `${name} is not complete: it is still being registered (PENDING_REGISTRATION). Run the step again once that has ended; if the job that registers it has failed, register the model again.`,
      );
    }
    await patience.sleep(LOOK_EVERY, signal);
    version = await models.version(first.number);
  }
  if (version.status === 'FAILED_REGISTRATION') {
    throw new TaskError(
      `${name} was never registered to its end (FAILED_REGISTRATION), so it may lack files. Register the model again, and take that version.`,
    );
  }
  if (version.status !== 'READY') {
    log.warning(
      `${name} has the status '${version.status}', which is not known here. It is downloaded, since it is named.`,
    );
  }
  return version;
}
