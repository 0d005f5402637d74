import { IdleTimer, sleep, throwIfCancelled } from '../../common/cancel';
import { TaskError } from '../../common/errors';
import type { Logger } from '../../common/log';
import { DEFAULT_RETRY, Patience, type RetryPolicy } from '../../common/retry';
import { formatDuration } from '../../common/text';
import { type TroubledRequest, Troubles } from '../../common/trouble';
import { BrokenAnswerError, isRefusal, isRefusedConnection, isTransient, reason, retryAfter } from './errors';
import type { Idle } from './http/answer';

/** How long the registry is waited for. */
export interface RegistryPatience {
  /** Milliseconds without an answer, or without a further byte of it, after which a request is given up. */
  readonly idle: number;
  /** How long tries may bring nothing before the step fails. */
  readonly retry: RetryPolicy;
  /** How long a registry that has let the step in may turn it away before the step believes it. */
  readonly refusal: RetryPolicy;
  readonly sleep: typeof sleep;
}

const PATIENCE: RegistryPatience = {
  idle: 30_000,
  retry: DEFAULT_RETRY,
  refusal: { forMilliseconds: 30_000 },
  sleep,
};

/** Of each kind of registry: Databricks asks its clients for twice as much. */
export const PATIENCES: Readonly<Record<'blob' | 'unityCatalog', RegistryPatience>> = {
  blob: PATIENCE,
  unityCatalog: { ...PATIENCE, retry: { forMilliseconds: 10 * 60_000 } },
};

/** Where nothing listens at the first request, the address is wrong, or an emulator is only just starting. */
const NOBODY_THERE: RetryPolicy = { forMilliseconds: 5_000 };

/** Whether the registry has let somebody in. */
export class Access {
  isGranted = false;
}

/** What every request to the registry goes along with. */
export interface Connection {
  readonly log: Logger;
  readonly signal: AbortSignal;
  readonly patience: RegistryPatience;
  /** What the requests of a step share, so that a fault of the registry is told once. */
  readonly troubles: Troubles;
  /** Likewise: who was let in and is turned away may be let in again. */
  readonly access: Access;
}

/** What the requests of one step go along with. */
export function connect(log: Logger, signal: AbortSignal, patience: RegistryPatience): Connection {
  return { log, signal, patience, troubles: new Troubles(log), access: new Access() };
}

/**
 * Makes a request, and makes it again where that may help.
 *
 * @param what names the request in the log
 * @param progressed whether the try that failed has brought something worth keeping; patience then begins anew, and when
 *   only the connection broke, there is nothing to wait for
 * @throws the last try's error
 */
export async function persist<T>(
  what: string,
  request: () => Promise<T>,
  { log, signal, patience, troubles, access }: Connection,
  progressed: () => boolean = () => false,
): Promise<T> {
  const left = new Patience(patience.retry);
  const leftOfRights = new Patience(patience.refusal);
  const leftOfNobody = new Patience(NOBODY_THERE);
  let trouble: TroubledRequest | undefined;
  let served = false;
  try {
    for (;;) {
      throwIfCancelled(signal);
      const begun = performance.now();
      try {
        const result = await request();
        served = true;
        access.isGranted = true;
        return result;
      } catch (error) {
        throwIfCancelled(signal);
        const failure = error as Error;
        const isTurnedAway = access.isGranted && isRefusal(failure);
        if (!isTransient(failure) && !isTurnedAway) throw failure;
        const asked = retryAfter(failure);
        const failed = `${what}: ${reason(failure)}`;
        if (progressed()) {
          left.renew();
          if (asked === null && failure instanceof BrokenAnswerError) {
            log.debug(`${failed}. Trying again from there.`);
            continue;
          }
        }
        const isNobodyThere = !access.isGranted && isRefusedConnection(failure);
        const patient = isTurnedAway ? leftOfRights : isNobodyThere ? leftOfNobody : left;
        const wait = patient.next(performance.now() - begun, asked);
        if (wait === undefined) throw failure;
        if (trouble) trouble.fail();
        else trouble = troubles.begin('The registry', failed, patience.retry.forMilliseconds);
        log.debug(`${failed}. Trying again in ${(wait / 1000).toFixed(1)} s.`);
        await patience.sleep(wait, signal);
      }
    }
  } finally {
    trouble?.end(served);
  }
}

/** A connection fell silent. */
export class SilenceError extends BrokenAnswerError {
  constructor(message: string, isAnswered: boolean) {
    super(message, undefined, isAnswered);
  }
}

/**
 * Makes one request and gives it up after too long a silence, or when it trickles for as long as a registry is waited for.
 * A TaskError is no silence, however late it comes: signing in has a patience of its own, and says itself what failed.
 *
 * @param request ends when the timer's signal says so, and touches the timer at every sign of life
 */
export async function limitSilence<T>(
  request: (idle: Idle) => Promise<T>,
  { signal, patience }: Connection,
): Promise<T> {
  throwIfCancelled(signal);
  const { forMilliseconds: longest } = patience.retry;
  const idle = new IdleTimer(patience.idle, signal);
  const end = new IdleTimer(longest, idle.signal);
  let isAnswered = false;
  const touch = () => {
    isAnswered = true;
    idle.touch();
  };
  try {
    return await request({ signal: end.signal, touch });
  } catch (error) {
    if (error instanceof TaskError) throw error;
    if (idle.expired) throw new SilenceError(`nothing came for ${formatDuration(patience.idle)}`, isAnswered);
    throw end.expired ? new SilenceError(`it was not done in ${formatDuration(longest)}`, isAnswered) : error;
  } finally {
    idle.stop();
    end.stop();
  }
}
