import semver from 'semver';
import {
  compareNames,
  compareRanks,
  compareVersions,
  isSurelyBelow,
  isVersion,
  readVersionName,
  type VersionName,
} from './version-name';

/** The word that asks for the newest version. */
const LATEST = 'latest';

/** The folders of a model that can be chosen by `latest` or a range, best first, and the others. */
export interface Ranking {
  /** Those that fit, the newest first. */
  readonly fitting: readonly string[];
  /** Versions that do not fit, the newest first. */
  readonly unfit: readonly string[];
  /** Pre-releases among the unfit that would fit if pre-releases were asked for. */
  readonly prereleases: readonly string[];
  /** Folders whose names have no place among these versions, by name. */
  readonly others: readonly string[];
  /** When the names do not tell which version is the newest: those that it could be, one of each form. */
  readonly rivals: readonly string[];
}

/** Whether `modelVersion` asks for the newest version by the word for it. */
export function isLatest(wanted: string): boolean {
  return wanted.toLowerCase() === LATEST;
}

/**
 * What a range such as `1.x` means in full (`>=1.0.0 <2.0.0`); undefined for what is no range. What could be the name of
 * a version is none: `v1` does not ask for `v1.2.3`.
 */
export function rangeOf(wanted: string): string | undefined {
  return isVersion(wanted) ? undefined : readRange(wanted);
}

/** The range that was perhaps meant by the beginning of a version: `1.x` for `v1`. */
export function rangeBelow(wanted: string): string | undefined {
  return /^[vV]?\d+(\.\d+)?$/.test(wanted) ? `${wanted.replace(/^v/i, '')}.x` : undefined;
}

/** Numbers in ranges may have zeros before them, as those in the names of versions. */
function readRange(text: string): string | undefined {
  return semver.validRange(text.replace(/(^|[^\d])0+(?=\d)/g, '$1')) ?? undefined;
}

/**
 * Sorts a model's folders by how new they are, as far as their names tell: part by part where they are numbers or dates
 * of one form. Where forms mix, one is chosen only if no name of another form could be newer.
 */
export function rankNewest(folders: readonly string[], includePrereleases: boolean): Ranking {
  const read = folders.flatMap((name) => readVersionName(name) ?? []);
  const isWanted = ({ prerelease }: VersionName) => includePrereleases || prerelease === '';
  const forms = byForm(read);
  const surest = forms.find((names) => {
    const best = names.find(isWanted) ?? names[0]!;
    return read.every((name) => name.form === best.form || isSurelyBelow(name, best));
  });
  const chosen = surest ?? [];
  const unfit = namesOf(chosen.filter((name) => !isWanted(name)));
  return {
    fitting: namesOf(chosen.filter(isWanted)),
    unfit,
    prereleases: unfit,
    others: without(folders, chosen),
    rivals: surest ? [] : forms.map((names) => (names.find(isWanted) ?? names[0]!).name),
  };
}

/** Each form's names, the newest first. */
function byForm(read: readonly VersionName[]): VersionName[][] {
  const forms = new Map<string, VersionName[]>();
  for (const name of read) {
    const alike = forms.get(name.form);
    if (alike) alike.push(name);
    else forms.set(name.form, [name]);
  }
  return [...forms.values()].map((names) => names.sort(compareVersions).reverse());
}

/**
 * Sorts a model's folders by how well they do for a range.
 *
 * @param range as npm understands it; `*` for every version
 * @param includePrereleases takes a pre-release in where the release that it leads to would fit; without it, only where
 *   the range itself names a pre-release of that release, as npm has it
 */
export function rankInRange(folders: readonly string[], range: string, includePrereleases: boolean): Ranking {
  const meaning = readRange(range) ?? range;
  const versions = folders
    .flatMap((name) => readVersionName(name) ?? [])
    .filter(({ semantic }) => semantic !== undefined && semver.valid(semantic) !== null)
    .sort(compareVersions)
    .reverse();
  const isFitting = (version: VersionName) => fits(version, meaning, includePrereleases);
  const unfit = versions.filter((version) => !isFitting(version));
  return {
    fitting: namesOf(versions.filter(isFitting)),
    unfit: namesOf(unfit),
    prereleases: namesOf(unfit.filter((version) => fits(version, meaning, true))),
    others: without(folders, versions),
    rivals: [],
  };
}

/**
 * npm lets a pre-release pass only where the range names one of the same release. Where pre-releases are asked for, one
 * fits where the release that it leads to would: `2.0.0-rc.1` is a `2.x`, and, though below `2.0.0`, no `1.x`.
 */
function fits({ semantic, prerelease }: VersionName, range: string, includePrereleases: boolean): boolean {
  if (semver.satisfies(semantic!, range)) return true;
  const { major, minor, patch } = semver.parse(semantic!)!;
  return prerelease !== '' && includePrereleases && semver.satisfies(`${major}.${minor}.${patch}`, range);
}

/** The other names that rank like the first of a ranking: `1.0.0`, `v1.0` and `1.0.0+7` are one version. */
export function tiesOfFirst([first, ...rest]: readonly string[]): string[] {
  const best = first === undefined ? undefined : readVersionName(first);
  return rest.filter((name) => best && compareRanks(readVersionName(name)!, best) === 0);
}

/**
 * The versions that show how those of this model are published: the nearest before one, or, for the first of all, the
 * nearest after it.
 */
export function neighbours(name: string, folders: readonly string[], count: number): string[] {
  const own = readVersionName(name);
  const sorted = folders
    .filter((folder) => folder !== name && readVersionName(folder)?.form === own?.form)
    .sort(compareFolders);
  const before = sorted.filter((folder) => compareFolders(folder, name) < 0);
  return before.length > 0 ? before.slice(-count).reverse() : sorted.slice(0, count);
}

function compareFolders(a: string, b: string): number {
  const [one, other] = [readVersionName(a), readVersionName(b)];
  return one && other ? compareVersions(one, other) : compareNames(a, b);
}

function namesOf(read: readonly VersionName[]): string[] {
  return read.map(({ name }) => name);
}

function without(folders: readonly string[], taken: readonly VersionName[]): string[] {
  const names = new Set(namesOf(taken));
  return folders.filter((folder) => !names.has(folder)).sort(compareNames);
}
