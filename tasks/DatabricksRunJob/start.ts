import { createHash } from 'node:crypto';
import { throwIfCancelled } from '../common/cancel';
import type { DatabricksClient, RequestLimits } from '../common/databricks/client';
import { isOutage } from '../common/databricks/errors';
import { CancelledError, describeError, TaskError } from '../common/errors';
import type { Logger } from '../common/log';
import type { RetryPolicy } from '../common/retry';
import { type RunRequest, runNow } from './databricks/jobs';
import { cancelRun } from './databricks/runs';

/** A run that was started, and its page. */
export interface StartedRun {
  readonly id: string;
  readonly page: string;
}

/** What to do with the run when the step is cancelled. */
export const CANCEL_POLICIES = ['cancelRun', 'leaveRunning'] as const;
export type CancelPolicy = (typeof CANCEL_POLICIES)[number];

/** What to do when the job has as many runs going on as it may have. */
export const BUSY_POLICIES = ['queue', 'fail'] as const;
export type BusyPolicy = (typeof BUSY_POLICIES)[number];

/** Milliseconds for each of the two requests that a cancelled step may still have to make: three seconds in all. */
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
 */
export async function startRun(
  client: DatabricksClient,
  request: RunRequest,
  options: { signal: AbortSignal; log: Logger; onCancel: CancelPolicy; jobPage: string },
): Promise<string> {
  const { signal, log, onCancel, jobPage } = options;
  throwIfCancelled(signal);
  try {
    return await runNow(client, request, { signal });
  } catch (error) {
    const lookThere = `A run may have been started all the same. Look for it at ${jobPage}`;
    if (signal.aborted) {
      const answer = onCancel === 'cancelRun' ? await askAgain(client, request) : { reason: '' };
      if ('id' in answer) return answer.id;
      log.warning(`The step was canceled while it started the job. ${answer.reason}${lookThere}`);
    } else if (isOutage(error)) {
      throw new TaskError(`${messageOf(error)} ${lookThere}`, { cause: error });
    }
    throw error;
  }
}

/** The id of the run that a request has started, or why it can't be told. */
async function askAgain(
  client: DatabricksClient,
  request: RunRequest,
): Promise<{ id: string } | { reason: string }> {
  try {
    return { id: await runNow(client, request, lastRequest()) };
  } catch (error) {
    return { reason: `Databricks did not tell in time which run that is: ${reasonOf(error)} ` };
  }
}

/**
 * Asks for a run to be cancelled. When that fails, the log says where to do it by hand.
 *
 * @param limits of the request; by default those of a step that is itself being cancelled
 */
export async function stopRun(
  client: DatabricksClient,
  run: StartedRun,
  log: Logger,
  limits: RequestLimits = lastRequest(),
): Promise<void> {
  try {
    await cancelRun(client, run.id, limits);
    log.info(`Run ${run.id} is being canceled.`);
  } catch (error) {
    log.warning(`Run ${run.id} could not be canceled. ${reasonOf(error)} It may be going on: ${run.page}`);
  }
}

/** The step's own signal is aborted by now, so these requests have one of theirs. */
function lastRequest(): RequestLimits {
  return { signal: AbortSignal.timeout(LAST_REQUEST_LIMIT), retry: LAST_REQUEST_RETRY };
}

function reasonOf(error: unknown): string {
  return error instanceof CancelledError ? 'No answer came in time.' : messageOf(error);
}

/** As a sentence. */
function messageOf(error: unknown): string {
  return describeError(error).replace(/[.!]?$/, '.');
}
