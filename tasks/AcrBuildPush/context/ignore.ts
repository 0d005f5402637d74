import { TaskError } from '../../common/errors';
import { clean, type Decision, PatternList } from './pattern-list';

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
  private readonly patterns: PatternList;
  /** Where a folder that is left out may have something that is not; undefined for anywhere. */
  private readonly exceptions: readonly string[] | undefined;

  /** @throws TaskError for a pattern that docker refuses */
  constructor(text: string, { file = '.dockerignore', isLegacy = false }: IgnoreOptions = {}) {
    this.file = file;
    this.patterns = new PatternList(readLines(text), (problem) => new TaskError(`${file} ${problem}`));
    const { exceptions } = this.patterns;
    const places = isLegacy
      ? exceptions
      : exceptions.map((one) => one.replace(/\/\*\*$/, '').replace(/\/\*$/, ''));
    const isAnywhere = !isLegacy && places.some((place) => /[*[\]?^\\]/.test(place));
    this.exceptions = isAnywhere ? undefined : places;
  }

  /**
   * Decides on a path relative to the context, with slashes: what matches is left out.
   *
   * @param folder the decision on the folder that it lies in
   */
  decide(path: string, folder: Decision | undefined): Decision {
    return this.patterns.decide(path, folder);
  }

  /** Whether a path is left out, by itself or with a folder above it. */
  readonly ignores = (path: string): boolean => {
    let decision: Decision | undefined;
    for (let end = path.indexOf('/'); end >= 0; end = path.indexOf('/', end + 1)) {
      decision = this.decide(path.slice(0, end), decision);
    }
    return this.decide(path, decision).matches;
  };

  /**
   * Whether docker looks into a folder that is left out: where an exception begins with the folder's own name, letter
   * by letter. BuildKit looks into every one where an exception has wildcards; the legacy builder does not.
   */
  entersIgnored(folder: string): boolean {
    return this.exceptions?.some((place) => `${place}/`.startsWith(`${folder}/`)) ?? true;
  }
}

/** The patterns of a file: a slash that begins one means nothing. */
function readLines(text: string): string[] {
  return text
    .replace(/^\uFEFF/, '')
    .split(/\r?\n/)
    .filter((line) => !line.startsWith('#') && line.trim() !== '')
    .map((line) => {
      const written = line.trim();
      const isException = written.startsWith('!');
      const path = isException ? written.slice(1).trim() : written;
      return `${isException ? '!' : ''}${path && clean(path).replace(/^\/(?=.)/, '')}`;
    });
}
