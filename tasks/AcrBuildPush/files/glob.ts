import type { Fits, Matcher } from './matcher';

/** Longer patterns match nothing that a disk could hold. */
const LONGEST_PATTERN = 4_096;

const isNoSlash: Fits = (char) => char !== '/';

/** What stands between two `*`, character by character, and whether one stands before it. */
interface Chunk {
  readonly isAfterStar: boolean;
  readonly elements: Fits[];
}

/**
 * Reads a pattern by the rules of Go's `filepath.Match`, which `COPY` has: `*` and `?` stay within a name, `[…]` is one
 * of a set, which may be a slash, and `\` takes the next character as it is.
 *
 * @returns undefined for what is none
 */
export function compileGlob(pattern: string): Matcher | undefined {
  if (pattern.length > LONGEST_PATTERN) return undefined;
  const chars = [...pattern];
  const chunks: Chunk[] = [];
  const add = (fits: Fits) => {
    if (chunks.length === 0) chunks.push({ isAfterStar: false, elements: [] });
    chunks.at(-1)!.elements.push(fits);
  };
  for (let at = 0; at < chars.length; at++) {
    const char = chars[at]!;
    if (char === '*') {
      // Several are no more than one.
      if (chunks.at(-1)?.elements.length !== 0) chunks.push({ isAfterStar: true, elements: [] });
    } else if (char === '?') {
      add(isNoSlash);
    } else if (char === '[') {
      const set = readSet(chars, at);
      if (!set) return undefined;
      add(set.fits);
      at = set.end;
    } else {
      const own = char === '\\' ? chars[++at] : char;
      if (own === undefined) return undefined;
      add((other) => other === own);
    }
  }
  return (path) => matches([...path], chunks);
}

/** Each chunk is taken where it matches first, as Go has it: what comes later changes nothing of that. */
function matches(chars: readonly string[], chunks: readonly Chunk[]): boolean {
  let at = 0;
  for (const [index, { isAfterStar, elements }] of chunks.entries()) {
    const isLast = index === chunks.length - 1;
    if (isLast && elements.length === 0) return !chars.includes('/', at);
    const fitsAt = (start: number) =>
      start + elements.length <= chars.length &&
      (!isLast || start + elements.length === chars.length) &&
      elements.every((fits, offset) => fits(chars[start + offset]!));
    let start = at;
    while (!fitsAt(start)) {
      if (!isAfterStar || start >= chars.length || chars[start] === '/') return false;
      start++;
    }
    at = start + elements.length;
  }
  return at === chars.length;
}

/** Whether a name is a pattern. */
export function hasWildcard(name: string): boolean {
  return /^(?:[^\\*?[]|\\.)*[*?[]/s.test(name);
}

/** A set from its `[` to its `]`: neither `-` nor `]` may begin it or end a range. */
function readSet(chars: readonly string[], start: number): { fits: Fits; end: number } | undefined {
  let at = start + 1;
  const isNegated = chars[at] === '^';
  if (isNegated) at++;
  const member = (): number | undefined => {
    const char = chars[at++];
    if (char === undefined || char === '-' || char === ']') return undefined;
    return (char === '\\' ? chars[at++] : char)?.codePointAt(0);
  };
  const ranges: [low: number, high: number][] = [];
  do {
    const low = member();
    if (low === undefined) return undefined;
    let high: number | undefined = low;
    if (chars[at] === '-') {
      at++;
      high = member();
    }
    if (high === undefined) return undefined;
    ranges.push([low, high]);
  } while (chars[at] !== ']');
  const fits: Fits = (char) => {
    const code = char.codePointAt(0)!;
    return ranges.some(([low, high]) => low <= code && code <= high) !== isNegated;
  };
  return { fits, end: at };
}
