import { AsyncLocalStorage } from 'node:async_hooks';
import { syncBuiltinESMExports } from 'node:module';
import timers from 'node:timers/promises';

const real = timers.setTimeout;

/** Milliseconds. What beats for as long as something else takes must not keep the process busy. */
const SHORT = 4;

/** How late it would be for a step if waiting took its time, in milliseconds since it began. */
const clocks = new AsyncLocalStorage<{ now: number }>();

/** From now on, waiting takes almost no time: a service that is down for five minutes is so for as long as its requests take. */
export function skipWaits(): void {
  const skip = (milliseconds: number, value: unknown, options?: object) =>
    wait(milliseconds, () => real(SHORT, value, options));
  timers.setTimeout = skip as typeof timers.setTimeout;
  syncBuiltinESMExports();
}

export function waitAgain(): void {
  timers.setTimeout = real;
  syncBuiltinESMExports();
}

/** Waits in a shorter way, and notes by how much it would be later. Who wait at the same time wait only once. */
export async function wait<T>(milliseconds: number, shortly: () => Promise<T>): Promise<T> {
  const clock = clocks.getStore();
  const end = (clock?.now ?? 0) + milliseconds;
  const value = await shortly();
  if (clock) clock.now = Math.max(clock.now, end);
  return value;
}

/** @returns what a step came to, and the milliseconds that it would have waited between its requests */
export function withWaits<T>(step: () => Promise<T>): Promise<{ value: T; waited: number }> {
  const clock = { now: 0 };
  return clocks.run(clock, async () => ({ value: await step(), waited: clock.now }));
}
