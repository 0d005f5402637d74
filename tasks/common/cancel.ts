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

/** Milliseconds that a cancelled step waits for the name of what it has just asked for. */
const GRACE = 1_200;

/**
 * Asks for something that can be ended only once its name is known: the request itself goes on for a moment after the step
 * was cancelled.
 */
export async function withGrace<T>(signal: AbortSignal, ask: (late: AbortSignal) => Promise<T>): Promise<T> {
  throwIfCancelled(signal);
  const late = new AbortController();
  let timer: NodeJS.Timeout | undefined;
  const abort = () => {
    timer = setTimeout(() => late.abort(), GRACE);
  };
  signal.addEventListener('abort', abort, { once: true });
  try {
    return await ask(late.signal);
  } finally {
    signal.removeEventListener('abort', abort);
    clearTimeout(timer);
  }
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
    if (cancel.aborted) this.abort();
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
