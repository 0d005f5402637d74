import { throwIfCancelled } from '../../common/cancel';
import type { ModelContainer } from '../registry/container';
import { isRefusal, reason } from '../registry/errors';
import { hasBlob, listVersions, type ModelFile } from '../registry/listing';
import { Access, type Connection } from '../registry/persist';
import type { Completeness } from './completeness-rules';
import { neighbours } from './ranking';

/** Files by which publishers say that all of a version is there: they store them last. The surest first. */
export const MARKERS = ['_SUCCESS', 'model-manifest.json'];

/** Versions that are looked at to learn whether a model's versions have a marker. */
const NEIGHBOURS = 3;

/** Where a version lies, and what it must hold. */
export interface VersionPlace {
  /** Where the versions are: empty, or a path that ends with a slash. */
  readonly versionsFolder: string;
  readonly name: string;
  readonly requiredFiles: readonly string[];
  readonly completeness: Completeness;
}

/**
 * What becomes of a guess, which is made from how other versions were published: it decides whether `latest` takes a version,
 * it is told with a version that is taken in any case, or it is not made.
 */
export type GuessUse = 'decides' | 'told' | 'none';

/** What a version lacks. */
export interface Lack {
  /** Going on from "it". */
  readonly what: string;
  /** Whether that is a guess, from how other versions were published. */
  readonly isGuess: boolean;
}

/**
 * Finds out whether a version was published to its end.
 *
 * @param files everything in the version
 * @returns undefined when it is complete
 */
export async function findLack(
  container: ModelContainer,
  place: VersionPlace,
  files: readonly ModelFile[],
  guess: GuessUse,
  connection: Connection,
): Promise<Lack | undefined> {
  if (files.length === 0) return { what: 'holds no files', isGuess: false };
  if (place.completeness === 'off') return undefined;
  const present = new Set(files.map(({ path }) => path));
  const missing = place.requiredFiles.filter((path) => !present.has(path));
  if (missing.length > 0) {
    const names = missing.map((path) => `'${path}'`).join(', ');
    return { what: `lacks ${names}, which 'requiredFiles' asks for`, isGuess: false };
  }
  const isGuessed = place.completeness === 'auto' && place.requiredFiles.length === 0;
  if (!isGuessed || guess === 'none') return undefined;
  const own = MARKERS.findIndex((marker) => present.has(marker));
  const surer = own < 0 ? MARKERS : MARKERS.slice(0, own);
  if (surer.length === 0) return undefined;
  const what =
    guess === 'decides'
      ? await findMissingMarker(container, place, surer, connection)
      : await ifItCanBeTold(
          () => findMissingMarker(container, place, surer, forGuess(connection)),
          connection,
        );
  return what === undefined ? undefined : { what, isGuess: true };
}

/** No trouble with other versions fails a step that has named its own. */
async function ifItCanBeTold<T>(look: () => Promise<T>, { log, signal }: Connection): Promise<T | undefined> {
  try {
    return await look();
  } catch (error) {
    throwIfCancelled(signal);
    log.info(`What other versions hold, to compare with, is not known: ${reason(error as Error)}.`);
    return undefined;
  }
}

/** A guess is worth less time than the version itself. */
function forGuess(connection: Connection): Connection {
  const { patience } = connection;
  return { ...asStranger(connection), patience: { ...patience, retry: patience.refusal } };
}

/** A version of a registry that uses no markers must not be refused for having none, so others are looked at. */
async function findMissingMarker(
  container: ModelContainer,
  { versionsFolder, name }: VersionPlace,
  markers: readonly string[],
  connection: Connection,
): Promise<string | undefined> {
  const versions = await unlessRefused(listVersions(container, versionsFolder, connection), []);
  const pairs = markers.flatMap((marker) =>
    neighbours(name, versions, NEIGHBOURS).map((other) => ({ marker, other })),
  );
  const found = await Promise.all(
    pairs.map(({ marker, other }) =>
      unlessRefused(hasBlob(container, `${versionsFolder}${other}/${marker}`, connection), false),
    ),
  );
  const pair = pairs.find((_, index) => found[index]);
  return (
    pair &&
    `lacks '${pair.marker}', which version '${pair.other}' has: publishers of this model store it last`
  );
}

/** For requests to be turned away from at once: that says nothing of the version's own folder. */
export function asStranger(connection: Connection): Connection {
  return { ...connection, access: new Access() };
}

/** Who may read one folder only, by a signature for it or a condition of a role, knows of no other version. */
export async function unlessRefused<T>(answer: Promise<T>, otherwise: T): Promise<T> {
  try {
    return await answer;
  } catch (error) {
    if (isRefusal(error as Error)) return otherwise;
    throw error;
  }
}
