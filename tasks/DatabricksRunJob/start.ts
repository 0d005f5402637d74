import { createHash } from 'node:crypto';
import { throwIfCancelled } from '../common/cancel';
import type { DatabricksClient, RequestLimits } from '../common/databricks/client';
import { isOutage, mayHaveBeenDone } from '../common/databricks/errors';
import { CancelledError, describeError, TaskError } from '../common/errors';
import type { Logger } from '../common/log';
import type { RetryPolicy } from '../common/retry';
import { cancelRun } from './databricks/runs';
import type { CancelPolicy } from './inputs';

/** A run that was started, and its page. */
export interface StartedRun {
  readonly id: string;
  readonly page: string;
}

/** Asks for a run, and returns its id: that of the same run, however often it is asked. */
export type Launch = (limits: RequestLimits) => Promise<string>;

/** The step ends, while its run may be going on; a rerun of the step takes it over. */
export class LostRunError extends TaskError {}

/** Whether an error ends a step whose run may be going on. */
export function leavesRun(error: unknown): boolean {
  return (
    error instanceof LostRunError || (error instanceof CancelledError && error.cause instanceof LostRunError)
  );
}

/** Milliseconds for each of the three requests that a cancelled step may still have to make: some four seconds in all. */
const LAST_REQUEST_LIMIT = 1_400;
const LAST_REQUEST_RETRY: RetryPolicy = { forMilliseconds: LAST_REQUEST_LIMIT };

/**
 * The token by which Databricks knows requests of one and the same step: 64 characters, its limit.
 *
 * @param parts all that tells the run that is wanted from every other
 */
export function idempotencyToken(parts: readonly unknown[]): string {
  return createHash('sha256').update(JSON.stringify(parts)).digest('hex');
}

/**
 * Starts a run once, however often the request is repeated on the way.
 *
 * A step that is cancelled before the answer came can't know whether there is a run. If runs are to be cancelled, it
 * asks once more with the same token, which gives the id of that very run, so that it can be cancelled.
 *
 * @param jobPage where the reader finds the run when its id stays unknown
 * @returns the run's id, also when the step was cancelled meanwhile
 * @throws LostRunError when a run may have been started
 */
export async function startRun(
  launch: Launch,
  options: { signal: AbortSignal; log: Logger; onCancel: CancelPolicy; jobPage: string },
): Promise<string> {
  const { signal, log, onCancel, jobPage } = options;
  throwIfCancelled(signal);
  try {
    return await launch({ signal });
  } catch (error) {
    const lookThere = `A run may have been started all the same. Look for it at ${jobPage}`;
    if (signal.aborted) {
      const answer = onCancel === 'cancelRun' ? await askAgain(launch) : { reason: '' };
      if ('id' in answer) return answer.id;
      log.warning(`The step was canceled while it started the job. ${answer.reason}${lookThere}`);
      throw new CancelledError(undefined, { cause: new LostRunError(lookThere) });
    }
    if (isOutage(error) || mayHaveBeenDone(error)) {
      throw new LostRunError(`${messageOf(error)} ${lookThere}`, { cause: error });
    }
    throw error;
  }
}

/** The id of the run that a request has started, or why it can't be told. */
async function askAgain(launch: Launch): Promise<{ id: string } | { reason: string }> {
  try {
    return { id: await launch(lastRequest()) };
  } catch (error) {
    return { reason: `Databricks did not tell in time which run that is: ${reasonOf(error)} ` };
  }
}

/**
 * Asks for a run to be cancelled. When that fails, the log says where to do it by hand.
 *
 * @param limits of the request; by default those of a step that is itself being cancelled
 * @returns whether the service will cancel it
 */
export async function stopRun(
  client: DatabricksClient,
  run: StartedRun,
  log: Logger,
  limits: RequestLimits = lastRequest(),
): Promise<boolean> {
  try {
    await cancelRun(client, run.id, limits);
    log.info(`Run ${run.id} is being canceled.`);
    return true;
  } catch (error) {
    log.warning(`Run ${run.id} could not be canceled. ${reasonOf(error)} It may be going on: ${run.page}`);
    return false;
  }
}

/** Limits of a request by a step that is being cancelled: its own signal is aborted, so the request has another. */
export function lastRequest(): RequestLimits {
  return { signal: AbortSignal.timeout(LAST_REQUEST_LIMIT), retry: LAST_REQUEST_RETRY };
}

/** Why such a request failed, as a sentence. */
export function reasonOf(error: unknown): string {
  return error instanceof CancelledError ? 'No answer came in time.' : messageOf(error);
}

/** As a sentence. */
function messageOf(error: unknown): string {
  return describeError(error).replace(/[.!]?$/, '.');
}
