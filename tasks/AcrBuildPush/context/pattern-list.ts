import { posix } from 'node:path';
import { bound } from '../../common/foreign-text';
import { ExpressionError } from './go-expression';
import { compileIgnorePattern } from './ignore-pattern';

/** Characters: more than twice as many as a path may have. */
const LONGEST_PATTERN = 10_000;

interface Pattern {
  readonly text: string;
  /** Takes back what earlier patterns matched. */
  readonly exception: boolean;
  readonly matches: (path: string) => boolean;
}

export interface Decision {
  readonly matches: boolean;
  /** Which patterns matched, for the decisions on what lies in this folder. */
  readonly matched: readonly boolean[];
}

/** Docker's lists of patterns: of all that match, the last decides; one that begins with `!` takes back. */
export class PatternList {
  private readonly patterns: readonly Pattern[];
  /** The patterns that take back, without their mark. */
  readonly exceptions: readonly string[];

  /**
   * @param complain makes an error of what is wrong with the list, which goes on from who has it: `has a pattern …`; what
   *   Go can't read as an expression is refused where it is tried, and not before
   */
  constructor(texts: readonly string[], complain: (problem: string) => Error) {
    const trimmed = texts.map((text) => text.trim()).filter(Boolean);
    this.patterns = trimmed.map((text) => readPattern(clean(text), complain));
    this.exceptions = this.patterns.filter(({ exception }) => exception).map(({ text }) => text);
  }

  /**
   * Decides on a path, with slashes.
   *
   * @param folder the decision on the folder that it lies in: a pattern that matches a folder matches all in it
   */
  decide(path: string, folder: Decision | undefined): Decision {
    let isMatch = false;
    const matched = this.patterns.map((pattern, index) => {
      // Patterns that would change nothing are not even tried, and so don't count for what lies below either.
      const matches = folder?.matched[index] || (pattern.exception === isMatch && pattern.matches(path));
      if (matches) isMatch = !pattern.exception;
      return matches;
    });
    return { matches: isMatch, matched };
  }
}

function readPattern(whole: string, complain: (problem: string) => Error): Pattern {
  const exception = whole.startsWith('!');
  const text = exception ? whole.slice(1) : whole;
  if (!text) throw complain("has a line with nothing but '!'. Remove it.");
  if (text.length > LONGEST_PATTERN) {
    throw complain(`has a pattern of ${text.length} characters; ${LONGEST_PATTERN} are the most.`);
  }
  const refusal = () => complain(`has a pattern that docker can't read: '${bound(text, 200)}'.`);
  const compiled = compileIgnorePattern(text);
  if (!compiled) throw refusal();
  const matches = (path: string) => {
    try {
      return compiled(path);
    } catch (error) {
      throw error instanceof ExpressionError ? refusal() : error;
    }
  };
  return { text, exception, matches };
}

/** `a//b/../c/` as `a/c`. Nothing of it is looked up on the disk. */
export function clean(path: string): string {
  // It is refused, and Node would take time that grows with the square of its length.
  if (path.length > LONGEST_PATTERN) return path;
  const normal = posix.normalize(path);
  return normal.length > 1 ? normal.replace(/\/$/, '') : normal;
}
