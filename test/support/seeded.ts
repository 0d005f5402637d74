import { randomInt } from 'node:crypto';

/** Whether everything that is generated is run (`npm run test:faults:all`), or a part that a seed chooses. */
export const RUNS_ALL = process.env.FAULTS === 'all';

/** What chose the part, to choose the same again: `SEED=… npm run test:faults`. */
export const SEED = Number(process.env.SEED ?? randomInt(2 ** 31));

/** Random numbers that a seed determines, from 0 up to a number that is never reached (mulberry32). */
export function randomFrom(seed: number): (below: number) => number {
  let state = seed >>> 0;
  return (below) => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return Math.floor((((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32) * below);
  };
}

/** All of a list, or as many as a quick run has time for, in the list's order. */
export function portion<T>(items: readonly T[], most: number, random = randomFrom(SEED)): readonly T[] {
  if (RUNS_ALL || items.length <= most) return items;
  const left = items.map((_, index) => index);
  const chosen = new Set(Array.from({ length: most }, () => left.splice(random(left.length), 1)[0]!));
  return items.filter((_, index) => chosen.has(index));
}
