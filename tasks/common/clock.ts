import { sleep } from './cancel';

/** Time, as far as following a run depends on it. */
export interface Clock {
  /** Milliseconds since some fixed point. */
  now(): number;
  /** Waits; an abort ends the wait at once with a CancelledError. */
  sleep(milliseconds: number, signal: AbortSignal): Promise<void>;
}

export const systemClock: Clock = { now: () => performance.now(), sleep };
