import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { throwIfCancelled } from '../common/cancel';
import type { Clock } from '../common/clock';
import type { DatabricksClient } from '../common/databricks/client';
import { isDeleted, saysGone } from '../common/databricks/errors';
import type { JsonObject } from '../common/databricks/json';
import { CancelledError, TaskError } from '../common/errors';
import type { TaskContext } from '../common/task';
import { plural } from '../common/text';
import { type Job, type RunParameters, runNow, submitRun } from './databricks/jobs';
import { jobPage, runPage, runsPage } from './databricks/pages';
import { getRun, type Run } from './databricks/runs';
import { RunFollower, RunGoneError } from './follow';
import type { Inputs } from './inputs';
import { failedByInfrastructure, repair } from './repair';
import { describeEnd } from './report';
import { idempotencyToken, type Launch, LostRunError, type StartedRun, startRun, stopRun } from './start';

/** Milliseconds for which a run that was cancelled for its time limit is watched until it ends. */
const CANCEL_PATIENCE = 60_000;

/** Milliseconds by which the clock of the service's gateway and that of its runs may differ. */
const CLOCK_DIFFERENCE = 3_000;

/** Agents try a failed step again so many times at most, in each attempt of its job. */
const MAX_STEP_RETRIES = 10;

/** What it takes to run a job once. */
export interface Work {
  readonly inputs: Inputs;
  readonly step: Pick<TaskContext, 'log' | 'signal' | 'setOutput' | 'variable'>;
  readonly client: DatabricksClient;
  readonly clock: Clock;
  readonly job: Job;
  readonly parameters: RunParameters;
  /** What a one-time run does in place of the job; undefined where the job itself is run. */
  readonly oneTime: JsonObject | undefined;
  /** Called when the step knows its run. */
  readonly onStarted?: () => void;
}

export interface Ending {
  readonly started: StartedRun;
  /** As it was seen last; undefined when it was not looked at. */
  readonly run: Run | undefined;
  readonly isTimedOut: boolean;
}

/** Whether the step succeeds with such a run. */
export function isGoodEnough({ state }: Run, { onPartialSuccess }: Inputs): boolean {
  return state.verdict === 'success' || (state.verdict === 'partial' && onPartialSuccess !== 'fail');
}

/**
 * Starts the one run of this step, and follows it to its end.
 *
 * A step that is tried again, by its agent (`retryCountOnTaskFailure`) or by a rerun of its job, may find runs that
 * earlier tries have started: Databricks gives the same run for the same token. One that goes on or has succeeded is the
 * one that is wanted; after one that had failed, or that was deleted, the next token has its turn.
 */
export async function runOnce(work: Work): Promise<Ending> {
  const { inputs, step, client } = work;
  const { log } = step;
  const firstAskedAt = client.serviceTime;
  const mostEarlierRuns = MAX_STEP_RETRIES * inputs.attempt;
  for (let earlierRuns = 0; ; earlierRuns++) {
    const kind = work.oneTime ? ['one-time'] : [];
    const token = idempotencyToken([
      ...inputs.stepIdentity,
      ...kind,
      ...[work.job.id, inputs.parameters, earlierRuns],
    ]);
    const marker = markerOf(token, step);
    try {
      const started = await start(work, token);
      const isEarlier = (run: Run) =>
        (marker !== undefined && existsSync(marker)) || beganBefore(run, firstAskedAt - CLOCK_DIFFERENCE);
      const ending = await follow(work, started, (run) => {
        if (!isEarlier(run)) return true;
        const isWanted = !run.state.isOver || isGoodEnough(run, inputs);
        log.info(
          isWanted
            ? `Run ${run.id} is of an earlier try of this step. Taking it over.`
            : `Run ${run.id} is of an earlier try of this step and ${describeEnd(run)}. Starting another one.`,
        );
        return isWanted || earlierRuns >= mostEarlierRuns;
      });
      if (ending === 'unwanted') continue;
      if (ending.run?.state.isOver && !isGoodEnough(ending.run, inputs)) leaveWord(marker);
      return ending;
    } catch (error) {
      const isGone =
        (error instanceof RunGoneError && !error.wasSeen && saysGone(error.cause)) || isDeleted(error);
      if (!isGone || earlierRuns >= mostEarlierRuns) throw error;
      log.info(`The run that an earlier try of this step had started was deleted. Starting another one.`);
    }
  }
}

/**
 * What tells the next try of this step in the same job that the run of a token has been reported as failed, should it
 * come so soon that the times of the run do not tell. It lies beside the sources, where no commit can put it.
 */
function markerOf(token: string, { variable }: Pick<TaskContext, 'variable'>): string | undefined {
  const folder = variable('Agent.TempDirectory');
  return folder && join(folder, `DatabricksRunJob-${token}.ended`);
}

/** `wx` follows no link, and leaves alone what is there. */
function leaveWord(marker: string | undefined): void {
  if (marker === undefined) return;
  try {
    writeFileSync(marker, '', { flag: 'wx' });
  } catch {
    // The run's times tell in nearly all cases.
  }
}

/** Whether a run began before a time of the service, as far as it tells its times. */
function beganBefore({ startedAt, endedAt }: Run, time: number): boolean {
  const began = startedAt || endedAt;
  return began > 0 && began < time;
}

async function start(work: Work, token: string): Promise<StartedRun> {
  const { inputs, step, job, oneTime } = work;
  const { log, signal } = step;
  const { onCancel } = inputs;
  const { workspace } = inputs.signIn;
  const shown = Object.entries(inputs.parameters).map(([key, value]) => `${key}=${value}`);
  const what = oneTime ? `a one-time run of the settings of job` : 'job';
  log.info(
    `Starting ${what} '${job.name}' (${job.id})${shown.length > 0 ? ` with ${shown.join(', ')}` : ''}.`,
  );

  const page = oneTime ? runsPage(workspace) : jobPage(workspace, job.id);
  const id = await startRun(launchOf(work, token), { signal, log, onCancel, jobPage: page });
  work.onStarted?.();
  step.setOutput('runId', id);
  const started = { id, page: await pageOf(work, id) };
  log.info(`Run ${id}: ${started.page}`);
  step.setOutput('runUrl', started.page);
  return started;
}

function launchOf({ inputs, client, job, parameters, oneTime }: Work, token: string): Launch {
  const waitsForTurn = inputs.whenBusy === 'queue';
  if (!oneTime) {
    const request = { jobId: job.id, ...parameters, idempotencyToken: token, waitsForTurn };
    return (limits) => runNow(client, request, limits);
  }
  const settings = { ...oneTime, idempotency_token: token, queue: { enabled: waitsForTurn } };
  return (limits) => submitRun(client, settings, limits);
}

/** Only a look tells which job was made for a one-time run, and that is in the address of its page. */
async function pageOf({ inputs, client, job, oneTime }: Work, id: string): Promise<string> {
  const { workspace } = inputs.signIn;
  if (!oneTime) return runPage(workspace, job.id, id);
  const run = await getRun(client, id).catch(() => undefined);
  return run?.jobId === undefined ? runsPage(workspace) : runPage(workspace, run.jobId, id);
}

/**
 * @param isWanted asked once, when the run is seen for the first time: whether it is to be followed
 */
async function follow(
  work: Work,
  started: StartedRun,
  isWanted: (run: Run) => boolean,
): Promise<Ending | 'unwanted'> {
  const { inputs, step, client, clock } = work;
  const { log, signal } = step;
  const { timeoutMinutes, onCancel } = inputs;
  const follower = new RunFollower(started, client, log, signal, clock);
  try {
    if (!inputs.waitForCompletion) {
      throwIfCancelled(signal);
      // A job that is busy shows at once: the run is over before it began. So does the run of an earlier attempt.
      const isWorthALook = inputs.whenBusy === 'fail' || inputs.attempt > 1;
      const run = isWorthALook ? await follower.untilSeen(clock.now()) : undefined;
      return run && !isWanted(run) ? 'unwanted' : { started, run, isTimedOut: false };
    }
    const deadline = timeoutMinutes > 0 ? clock.now() + timeoutMinutes * 60_000 : Number.POSITIVE_INFINITY;
    let seen = await follower.untilSeen(deadline);
    // An earlier try may have cancelled it just now.
    if (seen?.state.name === 'TERMINATING') seen = await follower.until(deadline);
    if (seen && !isWanted(seen)) return 'unwanted';
    const ended = seen?.state.isOver ? seen : await follower.until(deadline);
    const run = await repairUntilWell(work, ended, (repaired) => follower.until(deadline, repaired));
    if (run?.state.isOver) return { started, run, isTimedOut: false };
    log.warning(`Run ${started.id} has not ended within ${plural(timeoutMinutes, 'minute')}.`);
    await stopRun(client, started, log, {});
    return { started, run: await follower.until(clock.now() + CANCEL_PATIENCE), isTimedOut: true };
  } catch (error) {
    if (!signal.aborted) throw error;
    if (onCancel === 'cancelRun' && (await stopRun(client, started, log))) throw error;
    const left = `Run ${started.id} is left running: ${started.page}`;
    if (onCancel === 'leaveRunning') log.info(left);
    throw new CancelledError(undefined, { cause: new LostRunError(left) });
  }
}

/** Repairs a run as long as only the infrastructure keeps it from ending well, and as often as the step may. */
async function repairUntilWell(
  { inputs, step, client, parameters }: Work,
  ended: Run | undefined,
  follow: (repaired: Run) => Promise<Run | undefined>,
): Promise<Run | undefined> {
  let run = ended;
  for (let repairs = 1; repairs <= inputs.repairAttempts; repairs++) {
    if (!run?.state.isOver || !failedByInfrastructure(run)) break;
    step.log.info(
      `Run ${run.id} failed for a reason of the infrastructure. Repairing it, ${repairs} of ${plural(inputs.repairAttempts, 'time')} at most.`,
    );
    try {
      await repair(client, run.id, parameters);
    } catch (error) {
      if (!(error instanceof TaskError)) throw error;
      step.log.warning(`The run was not repaired. ${error.message}`);
      break;
    }
    run = await follow(run);
  }
  return run;
}
