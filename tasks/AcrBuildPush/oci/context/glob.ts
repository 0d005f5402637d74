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
      const end = classEnd(chars, at);
      const inner = chars.slice(at + 1, end);
      if (end < 0 || !inner.length || (inner.length === 1 && inner[0] === '^')) return undefined;
      source += characterClass(inner);
      at = end;
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

function classEnd(chars: readonly string[], start: number): number {
  for (let at = start + 1; at < chars.length; at++) {
    if (chars[at] === '\\') at++;
    else if (chars[at] === ']') return at;
  }
  return -1;
}

function characterClass(inner: readonly string[]): string {
  const negated = inner[0] === '^';
  let source = '';
  for (let at = negated ? 1 : 0; at < inner.length; at++) {
    const char = inner[at]!;
    if (char === '-') source += '-';
    else source += classLiteral(char === '\\' ? inner[++at]! : char);
  }
  return `(?!/)[${negated ? '^' : ''}${source}]`;
}

function classLiteral(char: string): string {
  return /[\\^\]\-[]/.test(char) ? `\\${char}` : char;
}
