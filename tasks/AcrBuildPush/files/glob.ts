import { createMatcher, type Element, type Fits, type Matcher } from './matcher';

/** Longer patterns match nothing that a disk could hold. */
export const LONGEST_PATTERN = 4_096;

const isNoSlash: Fits = (char) => char !== '/';

/**
 * Reads a pattern by the rules of Go's `filepath.Match`, which `COPY` has: `*` and `?` stay within a name, `[…]` is one
 * of a set, `\` takes the next character as it is.
 *
 * @returns undefined for what is none
 */
export function compileGlob(pattern: string): Matcher | undefined {
  if (pattern.length > LONGEST_PATTERN) return undefined;
  const chars = [...pattern];
  const elements: Element[] = [];
  for (let at = 0; at < chars.length; at++) {
    const char = chars[at]!;
    if (char === '*') {
      // Several are no more than one.
      if (chars[at - 1] !== '*' || elements.at(-1)?.kind !== 'run')
        elements.push({ kind: 'run', fits: isNoSlash });
    } else if (char === '?') {
      elements.push({ kind: 'one', fits: isNoSlash });
    } else if (char === '[') {
      const set = readSet(chars, at);
      if (!set) return undefined;
      elements.push({ kind: 'one', fits: set.fits });
      at = set.end;
    } else {
      const own = char === '\\' ? chars[++at] : char;
      if (own === undefined) return undefined;
      elements.push({ kind: 'one', fits: (other) => other === own });
    }
  }
  return createMatcher(elements);
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
