import type { ModelContainer } from './container';
import { hasBlob, listVersions, type ModelFile } from './listing';
import type { Connection } from './persist';
import { neighbours } from './versions';

/** Files by which publishers say that all of a version is there: they store them last. The surest first. */
export const MARKERS = ['_SUCCESS', 'model-manifest.json', 'metadata.json'];

/** Versions that are looked at to learn whether a model's versions have a marker. */
const NEIGHBOURS = 3;

/** Where a version lies, and what it must hold. */
export interface VersionPlace {
  /** Where the versions are: empty, or a path that ends with a slash. */
  readonly versionsFolder: string;
  readonly name: string;
  readonly requiredFiles: readonly string[];
}

/**
 * Finds out whether a version was published to its end.
 *
 * @param files everything in the version
 * @returns what it lacks, going on from "it"; undefined when it is complete
 */
export async function findLack(
  container: ModelContainer,
  place: VersionPlace,
  files: readonly ModelFile[],
  connection: Connection,
): Promise<string | undefined> {
  if (files.length === 0) return 'holds no files';
  const present = new Set(files.map(({ path }) => path));
  const missing = place.requiredFiles.filter((path) => !present.has(path));
  if (missing.length > 0) {
    return `lacks ${missing.map((path) => `'${path}'`).join(', ')}, which 'requiredFiles' asks for`;
  }
  const own = MARKERS.findIndex((marker) => present.has(marker));
  const surer = own < 0 ? MARKERS : MARKERS.slice(0, own);
  return surer.length > 0 ? findMissingMarker(container, place, surer, connection) : undefined;
}

/** A version of a registry that uses no markers must not be refused for having none, so others are looked at. */
async function findMissingMarker(
  container: ModelContainer,
  { versionsFolder, name }: VersionPlace,
  markers: readonly string[],
  connection: Connection,
): Promise<string | undefined> {
  const versions = await listVersions(container, versionsFolder, connection);
  const pairs = markers.flatMap((marker) =>
    neighbours(name, versions, NEIGHBOURS).map((other) => ({ marker, other })),
  );
  const found = await Promise.all(
    pairs.map(({ marker, other }) => hasBlob(container, `${versionsFolder}${other}/${marker}`, connection)),
  );
  const pair = pairs.find((_, index) => found[index]);
  return (
    pair &&
    `lacks '${pair.marker}', which version '${pair.other}' has: publishers of this model store it last`
  );
}
