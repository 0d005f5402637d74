import { IdleTimer, sleep, throwIfCancelled } from '../../common/cancel';
import type { Logger } from '../../common/log';
import { retryDelay } from '../../common/retry';
import { BrokenAnswerError, isTransient, reason, retryAfter } from './errors';

/** How long the registry is waited for. */
export interface Patience {
  /** Milliseconds without an answer, or without a further byte of it, after which a request is given up. */
  readonly idle: number;
  /** Tries in a row that bring nothing, after which the step fails. */
  readonly maxTries: number;
  readonly sleep: typeof sleep;
}

/** With the waits of {@link retryDelay}, eight tries ride out a fault of most of a minute. */
export const PATIENCE: Patience = { idle: 30_000, maxTries: 8, sleep };

/** What every request to the registry goes along with. */
export interface Connection {
  readonly log: Logger;
  readonly signal: AbortSignal;
  readonly patience: Patience;
}

/**
 * Makes a request, and makes it again where that may help.
 *
 * @param what names the request in the log
 * @param progressed whether the try that failed has brought something worth keeping; tries are then counted anew, and
 *   when only the connection broke, there is nothing to wait for
 * @throws the last try's error
 */
export async function persist<T>(
  what: string,
  request: () => Promise<T>,
  { log, signal, patience }: Connection,
  progressed: () => boolean = () => false,
): Promise<T> {
  for (let failures = 0; ; ) {
    throwIfCancelled(signal);
    let failure: Error;
    try {
      return await request();
    } catch (error) {
      throwIfCancelled(signal);
      failure = error as Error;
    }
    if (!isTransient(failure)) throw failure;
    const asked = retryAfter(failure);
    if (progressed()) {
      failures = 0;
      if (asked === null && failure instanceof BrokenAnswerError) {
        log.info(`${what}: ${reason(failure)}. Trying again from there.`);
        continue;
      }
    }
    failures += 1;
    if (failures >= patience.maxTries) throw failure;
    const wait = retryDelay(failures, asked);
    log.info(`${what}: ${reason(failure)}. Trying again in ${(wait / 1000).toFixed(1)} s.`);
    await patience.sleep(wait, signal);
  }
}

/** A connection fell silent. */
export class SilenceError extends BrokenAnswerError {}

/**
 * Makes one request and gives it up after too long a silence.
 *
 * @param request ends when the timer's signal says so, and touches the timer at every sign of life
 */
export async function limitSilence<T>(
  request: (idle: IdleTimer) => Promise<T>,
  { signal, patience }: Connection,
): Promise<T> {
  throwIfCancelled(signal);
  const idle = new IdleTimer(patience.idle, signal);
  try {
    return await request(idle);
  } catch (error) {
    throw idle.expired ? new SilenceError(`nothing came for ${patience.idle / 1000} s`) : error;
  } finally {
    idle.stop();
  }
}
