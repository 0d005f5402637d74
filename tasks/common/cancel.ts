import { setTimeout as delay } from 'node:timers/promises';
import { CancelledError } from './errors';

/** Waits some milliseconds; an abort ends the wait at once with a CancelledError. */
export async function sleep(milliseconds: number, signal: AbortSignal): Promise<void> {
  try {
    await delay(milliseconds, undefined, { signal });
  } catch {
    throw new CancelledError();
  }
}

/** Throws a CancelledError when the step was cancelled. */
export function throwIfCancelled(signal: AbortSignal): void {
  if (signal.aborted) throw new CancelledError();
}
