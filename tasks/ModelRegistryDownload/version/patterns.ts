import { TaskError } from '../../common/errors';
import { bound } from '../../common/foreign-text';
import { compileGlob, globPath, hasPatternList } from './glob';

/** How many of the version's files a message shows. */
const MOST_SHOWN = 20;

/** A longer line is no pattern that somebody wrote. */
const LONGEST_PATTERN = 1_000;

/**
 * The files that patterns pick, as the agent's own tasks would: each line adds files, or with `!` takes some out again,
 * and the last line that fits a file decides.
 *
 * @throws TaskError when a line adds nothing, or all lines together do: a mistyped pattern would otherwise leave a
 *   part of the model out
 */
export function selectFiles<T extends { readonly path: string }>(
  files: readonly T[],
  patterns: readonly string[],
): T[] {
  for (const pattern of patterns) checkPattern(pattern);
  const { selected, idle } = matchFiles(files, patterns);
  const details = ['Files of this version:', ...shorten(files.map(({ path }) => path))];
  if (idle.length > 0) {
    throw new TaskError(
      `Nothing in this version matches ${idle.map((pattern) => `'${pattern}'`).join(', ')}. Check 'patterns': they are relative to the version's folder, upper and lower case differ, and * does not cross slashes (** does).`,
      { details },
    );
  }
  if (selected.length === 0) {
    throw new TaskError(
      "'patterns' leave out every file of this version. Check the lines that begin with !, and that a line such as ** comes before them.",
      { details },
    );
  }
  return selected;
}

function checkPattern(pattern: string): void {
  if (pattern.length > LONGEST_PATTERN) {
    throw new TaskError(
      `A line of 'patterns' has ${pattern.length} characters; ${LONGEST_PATTERN} are the most. It begins with '${bound(pattern, 80)}'. Write a line for each group of files.`,
    );
  }
  if (!hasPatternList(pattern)) return;
  throw new TaskError(
    `'${bound(pattern, 200)}' in 'patterns' has a list of patterns in brackets, which is not taken. Write a line for each of them.`,
  );
}

/** The files that patterns pick, and the patterns that should add files but add none. */
export function matchFiles<T extends { readonly path: string }>(
  files: readonly T[],
  patterns: readonly string[],
): { readonly selected: T[]; readonly idle: string[] } {
  const selected = new Set<string>();
  const idle: string[] = [];
  const paths = files.map(({ path }) => globPath(path));
  for (const pattern of patterns) {
    const [marks] = /^!*/.exec(pattern)!;
    const adds = marks.length % 2 === 0;
    const fitting = paths.filter(compileGlob(pattern.slice(marks.length)));
    for (const { text } of fitting) {
      if (adds) selected.add(text);
      else selected.delete(text);
    }
    if (adds && fitting.length === 0) idle.push(pattern);
  }
  return { selected: files.filter(({ path }) => selected.has(path)), idle };
}

function shorten(paths: readonly string[]): string[] {
  const shown = paths.slice(0, MOST_SHOWN).map((path) => `  ${bound(path, 200)}`);
  const more = paths.length - shown.length;
  return more > 0 ? [...shown, `  and ${more} more`] : shown;
}
