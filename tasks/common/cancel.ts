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

/**
 * Aborts when it was not touched for a while, or when the step is cancelled. (`AbortSignal.any` would hold on to every
 * request for as long as the step lives.)
 */
export class IdleTimer {
  private readonly controller = new AbortController();
  private readonly timer: NodeJS.Timeout;
  private readonly abort = () => this.controller.abort();
  expired = false;

  constructor(
    readonly milliseconds: number,
    private readonly cancel: AbortSignal,
  ) {
    cancel.addEventListener('abort', this.abort);
    this.timer = setTimeout(() => {
      this.expired = true;
      this.abort();
    }, milliseconds);
  }

  get signal(): AbortSignal {
    return this.controller.signal;
  }

  touch(): void {
    this.timer.refresh();
  }

  stop(): void {
    clearTimeout(this.timer);
    this.cancel.removeEventListener('abort', this.abort);
  }
}
