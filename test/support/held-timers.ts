/**
 * Holds all timers of one duration back until a test says that their time is over; the others run. Patience that is
 * measured so does not depend on how busy the machine is.
 */
export function holdTimers(milliseconds: number): { expire(): void; restore(): void } {
  const real = globalThis.setTimeout;
  let held: (() => void)[] = [];
  const fake = (done: () => void, duration?: number, ...rest: unknown[]) => {
    if (duration !== milliseconds) return real(done, duration, ...(rest as []));
    held.push(done);
    return { refresh: () => undefined, unref: () => undefined };
  };
  globalThis.setTimeout = fake as typeof setTimeout;
  return {
    expire() {
      const over = held;
      held = [];
      for (const done of over) done();
    },
    restore() {
      globalThis.setTimeout = real;
    },
  };
}
