import { TaskError } from './errors';

/** Far above any list that a task reads: a page holds a hundred elements or so. */
const MOST_PAGES = 1_000;

/**
 * The pages of a list, each asked for by what the one before it names. No server holds a step by a list without an end.
 *
 * @param list as a message goes on from "The list of": `the jobs`
 * @param ask for the page that is named; for the first one without a name
 * @param next the name of the page after one; empty or undefined where there is none
 * @throws TaskError where pages repeat, or are too many
 */
export async function* pagesOf<P>(
  list: string,
  ask: (name: string | undefined) => Promise<P>,
  next: (page: P) => string | null | undefined,
): AsyncGenerator<P> {
  const seen = new Set<string>();
  for (let name: string | undefined; ; ) {
    const page = await ask(name);
    yield page;
    name = next(page) || undefined;
    if (name === undefined) return;
    if (seen.has(name) || seen.size >= MOST_PAGES) {
      throw new TaskError(
        `The list of ${list} has no end. Try again later, and check whether a proxy stands in between.`,
      );
    }
    seen.add(name);
  }
}
