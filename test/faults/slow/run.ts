import { nastyInputs, SIZE } from './inputs';
import { PARSERS } from './parsers';

/**
 * Has every parser read every input, and writes what it begins and how many milliseconds of the processor's time that took
 * for 50 KB. A process of its own: what hangs can only be ended from outside. What took no more than `LIMIT` is quick.
 */
const LIMIT = Number(process.env.LIMIT);

/** What is slow is read again so often: the first time, Node has yet to compile, and other processes share the caches. */
const MORE_TRIES = 11;

/** Milliseconds that {@link reference} takes on the machine that the limit was set on, when it has nothing else to do. */
const USUAL = 22;

/** Something like what parsers do: patterns, short texts, a map. */
function reference(): void {
  const seen = new Map<string, number>();
  for (const [word] of 'a=1 \\\n'.repeat(100_000).matchAll(/\S+/g)) {
    const key = word + (seen.size % 7);
    seen.set(key, (seen.get(key) ?? 0) + 1);
  }
}

/** Milliseconds of the processor that something takes. */
async function time(what: () => unknown): Promise<number> {
  const before = process.cpuUsage();
  try {
    await what();
  } catch {
    // Whether it may refuse is another test's matter.
  }
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1000;
}

/**
 * The same, for what took long. A slower machine gets more time, and a quicker one no less. How slow it is changes from one
 * moment to the next, where others share it: that is measured before and after each try.
 */
async function timeAgain(what: () => unknown, isEnough: (took: number) => boolean) {
  let least = { took: Number.POSITIVE_INFINITY, slowness: 1 };
  let before = await time(reference);
  for (let left = MORE_TRIES; left > 0 && !isEnough(least.took); left--) {
    const took = await time(what);
    const after = await time(reference);
    const slowness = Math.max(1, Math.min(before, after) / USUAL);
    if (took / slowness < least.took) least = { took: took / slowness, slowness };
    before = after;
  }
  return least;
}

const tell = (what: object) => process.stdout.write(`${JSON.stringify(what)}\n`);

async function readAll(): Promise<void> {
  for (let round = 0; round < MORE_TRIES; round++) reference();
  for (const [parser, parse] of Object.entries(PARSERS)) {
    for (const [input, text] of nastyInputs()) {
      tell({ parser, input });
      const limit = LIMIT * Math.max(1, text.length / SIZE);
      const first = await time(() => parse(text));
      const { took, slowness } =
        first <= limit
          ? { took: first, slowness: 1 }
          : await timeAgain(
              () => parse(text),
              (least) => least <= limit,
            );
      tell({ took: (took / limit) * LIMIT, slowness });
    }
  }
}

void readAll();
