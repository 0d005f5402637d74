/*
 * The patterns of substitutions, such as `${x#v*}`: `*` is any text of a line and `?` any character of it; behind a
 * backslash they are characters like others. Each is looked for by its stretches without `*`, so that no pattern takes long.
 */

/** A character, or undefined for any. */
type Stretch = readonly (string | undefined)[];

/** Longer patterns are refused: nobody writes them. */
const LONGEST_PATTERN = 1_000;

/**
 * Takes from the beginning of a text what a pattern matches.
 *
 * @param isLongest whether as much as possible is taken, not as little
 * @returns undefined for what is no pattern
 */
export function withoutPrefix(text: string, pattern: string, isLongest: boolean): string | undefined {
  const stretches = parse(pattern);
  const chars = [...text];
  const end = stretches && endOfMatch(chars, stretches, 0, isLongest);
  return stretches && (end === undefined ? text : chars.slice(end).join(''));
}

/** The same for the end of a text. */
export function withoutSuffix(text: string, pattern: string, isLongest: boolean): string | undefined {
  const rest = withoutPrefix(reverse(text), reversePattern(pattern), isLongest);
  return rest === undefined ? undefined : reverse(rest);
}

function reverse(text: string): string {
  return [...text].reverse().join('');
}

/** A pattern for the text from its end. An escape at the end of the pattern escapes what was before it, as in docker. */
function reversePattern(pattern: string): string {
  return (pattern.match(/\\.|./gsu) ?? []).reverse().join('');
}

/** Replaces the first stretch of a text that matches, or all; undefined for what is no pattern. */
export function replacePattern(
  text: string,
  pattern: string,
  replacement: string,
  isForAll: boolean,
): string | undefined {
  const stretches = parse(pattern);
  if (!stretches) return undefined;
  const chars = [...text];
  let result = '';
  let at = 0;
  let last = -1;
  while (at <= chars.length) {
    const match = findMatch(chars, stretches, at);
    if (!match) break;
    const { start, end } = match;
    const matched = () => chars.slice(start, end).join('');
    result += chars.slice(at, start).join('');
    // Where a match ended, none that is empty begins.
    if (end > last) result += isForAll ? fillIn(replacement, matched) : replacement;
    last = end;
    // An empty match goes on behind the next character.
    const next = end > start ? end : end + 1;
    result += chars.slice(end, next).join('');
    at = next;
    if (!isForAll) break;
  }
  return result + chars.slice(at).join('');
}

/** Go's replacements of all matches have signs of their own: `$0` is what matched, and other names stand for nothing. */
function fillIn(replacement: string, matched: () => string): string {
  return replacement.replace(
    /\$(?:\$|([\p{L}\p{Nd}_]+)|\{([\p{L}\p{Nd}_]+)\})/gu,
    (sign, name: string | undefined, inBraces: string | undefined) => {
      if (sign === '$$') return '$';
      return (name ?? inBraces) === '0' ? matched() : '';
    },
  );
}

/** The stretches between the `*` of a pattern; undefined for what is none. */
function parse(pattern: string): Stretch[] | undefined {
  if (pattern.length > LONGEST_PATTERN) return undefined;
  const stretches: (string | undefined)[][] = [[]];
  const chars = [...pattern];
  for (let at = 0; at < chars.length; at++) {
    const char = chars[at]!;
    const stretch = stretches.at(-1)!;
    if (char === '*') stretches.push([]);
    else if (char === '?') stretch.push(undefined);
    else if (char !== '\\') stretch.push(char);
    else {
      const next = chars[++at] ?? '';
      if (!/^[*?\\/}]$/.test(next)) return undefined;
      stretch.push(next);
    }
  }
  return stretches;
}

/** The first match from a place on, as long as it can be. */
function findMatch(
  chars: readonly string[],
  stretches: readonly Stretch[],
  from: number,
): { start: number; end: number } | undefined {
  const [first] = stretches;
  const isOnOneLine = !first!.includes('\n');
  for (let start = find(chars, first!, from); start !== undefined; ) {
    const end = endOfMatch(chars, stretches, start, true);
    if (end !== undefined) return { start, end };
    // What is not found from here on is not found from later in the line.
    start = find(chars, first!, isOnOneLine ? Math.max(start + 1, endOfReach(chars, start)) : start + 1);
  }
  return undefined;
}

/** Where a match that begins at a place ends; undefined where none begins there. */
function endOfMatch(
  chars: readonly string[],
  [first, ...more]: readonly Stretch[],
  start: number,
  isLongest: boolean,
): number | undefined {
  if (!isAt(chars, first!, start)) return undefined;
  let end = start + first!.length;
  for (const [index, stretch] of more.entries()) {
    const isLast = index === more.length - 1;
    const gap = isLast && isLongest ? findLast : find;
    // It may begin in the line that `*` ends in, and go on in the next.
    const limit = Math.min(chars.length, endOfReach(chars, end) + stretch.length);
    const found = gap(chars, stretch, end, limit);
    if (found === undefined) return undefined;
    end = found + stretch.length;
  }
  return end;
}

/** How far `*` comes: to the end of the line. */
function endOfReach(chars: readonly string[], from: number): number {
  const end = chars.indexOf('\n', from);
  return end < 0 ? chars.length : end;
}

/** @param limit where a stretch ends at the latest */
function find(
  chars: readonly string[],
  stretch: Stretch,
  from: number,
  limit = chars.length,
): number | undefined {
  for (let at = from; at + stretch.length <= limit; at++) if (isAt(chars, stretch, at)) return at;
  return undefined;
}

function findLast(
  chars: readonly string[],
  stretch: Stretch,
  from: number,
  limit: number,
): number | undefined {
  for (let at = limit - stretch.length; at >= from; at--) if (isAt(chars, stretch, at)) return at;
  return undefined;
}

function isAt(chars: readonly string[], stretch: Stretch, at: number): boolean {
  return (
    at + stretch.length <= chars.length &&
    stretch.every((char, index) =>
      char === undefined ? chars[at + index] !== '\n' : char === chars[at + index],
    )
  );
}
