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

/** Milliseconds of the processor that something takes, in its quickest try. */
async function time(what: () => unknown, isEnough: (took: number) => boolean, tries: number) {
  let least = Number.POSITIVE_INFINITY;
  for (let left = tries; left > 0 && !isEnough(least); left--) {
    const before = process.cpuUsage();
    try {
      await what();
    } catch {
      // Whether it may refuse is another test's matter.
    }
    const { user, system } = process.cpuUsage(before);
    least = Math.min(least, (user + system) / 1000);
  }
  return least;
}

const tell = (what: object) => process.stdout.write(`${JSON.stringify(what)}\n`);

const never = () => false;

async function readAll(): Promise<void> {
  for (const [parser, parse] of Object.entries(PARSERS)) {
    for (const [input, text] of nastyInputs()) {
      tell({ parser, input });
      const sizes = Math.max(1, text.length / SIZE);
      const took = await time(
        () => parse(text),
        (least) => least <= LIMIT * sizes,
        1 + MORE_TRIES,
      );
      const isSlow = took > LIMIT * sizes;
      // A slower machine gets more time, and a quicker one no less; measured now, since other processes come and go.
      const slowness = isSlow ? Math.max(1, (await time(reference, never, MORE_TRIES)) / USUAL) : 1;
      tell({ took: took / sizes / slowness, slowness });
    }
  }
}

void readAll();
