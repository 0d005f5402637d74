/**
 * Translates a pattern of file names: `*` and `?` stay within a name, `[…]` is one of a set, `\` takes the next
 * character as it is. With `folders`, `**` is any number of folders; without, it is no more than `*`.
 *
 * @returns undefined for a pattern that docker refuses
 */
export function globToRegExp(pattern: string, { folders }: { folders: boolean }): RegExp | undefined {
  const chars = [...pattern];
  let source = '';
  for (let at = 0; at < chars.length; at++) {
    const char = chars[at]!;
    if (folders && char === '*' && chars[at + 1] === '*') {
      at++;
      if (chars[at + 1] === '/') at++;
      source += at + 1 === chars.length ? '.*' : '(?:.*/)?';
    } else if (char === '*') {
      source += '[^/]*';
    } else if (char === '?') {
      source += '[^/]';
    } else if (char === '\\') {
      const next = chars[++at];
      if (next === undefined) return undefined;
      // Docker hands what is escaped in `.dockerignore` to a regular expression as it is: `\\b` is the end of a word.
      source += folders && /[a-z0-9]/i.test(next) ? `\\${next}` : literal(next);
    } else if (char === '[') {
      const set = readSet(chars, at);
      if (!set) return undefined;
      source += set.source;
      at = set.end;
    } else {
      source += literal(char);
    }
  }
  try {
    return new RegExp(`^${source}$`, 'su');
  } catch {
    // Such as the range from z to a.
    return undefined;
  }
}

/** Whether a name is a pattern. */
export function hasWildcard(name: string): boolean {
  return /^(?:[^\\*?[]|\\.)*[*?[]/s.test(name);
}

function literal(char: string): string {
  return /[\\^$.*+?()[\]{}|/]/.test(char) ? `\\${char}` : char;
}

/** A set from its `[` to its `]`, by the rules of Go: neither `-` nor `]` may begin it or end a range. */
function readSet(chars: readonly string[], start: number): { source: string; end: number } | undefined {
  let at = start + 1;
  const negated = chars[at] === '^';
  if (negated) at++;
  const member = (): string | undefined => {
    const char = chars[at++];
    if (char === undefined || char === '-' || char === ']') return undefined;
    const own = char === '\\' ? chars[at++] : char;
    return own && (/[\\^\]\-[]/.test(own) ? `\\${own}` : own);
  };
  let source = '';
  do {
    const low = member();
    if (low === undefined) return undefined;
    source += low;
    if (chars[at] !== '-') continue;
    at++;
    const high = member();
    if (high === undefined) return undefined;
    source += `-${high}`;
  } while (chars[at] !== ']');
  return { source: `(?!/)[${negated ? '^' : ''}${source}]`, end: at };
}
