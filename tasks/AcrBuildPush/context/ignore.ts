import { posix } from 'node:path';

/** What a `.dockerignore` leaves out of a build context. */
export interface IgnoreRules {
  /** Whether a file or folder is left out; its path is relative to the context, with slashes. */
  ignores(path: string): boolean;
  /** Whether something within a folder that is left out may be taken in again, by a line that begins with `!`. */
  readonly hasExceptions: boolean;
}

interface Rule {
  readonly pattern: RegExp;
  readonly isException: boolean;
}

/** Reads a `.dockerignore` the way docker does: later lines win, and a pattern that fits a folder fits all in it. */
export function parseIgnoreRules(text: string): IgnoreRules {
  const rules = text
    .replace(/^\uFEFF/, '')
    .split('\n')
    .filter((line) => !line.startsWith('#'))
    .map((line) => line.trim())
    .filter(Boolean)
    .flatMap(parseRule);
  return {
    hasExceptions: rules.some(({ isException }) => isException),
    ignores(path) {
      const parts = path.split('/');
      const candidates = parts.map((_, index) => parts.slice(0, index + 1).join('/'));
      let ignored = false;
      for (const { pattern, isException } of rules) {
        if (isException === ignored && candidates.some((candidate) => pattern.test(candidate))) {
          ignored = !isException;
        }
      }
      return ignored;
    },
  };
}

function parseRule(line: string): Rule[] {
  const isException = line.startsWith('!');
  const text = isException ? line.slice(1).trim() : line;
  if (!text) return [];
  const clean = posix.normalize(text).replace(/(?<=.)\/$/, '');
  const pattern = clean.length > 1 ? clean.replace(/^\//, '') : clean;
  return [{ pattern: toRegExp(pattern), isException }];
}

/** A pattern of Go's `filepath.Match`, with `**` for any number of folders. */
function toRegExp(pattern: string): RegExp {
  const source = pattern.replace(/\*\*\/?|\*|\?|\\[\s\S]|[\\.+()|{}$^]/g, (found, at: number) => {
    if (found.startsWith('**')) return at + found.length === pattern.length ? '.*' : '(?:.*/)?';
    if (found === '*') return '[^/]*';
    if (found === '?') return '[^/]';
    // Within brackets, a caret negates, as it does in a regular expression.
    if (found === '^' && pattern[at - 1] === '[') return '^';
    return found.startsWith('\\') ? `\\${found.slice(1) || '\\'}` : `\\${found}`;
  });
  try {
    return new RegExp(`^${source}$`, 's');
  } catch {
    // Docker fails the build for a pattern that it can't read, and says so itself.
    return /(?!)/;
  }
}
