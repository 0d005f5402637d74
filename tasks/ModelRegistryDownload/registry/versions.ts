import semver from 'semver';

/** The word that asks for the newest version. */
const LATEST = 'latest';

/** How versions follow one another, as `Array.sort` wants it: by semantic version, and by name where that is equal. */
function compareVersions(a: string, b: string): number {
  return semver.compare(a, b) || compareNames(a, b);
}

/** By name, with numbers as numbers: `v9` comes before `v10`. */
function compareNames(a: string, b: string): number {
  return a.localeCompare(b, 'en', { numeric: true });
}

/** The folders of a model that can be chosen by `latest` or a range, best first, and the others. */
export interface Ranking {
  /** Those that fit, the newest first. */
  readonly fitting: readonly string[];
  /** Semantic versions that do not fit, the newest first. */
  readonly unfit: readonly string[];
  /** Pre-releases among the unfit that would fit if pre-releases were asked for. */
  readonly prereleases: readonly string[];
  /** Folders whose names are no semantic versions, by name. */
  readonly others: readonly string[];
}

/** Whether `modelVersion` asks for the newest version by the word for it. */
export function isLatest(wanted: string): boolean {
  return wanted.toLowerCase() === LATEST;
}

/** Whether a name is a whole semantic version, such as `1.0.0`, `v1.2.3` or `2.0.0-rc.1`. */
export function isVersion(name: string): boolean {
  // The package passes over spaces around a version, but a folder with them is another folder.
  return name === name.trim() && semver.valid(name) !== null;
}

/** What a range such as `1.x` means in full (`>=1.0.0 <2.0.0`); undefined for what is no range. */
export function rangeOf(wanted: string): string | undefined {
  return isLatest(wanted) ? '*' : (semver.validRange(wanted) ?? undefined);
}

/**
 * Sorts a model's folders by how well they do for a range.
 *
 * @param range as npm understands it; `*` for every version
 * @param includePrereleases takes a pre-release in where the release that it leads to would fit; without it, only where
 *   the range itself names a pre-release of that release, as npm has it
 */
export function rankVersions(
  folders: readonly string[],
  range: string,
  includePrereleases: boolean,
): Ranking {
  const versions = folders.filter(isVersion).sort(compareVersions).reverse();
  const fitting = versions.filter((name) => fits(name, range, includePrereleases));
  const chosen = new Set(fitting);
  const unfit = versions.filter((name) => !chosen.has(name));
  return {
    fitting,
    unfit,
    prereleases: unfit.filter((name) => fits(name, range, true)),
    others: folders.filter((name) => !isVersion(name)).sort(compareNames),
  };
}

/**
 * npm lets a pre-release pass only where the range names one of the same release. Where pre-releases are asked for, one
 * fits where the release that it leads to would: `2.0.0-rc.1` is a `2.x`, and, though below `2.0.0`, no `1.x`.
 */
function fits(name: string, range: string, includePrereleases: boolean): boolean {
  if (semver.satisfies(name, range)) return true;
  const { major, minor, patch } = semver.parse(name)!;
  return includePrereleases && semver.satisfies(`${major}.${minor}.${patch}`, range);
}

/** The other names that rank like the first of a ranking: `1.0.0`, `v1.0.0` and `1.0.0+7` are one version. */
export function tiesOfFirst([first, ...rest]: readonly string[]): string[] {
  return rest.filter((name) => semver.compare(name, first!) === 0);
}

/**
 * The versions whose ways show how a version of this model is published: the nearest before it, or, for the first of
 * all, the nearest after it.
 */
export function neighbours(name: string, folders: readonly string[], count: number): string[] {
  const alike = folders.filter((folder) => folder !== name && isVersion(folder) === isVersion(name));
  const compare = isVersion(name) ? compareVersions : compareNames;
  const sorted = alike.sort(compare);
  const before = sorted.filter((folder) => compare(folder, name) < 0);
  return before.length > 0 ? before.slice(-count).reverse() : sorted.slice(0, count);
}
