import { posix } from 'node:path';
import { TaskError } from '../../common/errors';
import { globToRegExp } from '../files/glob';

interface Pattern {
  readonly text: string;
  /** Takes back what earlier patterns left out. */
  readonly exception: boolean;
  matches(path: string): boolean;
}

export interface Decision {
  readonly ignored: boolean;
  /** Which patterns matched, for the decisions on what lies in this folder. */
  readonly matched: readonly boolean[];
}

/** What a `.dockerignore` leaves out of a build context, as docker decides it: the last pattern that matches wins. */
export class IgnoreRules {
  private readonly patterns: readonly Pattern[];

  /** @throws TaskError for a pattern that docker refuses */
  constructor(text: string) {
    this.patterns = readPatterns(text);
  }

  /**
   * Decides on a path relative to the context, with slashes.
   *
   * @param folder the decision on the folder that it lies in: a pattern that matches a folder matches all in it
   */
  decide(path: string, folder: Decision | undefined): Decision {
    let ignored = false;
    const matched = this.patterns.map((pattern, index) => {
      // Patterns that would change nothing are not even tried, and so don't count for what lies below either.
      const matches = folder?.matched[index] || (pattern.exception === ignored && pattern.matches(path));
      if (matches) ignored = !pattern.exception;
      return matches;
    });
    return { ignored, matched };
  }

  /** Whether a path is left out, by itself or with a folder above it. */
  readonly ignores = (path: string): boolean => {
    let decision: Decision | undefined;
    for (let end = path.indexOf('/'); end >= 0; end = path.indexOf('/', end + 1)) {
      decision = this.decide(path.slice(0, end), decision);
    }
    return this.decide(path, decision).ignored;
  };

  /**
   * Whether docker looks into a folder that is left out: only where an exception begins with the folder's own name,
   * letter by letter. An exception that begins with a wildcard does not reach into it.
   */
  entersIgnored(folder: string): boolean {
    return this.patterns.some(({ exception, text }) => exception && `${text}/`.startsWith(`${folder}/`));
  }
}

function readPatterns(text: string): Pattern[] {
  const patterns: Pattern[] = [];
  for (const line of text.replace(/^\uFEFF/, '').split(/\r?\n/)) {
    if (line.startsWith('#')) continue;
    let pattern = line.trim();
    if (!pattern) continue;
    const exception = pattern.startsWith('!');
    if (exception) pattern = pattern.slice(1).trim();
    if (!pattern) throw new TaskError(".dockerignore has a line with nothing but '!'. Remove it.");
    pattern = clean(pattern).replace(/^\/(?=.)/, '');
    patterns.push({ text: pattern, exception, matches: matcher(pattern) });
  }
  return patterns;
}

/** `a//b/../c/` as `a/c`. Nothing of it is looked up on the disk. */
function clean(path: string): string {
  const normal = posix.normalize(path);
  return normal.length > 1 ? normal.replace(/\/$/, '') : normal;
}

function matcher(pattern: string): (path: string) => boolean {
  const expression = globToRegExp(pattern, { folders: true });
  if (!expression) throw new TaskError(`.dockerignore has a pattern that docker can't read: '${pattern}'.`);
  if (!/[*?[\]\\]/.test(pattern)) return (path) => path === pattern;
  // Plain text after a leading `**` may be the end of a longer name: `**.pyc`.
  const suffix = /^\*\*([^*?[\]\\]*)$/.exec(pattern)?.[1];
  if (suffix !== undefined) return (path) => path.endsWith(suffix) || `/${path}` === suffix;
  return (path) => expression.test(path);
}
