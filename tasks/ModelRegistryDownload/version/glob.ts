/**
 * Matches paths as the agent's own patterns do (minimatch with `dot`, without braces, comments and negation), in time
 * that grows with the length of the pattern times that of the path, whatever both hold: patterns may come from a commit.
 * Lists of patterns in brackets, such as `+(a|b)`, are not matched: no way to match them has that bound, and no file of a
 * model needs them.
 */

/** What a part of a pattern asks of one character; or `star`, of any number of them. */
type Step = 'star' | ((character: string) => boolean);

/** One level of a pattern; `levels` stands for any number of levels. */
type Level = 'levels' | readonly Step[];

/** A path as patterns look at it: the characters of each level. */
export interface GlobPath {
  readonly text: string;
  readonly levels: readonly (readonly string[])[];
}

/** Takes a path with slashes apart, once for all patterns. */
export function globPath(text: string): GlobPath {
  return { text, levels: text.split('/').map((name) => [...name]) };
}

/** Whether a pattern has lists of patterns in brackets, which can't be matched here. */
export function hasPatternList(pattern: string): boolean {
  return /[?*+@!]\(.*\)/s.test(pattern);
}

/** A function that tells whether a path fits a pattern. */
export function compileGlob(pattern: string): (path: GlobPath) => boolean {
  const plain = pattern.replace(/\/{2,}/g, '/');
  if (!/[*?[\\]/.test(plain)) return ({ text }) => text === plain;
  const levels = plain.split('/').map((level): Level => (level === '**' ? 'levels' : parseLevel(level)));
  return (path) => matchLevels(levels, path.levels);
}

/** Goes back to the latest `**` only: what it took can be taken by it again, so that nothing is looked at twice over. */
function matchLevels(levels: readonly Level[], names: GlobPath['levels']): boolean {
  return matchSteps(
    levels.length,
    names.length,
    (at) => levels[at] === 'levels',
    (at, name) => matchLevel(levels[at] as readonly Step[], names[name]!),
    // At its end it stands for at least one level: `data/**` is what lies in `data`, and not `data` itself.
    levels.at(-1) === 'levels' && levels.length > 1,
  );
}

function matchLevel(steps: readonly Step[], name: readonly string[]): boolean {
  const [first] = steps;
  const last = steps.at(-1);
  if (first === undefined || last === undefined) return name.length === 0;
  const [start] = name;
  const end = name.at(-1);
  // Most patterns part here from most names, which may be long.
  if (first !== 'star' && (start === undefined || !first(start))) return false;
  if (last !== 'star' && (end === undefined || !last(end))) return false;
  // The folder itself and the one above it are no files.
  if (first === 'star' && isFolderMark(name)) return false;
  return matchSteps(
    steps.length,
    name.length,
    (at) => steps[at] === 'star',
    (at, index) => (steps[at] as (character: string) => boolean)(name[index]!),
    false,
  );
}

/** Whether a name is `.` or `..`. */
function isFolderMark(name: readonly string[]): boolean {
  return (name.length === 1 || name.length === 2) && name.every((character) => character === '.');
}

/** The usual way to match stars: on a failure, the latest star takes one more. */
function matchSteps(
  steps: number,
  length: number,
  isStar: (step: number) => boolean,
  fits: (step: number, index: number) => boolean,
  lastNeedsOne: boolean,
): boolean {
  let [step, index, star, mark] = [0, 0, -1, 0];
  while (index < length) {
    if (step < steps && isStar(step)) {
      if (lastNeedsOne && step === steps - 1) return true;
      [star, mark] = [step, index];
      step += 1;
    } else if (step < steps && fits(step, index)) {
      step += 1;
      index += 1;
    } else if (star >= 0) {
      mark += 1;
      [step, index] = [star + 1, mark];
    } else {
      return false;
    }
  }
  while (step < steps && isStar(step) && !(lastNeedsOne && step === steps - 1)) step += 1;
  return step === steps;
}

function parseLevel(level: string): Step[] {
  const steps: Step[] = [];
  const characters = [...level];
  let lastClosing = characters.lastIndexOf(']');
  for (let at = 0; at < characters.length; at++) {
    const character = characters[at]!;
    if (character === '*') {
      if (steps.at(-1) !== 'star') steps.push('star');
    } else if (character === '?') {
      steps.push(() => true);
    } else if (character === '\\' && at + 1 < characters.length) {
      at += 1;
      steps.push(exactly(characters[at]!));
    } else if (character === '[' && lastClosing > at + 1) {
      const end = endOfClass(characters, at);
      if (end === undefined) {
        // None of the brackets that follow is closed either.
        lastClosing = -1;
        steps.push(exactly(character));
      } else {
        steps.push(parseClass(characters.slice(at + 1, end)));
        at = end;
      }
    } else {
      steps.push(exactly(character));
    }
  }
  return steps;
}

function exactly(wanted: string): Step {
  return (character) => character === wanted;
}

/** Where a class that begins at `at` ends: at the first `]` that is not its first character. */
function endOfClass(characters: readonly string[], at: number): number | undefined {
  const first = characters[at + 1] === '!' || characters[at + 1] === '^' ? at + 2 : at + 1;
  for (let end = first + 1; end < characters.length; end++) {
    if (characters[end] === ']' && characters[end - 1] !== '\\') return end;
  }
  return undefined;
}

/** `[a-z_]`, or `[!a-z_]` for all others. */
function parseClass(content: readonly string[]): Step {
  const isNegated = content[0] === '!' || content[0] === '^';
  const members = (isNegated ? content.slice(1) : content).join('').replace(/\\(.)/gs, '$1');
  const list = [...members];
  const ranges: (readonly [number, number])[] = [];
  for (let at = 0; at < list.length; at++) {
    const from = list[at]!.codePointAt(0)!;
    const isRange = list[at + 1] === '-' && at + 2 < list.length;
    ranges.push([from, isRange ? list[at + 2]!.codePointAt(0)! : from]);
    if (isRange) at += 2;
  }
  return (character) => {
    const code = character.codePointAt(0)!;
    return ranges.some(([from, to]) => code >= from && code <= to) !== isNegated;
  };
}
