import { syncBuiltinESMExports } from 'node:module';
import timers from 'node:timers/promises';

const real = timers.setTimeout;

/** Milliseconds. What beats for as long as something else takes must not keep the process busy. */
const SHORT = 4;

/** From now on, waiting takes almost no time: a service that is down for five minutes is so for as long as its requests take. */
export function skipWaits(): void {
  const skip = (_milliseconds: number, value: unknown, options?: object) => real(SHORT, value, options);
  timers.setTimeout = skip as typeof timers.setTimeout;
  syncBuiltinESMExports();
}

export function waitAgain(): void {
  timers.setTimeout = real;
  syncBuiltinESMExports();
}
