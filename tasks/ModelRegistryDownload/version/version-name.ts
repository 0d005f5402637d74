import semver from 'semver';

/** What the name of a version tells about its place among others. */
export interface VersionName {
  readonly name: string;
  /**
   * Only names of one form can be ranked: `version`, `date`, or the text around the numbers, such as `run-#`. A name
   * whose numbers could be read in several ways has a form of its own.
   */
  readonly form: string;
  /** The most telling first. One that is missing counts as 0. */
  readonly numbers: readonly bigint[];
  /** What makes it a pre-release, such as `rc.1`; empty for a release. */
  readonly prerelease: string;
  /** The version in full (`1.2.0` for `v1.2`), where a range can be held against the name. */
  readonly semantic: string | undefined;
}

/**
 * Reads the name of a version: numbers with dots (`1.2.0`, `v3`, `01.02`), a date that begins with its year
 * (`2024-11-30`, `2024.10.15`, `20241130-0600`), both also with a pre-release, or any text with numbers (`run-7`).
 *
 * @returns undefined for a name without any digit: it has no place among versions
 */
export function readVersionName(name: string): VersionName | undefined {
  if (!/\d/.test(name)) return undefined;
  return readDate(name) ?? readNumbers(name) ?? readShape(name);
}

/** Whether a name is that of one version in numbers or a date, rather than a range, a word or a sentence. */
export function isVersion(name: string): boolean {
  return /^(version|date|#\d+)$/.test(readVersionName(name)?.form ?? '') || semver.valid(name) !== null;
}

/** How two names of one form follow one another; 0 for names of equal rank, such as `1.0` and `v1.0.0`. */
export function compareRanks(a: VersionName, b: VersionName): number {
  return (
    compareNumbers(a.numbers, b.numbers) ||
    Number(a.prerelease === '') - Number(b.prerelease === '') ||
    comparePrereleases(a.prerelease, b.prerelease)
  );
}

/** How two names of one form are sorted: by rank, and by the names themselves where that is equal. */
export function compareVersions(a: VersionName, b: VersionName): number {
  return compareRanks(a, b) || compareNames(a.name, b.name);
}

/** By name, with numbers as numbers: `v9` comes before `v10`. */
export function compareNames(a: string, b: string): number {
  return a.localeCompare(b, 'en', { numeric: true });
}

/**
 * Whether a name of another form surely ranks below a version: it begins with numbers of the version's form, and those
 * are smaller. `1.0.0_old` is below `2.0.0`, while `1.0.0_fixed` may be above `1.0.0`, `2024-11-30T07:00+01:00` above
 * `2024-11-30T05:30Z`, and `run-7` may be anything.
 */
export function isSurelyBelow({ name }: VersionName, best: VersionName): boolean {
  const beginning = LEADING_NUMBERS.exec(name)?.[0];
  const read = beginning === undefined ? undefined : readVersionName(beginning);
  // What follows its numbers may stand for further ones.
  const length = read?.numbers.length;
  return read?.form === best.form && compareNumbers(read.numbers, best.numbers.slice(0, length)) < 0;
}

const LEADING_NUMBERS = /^[vV]?\d+(?:[-._]\d+)*/;

/** A number of so many digits tells seconds, a date without its marks, or a random id: not what `1` and `2` tell. */
const COUNTER_DIGITS = 8;

const isYear = (digits: string) => /^(?:19|20|21)\d\d$/.test(digits);

function readNumbers(name: string): VersionName | undefined {
  const [, core, rest] = /^[vV]?(\d+(?:\.\d+)*)(.*)$/s.exec(name) ?? [];
  if (core === undefined) return undefined;
  const parts = core.split('.');
  // Day, month and year; or month, day and year; or really a version.
  if (parts.length === 3 && isYear(parts[2]!)) return undefined;
  const tail = readTail(rest!, parts.length === 3);
  if (tail === undefined) return undefined;
  const numbers = parts.map(BigInt);
  return {
    name,
    form: parts.length > 1 ? (isYear(parts[0]!) ? 'date' : 'version') : formOfCounter(numbers[0]!),
    numbers,
    prerelease: tail,
    semantic: inFull(numbers, tail),
  };
}

function formOfCounter(number: bigint): string {
  const { length } = String(number);
  return length <= COUNTER_DIGITS ? 'version' : `#${length}`;
}

/**
 * What follows the numbers of a version: nothing, or a pre-release, and what does not count for the rank (`+build`).
 *
 * @param isWhole whether any `-…` is a pre-release, as semantic versions have it. After other numbers, only the words for
 *   one are: `3-hotfix` may well be newer than `3`
 */
function readTail(rest: string, isWhole: boolean): string | undefined {
  const tail = rest.replace(/\+[0-9A-Za-z.-]+$/, '');
  if (tail === '') return '';
  const prerelease = isWhole ? /^-([0-9A-Za-z.-]+)$/.exec(tail)?.[1] : undefined;
  return prerelease ?? /^[-_.]?((?:a|b|c|rc|alpha|beta|pre|preview|dev)[-_.]?\d*)$/i.exec(tail)?.[1];
}

function inFull(numbers: readonly bigint[], prerelease: string): string {
  const [major, minor = 0n, patch = 0n] = numbers;
  return `${major}.${minor}.${patch}${prerelease && `-${prerelease.replace(/(^|\.)0+(?=\d+(\.|$))/g, '$1')}`}`;
}

function readDate(name: string): VersionName | undefined {
  const marked = /^[vV]?(\d{4})([-_.])(\d{1,2})(?:\2(\d{1,2}))?(?!\d)(.*)$/s.exec(name);
  const plain = marked ? undefined : /^[vV]?(\d{4})(\d{2})(\d{2})(.*)$/s.exec(name);
  if (plain && !isDay(plain[2]!, plain[3]!)) return undefined;
  const date = marked ? [marked[1], marked[3], marked[4]] : plain?.slice(1, 4);
  if (!date || !isYear(date[0]!)) return undefined;
  const rest = (marked?.[5] ?? plain?.[4])!;
  const time = readTime(rest);
  const prerelease = time ? '' : readTail(rest, false);
  if (prerelease === undefined) return undefined;
  const numbers = date.flatMap((digits) => (digits === undefined ? [] : BigInt(digits)));
  return {
    name,
    form: 'date',
    numbers: [...numbers, ...(time ?? [])],
    prerelease,
    semantic: marked?.[2] === '.' ? inFull(numbers, prerelease) : undefined,
  };
}

function isDay(month: string, day: string): boolean {
  return Number(month) >= 1 && Number(month) <= 12 && Number(day) >= 1 && Number(day) <= 31;
}

/** What follows a date: a time in any of the usual ways (`T06:00:00Z`, `-0600`, `_06-00`), or which of the day it is. */
function readTime(rest: string): bigint[] | undefined {
  if (!/^[-_.:T \d]*\dZ?$/.test(rest)) return undefined;
  return (rest.match(/\d+/g) ?? []).flatMap((digits) => {
    const isPaired = digits.length === 4 || digits.length === 6;
    return (isPaired ? digits.match(/../g)! : [digits]).map(BigInt);
  });
}

function readShape(name: string): VersionName {
  const shape = name.replace(/\d+/g, '#');
  const digits = name.match(/\d+/g)!;
  return {
    name,
    form: isReadable(shape, digits) ? shape : name,
    numbers: digits.map(BigInt),
    prerelease: '',
    semantic: undefined,
  };
}

/** Dates that do not begin with the year can be read in several ways, and in a hash no digit comes before another. */
function isReadable(shape: string, digits: readonly string[]): boolean {
  const isDayFirst = digits.length >= 3 && isYear(digits[2]!) && /^#[-_./]#[-_./]#/.test(shape);
  const isHash = /^[#a-f]{5,}$/.test(shape);
  return !isDayFirst && !isHash;
}

function compareNumbers(a: readonly bigint[], b: readonly bigint[]): number {
  for (let index = 0; index < Math.max(a.length, b.length); index++) {
    const [one, other] = [a[index] ?? 0n, b[index] ?? 0n];
    if (one !== other) return one < other ? -1 : 1;
  }
  return 0;
}

/** As semantic versions have it, but that `rc10` comes after `rc2`. */
function comparePrereleases(a: string, b: string): number {
  const [ours, theirs] = [a.split('.'), b.split('.')];
  for (let index = 0; index < Math.max(ours.length, theirs.length); index++) {
    const [one, other] = [ours[index], theirs[index]];
    if (one === undefined || other === undefined) return one === undefined ? -1 : 1;
    const numbersFirst = Number(/^\d+$/.test(other)) - Number(/^\d+$/.test(one));
    const order = numbersFirst || compareNames(one, other);
    if (order !== 0) return order;
  }
  return 0;
}
