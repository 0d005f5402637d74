import { posix } from 'node:path';
import { TaskError } from '../../common/errors';
import { bound } from '../../common/foreign-text';
import { compileIgnorePattern, IgnorePatternError } from './ignore-pattern';

interface Pattern {
  readonly text: string;
  /** Takes back what earlier patterns left out. */
  readonly exception: boolean;
  readonly matches: (path: string) => boolean;
}

export interface Decision {
  readonly ignored: boolean;
  /** Which patterns matched, for the decisions on what lies in this folder. */
  readonly matched: readonly boolean[];
}

/** Which of docker's builders the rules are for: they go into folders that are left out in different cases. */
export interface IgnoreOptions {
  /** The file that the rules come from, as messages name it. */
  readonly file?: string;
  readonly isLegacy?: boolean;
}

/** What a `.dockerignore` leaves out of a build context, as docker decides it: the last pattern that matches wins. */
export class IgnoreRules {
  /** The file that the rules come from. */
  readonly file: string;
  private readonly patterns: readonly Pattern[];
  /** Where a folder that is left out may have something that is not; undefined for anywhere. */
  private readonly exceptions: readonly string[] | undefined;

  /** @throws TaskError for a pattern that docker refuses */
  constructor(text: string, { file = '.dockerignore', isLegacy = false }: IgnoreOptions = {}) {
    this.file = file;
    this.patterns = readPatterns(text, file);
    const exceptions = this.patterns.filter(({ exception }) => exception).map((one) => one.text);
    const places = isLegacy
      ? exceptions
      : exceptions.map((one) => one.replace(/\/\*\*$/, '').replace(/\/\*$/, ''));
    const isAnywhere = !isLegacy && places.some((place) => /[*[\]?^\\]/.test(place));
    this.exceptions = isAnywhere ? undefined : places;
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
   * Whether docker looks into a folder that is left out: where an exception begins with the folder's own name, letter
   * by letter. BuildKit looks into every one where an exception has wildcards; the legacy builder does not.
   */
  entersIgnored(folder: string): boolean {
    return this.exceptions?.some((place) => `${place}/`.startsWith(`${folder}/`)) ?? true;
  }
}

function readPatterns(text: string, file: string): Pattern[] {
  const patterns: Pattern[] = [];
  for (const line of text.replace(/^\uFEFF/, '').split(/\r?\n/)) {
    if (line.startsWith('#')) continue;
    const written = line.trim();
    if (!written) continue;
    const invert = written.startsWith('!');
    const path = invert ? written.slice(1).trim() : written;
    // Docker looks for the mark once more when it has cleaned the path.
    const whole = clean(`${invert ? '!' : ''}${path && clean(path).replace(/^\/(?=.)/, '')}`.trim());
    const exception = whole.startsWith('!');
    const pattern = exception ? whole.slice(1) : whole;
    if (!pattern) throw new TaskError(`${file} has a line with nothing but '!'. Remove it.`);
    const refusal = new TaskError(`${file} has a pattern that docker can't read: '${bound(pattern, 200)}'.`);
    const compiled = compileIgnorePattern(pattern);
    if (!compiled) throw refusal;
    const matches = (path: string) => {
      try {
        return compiled(path);
      } catch (error) {
        throw error instanceof IgnorePatternError ? refusal : error;
      }
    };
    patterns.push({ text: pattern, exception, matches });
  }
  return patterns;
}

/** `a//b/../c/` as `a/c`. Nothing of it is looked up on the disk. */
function clean(path: string): string {
  const normal = posix.normalize(path);
  return normal.length > 1 ? normal.replace(/\/$/, '') : normal;
}
