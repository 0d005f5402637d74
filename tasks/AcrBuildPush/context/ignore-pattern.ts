import { compileGlob } from '../files/glob';
import { createMatcher, type Element, type Matcher } from '../files/matcher';
import { ExpressionReader, FOLDERS, isOfName } from './go-expression';

/*
 * The patterns of `.dockerignore` as docker has them. It checks them by the rules of Go's `filepath.Match`, and then
 * makes regular expressions of them, into which sets, what is escaped, `|` and `{2}` go as they are written: `\b` is the
 * end of a word, and `a*|b*` matches all that begins with an a, or ends with what begins with a b.
 */

/**
 * Reads a pattern. What Go can't read as an expression, docker refuses where it tries it, and not before.
 *
 * @returns undefined for one that docker refuses at once; a matcher throws ExpressionError
 */
export function compileIgnorePattern(pattern: string): Matcher | undefined {
  const kind = kindOf(pattern);
  if (kind === 'exact') return (path) => path === pattern;
  if (!passesCheck(pattern)) return undefined;
  switch (kind) {
    case 'prefix':
      return (path) => path.startsWith(pattern.slice(0, -2));
    case 'suffix': {
      const suffix = pattern.slice(2);
      return (path) => path.endsWith(suffix) || `/${path}` === suffix;
    }
    case 'expression': {
      let matcher: Matcher | undefined;
      return (path) => {
        matcher ??= compileExpression(pattern);
        return matcher(path);
      };
    }
  }
}

/**
 * Whether docker lets a pattern pass. It has Go match it with a dot, and Go reads no further in it, from `*` to `*`, than
 * that takes.
 */
function passesCheck(pattern: string): boolean {
  // Nothing else can be wrong.
  if (!/\[|\\$/.test(pattern)) return true;
  if (!pattern.includes('*')) return compileGlob(pattern) !== undefined;
  let read = '';
  for (const [part] of pattern.matchAll(
    /\*+(?:\\.|\[(?:\\.|[^\]\\])*\]?|[^*\\[]|\\$)*|(?:\\.|\[(?:\\.|[^\]\\])*\]?|[^*\\[]|\\$)+/gsu,
  )) {
    read += part;
    if (!compileGlob(read)) return false;
    if (!compileGlob(`${read}*`)?.('.')) return true;
  }
  return true;
}

function compileExpression(pattern: string): Matcher {
  const plain = plainElements(pattern);
  if (plain) return createMatcher(plain);
  const matchers = new ExpressionReader(toExpression(pattern)).alternatives().map(createMatcher);
  return (path) => matchers.some((matches) => matches(path));
}

/** What docker takes a pattern for: it spares itself an expression where the text alone can be compared. */
function kindOf(pattern: string): 'exact' | 'prefix' | 'suffix' | 'expression' {
  if (!/[*?[\]\\]/.test(pattern)) return 'exact';
  if (/^\*\*[^*?[\]\\]*$/.test(pattern)) return 'suffix';
  if (/^[^*?[\]\\]+\*\*$/.test(pattern)) return 'prefix';
  return 'expression';
}

/** Any part of a name. */
const NAMES: Element = { kind: 'run', fits: isOfName, except: '/' };

/** What a pattern asks for that holds names and `*` and `?` alone, as nearly all do: it needs no expression. */
function plainElements(pattern: string): readonly Element[] | undefined {
  if (/[^\w.\-/*?]|\*\*/.test(pattern)) return undefined;
  return [...pattern].map((char): Element => {
    if (char === '*') return NAMES;
    return { kind: 'one', fits: char === '?' ? isOfName : (other) => other === char };
  });
}

/** Docker's regular expression for a pattern. What it means within a set, docker does not ask. */
function toExpression(pattern: string): string {
  return pattern.replace(/\*\*\/?|[*?]|\\(.)|[.+()$]/gsu, (part, escaped, at: number) => {
    if (escaped !== undefined) return part;
    if (part.startsWith('**')) return at + part.length === pattern.length ? '.*' : FOLDERS;
    if (part === '*') return '[^/]*';
    return part === '?' ? '[^/]' : `\\${part}`;
  });
}
