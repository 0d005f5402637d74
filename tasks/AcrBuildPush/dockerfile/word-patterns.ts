/*
 * The patterns of substitutions, such as `${x#v*}`: `*` is any text and `?` any character, which a backslash makes
 * characters like others. Each is looked for by its stretches without `*`, so that no pattern takes long.
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
  const stretches = parse(pattern)
    ?.map((stretch) => [...stretch].reverse())
    .reverse();
  const chars = [...text].reverse();
  const end = stretches && endOfMatch(chars, stretches, 0, isLongest);
  return stretches && (end === undefined ? text : chars.slice(end).reverse().join(''));
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
  while (at <= chars.length) {
    const start = find(chars, stretches[0]!, at);
    const end = start === undefined ? undefined : endOfMatch(chars, stretches, start, true);
    if (start === undefined || end === undefined) break;
    result += chars.slice(at, start).join('') + replacement;
    // An empty match goes on behind the next character.
    const next = end > start ? end : end + 1;
    result += chars.slice(end, next).join('');
    at = next;
    if (!isForAll) break;
  }
  return result + chars.slice(at).join('');
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
    const found = isLast && isLongest ? findLast(chars, stretch, end) : find(chars, stretch, end);
    if (found === undefined) return undefined;
    end = found + stretch.length;
  }
  return end;
}

function find(chars: readonly string[], stretch: Stretch, from: number): number | undefined {
  for (let at = from; at + stretch.length <= chars.length; at++) if (isAt(chars, stretch, at)) return at;
  return undefined;
}

function findLast(chars: readonly string[], stretch: Stretch, from: number): number | undefined {
  for (let at = chars.length - stretch.length; at >= from; at--) if (isAt(chars, stretch, at)) return at;
  return undefined;
}

function isAt(chars: readonly string[], stretch: Stretch, at: number): boolean {
  return (
    at + stretch.length <= chars.length &&
    stretch.every((char, index) => char === undefined || char === chars[at + index])
  );
}
