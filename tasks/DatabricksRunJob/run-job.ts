import { throwIfCancelled } from '../common/cancel';
import { TaskError } from '../common/errors';
import type { Outcome, TaskContext } from '../common/task';
import { plural } from '../common/text';
import { type Clock, systemClock } from './clock';
import { jobPage, runPage } from './databricks/address';
import { tokenProvider } from './databricks/auth';
import { DatabricksClient, type Transport } from './databricks/client';
import type { Job, RunParameters } from './databricks/jobs';
import type { Run } from './databricks/runs';
import { wasCancelled } from './databricks/states';
import { carryOut, planJob } from './define-job';
import { publishExitValue } from './exit-value';
import { RunFollower } from './follow';
import { hintFor } from './hints';
import type { Inputs } from './inputs';
import { checkRunsNotebook } from './job';
import { notebookRemark, placeNotebook, readNotebook } from './notebook';
import { assignParameters } from './parameters';
import { failedByInfrastructure, repair } from './repair';
import { describeEnd, errorMessage, logResults, summarize } from './report';
import { attachNotebooks, NO_RESULTS, type Results, readResults } from './results';
import { idempotencyToken, type StartedRun, startRun, stopRun } from './start';

/** What the story needs of the step that it is part of. */
export interface Step
  extends Pick<
    TaskContext,
    'log' | 'signal' | 'setOutput' | 'uploadSummary' | 'attach' | 'tempFolder' | 'oidcToken'
  > {
  readonly http: Transport;
  readonly clock?: Clock;
}

/** Milliseconds for which a run that was cancelled for its time limit is watched until it ends. */
const CANCEL_PATIENCE = 60_000;

/** Milliseconds by which the clock of the service's gateway and that of its runs may differ. */
const CLOCK_DIFFERENCE = 3_000;

/** Agents try a failed step again so many times at most. */
const MAX_STEP_RETRIES = 10;

/** Imports a notebook, runs the job that it belongs to, and reports how the run ended. */
export async function runJob(options: Inputs, step: Step): Promise<Outcome> {
  const { log, signal, http, clock = systemClock } = step;
  const { signIn, notebookFile, notebookPath } = options;
  const { origin } = signIn.workspace;
  const client = new DatabricksClient({
    origin,
    token: tokenProvider(signIn.credential, origin, step),
    access: signIn.access,
    http,
    log,
    signal,
    clock,
  });

  const notebook = readNotebook(notebookFile);
  const remark = notebookRemark(notebook);
  if (remark) log.info(remark);

  // Whatever can be refused is refused before anything in the workspace changes.
  const plan = await planJob(client, options.job, options.jobDefinition);
  if (plan.id) step.setOutput('jobId', plan.id);
  checkRunsNotebook(plan.job, notebookPath);
  const parameters = assignParameters(options.parameters, plan.job);

  const placed = await placeNotebook(client, notebook, notebookPath);
  log.info(
    placed === 'written'
      ? `Imported ${notebookFile} to ${notebookPath}.`
      : `${notebookPath} is the same as ${notebookFile} already, and was not written again.`,
  );
  const job = await carryOut(client, plan, log);
  if (!plan.id) step.setOutput('jobId', job.id);

  const work: Work = { options, step, client, clock, job, parameters };
  const { started, run, isTimedOut } = await runOnce(work);
  const results = run?.state.isOver ? await readResults(client, run, notebookPath, log) : NO_RESULTS;
  await publish(work, started, run, results);
  if (!options.waitForCompletion && !run?.state.isOver) {
    return {
      result: 'Succeeded',
      message: `Run ${started.id} of job '${job.name}' goes on: ${started.page}`,
    };
  }
  return judge(work, { started, run, isTimedOut }, results);
}

interface Work {
  readonly options: Inputs;
  readonly step: Step;
  readonly client: DatabricksClient;
  readonly clock: Clock;
  readonly job: Job;
  readonly parameters: RunParameters;
}

interface Ending {
  readonly started: StartedRun;
  /** As it was seen last; undefined when it was not looked at. */
  readonly run: Run | undefined;
  readonly isTimedOut: boolean;
}

/**
 * Starts the one run of this step, and follows it to its end.
 *
 * A step that is tried again (`retryCountOnTaskFailure`) is not told so, and gets the run of the try before. While
 * that run goes on or when it succeeded, it is the one that is wanted; when it had failed, another one is.
 */
async function runOnce(work: Work): Promise<Ending> {
  const { options, step, client } = work;
  const firstAskedAt = client.serviceTime;
  for (let earlierRuns = 0; ; earlierRuns++) {
    const started = await start(work, earlierRuns);
    const ending = await follow(work, started);
    const { run } = ending;
    const isOfEarlierTry = run?.state.isOver && beganBefore(run, firstAskedAt - CLOCK_DIFFERENCE);
    if (!isOfEarlierTry || isGoodEnough(run, options) || earlierRuns === MAX_STEP_RETRIES) return ending;
    step.log.info(
      `Run ${run.id} is of an earlier try of this step and ${describeEnd(run)}. Starting another one.`,
    );
  }
}

/** Whether a run began before a time of the service, as far as it tells its times. */
function beganBefore({ startedAt, endedAt }: Run, time: number): boolean {
  const began = startedAt || endedAt;
  return began > 0 && began < time;
}

async function start(work: Work, earlierRuns: number): Promise<StartedRun> {
  const { options, step, client, job, parameters } = work;
  const { log, signal } = step;
  const { onCancel } = options;
  const { workspace } = options.signIn;
  const shown = Object.entries(options.parameters).map(([key, value]) => `${key}=${value}`);
  log.info(`Starting job '${job.name}' (${job.id})${shown.length > 0 ? ` with ${shown.join(', ')}` : ''}.`);

  const token = idempotencyToken([...options.stepIdentity, job.id, options.parameters, earlierRuns]);
  const request = {
    jobId: job.id,
    ...parameters,
    idempotencyToken: token,
    waitsForTurn: options.whenBusy === 'queue',
  };
  const id = await startRun(client, request, { signal, log, onCancel, jobPage: jobPage(workspace, job.id) });
  const page = runPage(workspace, job.id, id);
  log.info(`Run ${id}: ${page}`);
  step.setOutput('runId', id);
  step.setOutput('runUrl', page);
  return { id, page };
}

async function follow(work: Work, started: StartedRun): Promise<Ending> {
  const { options, step, client, clock } = work;
  const { log, signal } = step;
  const { timeoutMinutes, onCancel } = options;
  const follower = new RunFollower(started, client, log, signal, clock);
  try {
    if (!options.waitForCompletion) {
      throwIfCancelled(signal);
      // A job that is busy shows at once: the run is over before it began.
      const run = options.whenBusy === 'fail' ? await follower.until(clock.now()) : undefined;
      return { started, run, isTimedOut: false };
    }
    const deadline = timeoutMinutes > 0 ? clock.now() + timeoutMinutes * 60_000 : Number.POSITIVE_INFINITY;
    const run = await repairUntilWell(work, await follower.until(deadline), (repaired) =>
      follower.until(deadline, repaired),
    );
    if (run?.state.isOver) return { started, run, isTimedOut: false };
    log.warning(`Run ${started.id} has not ended within ${plural(timeoutMinutes, 'minute')}.`);
    await stopRun(client, started, log, {});
    return { started, run: await follower.until(clock.now() + CANCEL_PATIENCE), isTimedOut: true };
  } catch (error) {
    if (signal.aborted && onCancel === 'cancelRun') await stopRun(client, started, log);
    else if (signal.aborted) log.info(`Run ${started.id} is left running: ${started.page}`);
    throw error;
  }
}

/** Repairs a run as long as only the infrastructure keeps it from ending well, and as often as the step may. */
async function repairUntilWell(
  { options, step, client, parameters }: Work,
  ended: Run | undefined,
  follow: (repaired: Run) => Promise<Run | undefined>,
): Promise<Run | undefined> {
  let run = ended;
  for (let repairs = 1; repairs <= options.repairAttempts; repairs++) {
    if (!run?.state.isOver || !failedByInfrastructure(run)) break;
    step.log.info(
      `Run ${run.id} failed for a reason of the infrastructure. Repairing it, ${repairs} of ${plural(options.repairAttempts, 'time')} at most.`,
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

async function publish(
  work: Work,
  started: StartedRun,
  run: Run | undefined,
  results: Results,
): Promise<void> {
  const { options, step, client, job } = work;
  const { exitValue, isTruncated, failures } = results;
  const pageOf = (runId: string) => runPage(options.signIn.workspace, job.id, runId);
  await logResults(results, pageOf, step.log);
  if (run?.state.isOver) step.setOutput('resultState', run.state.name);
  if (exitValue !== undefined) publishExitValue(exitValue, isTruncated, step);
  for (const { taskKey, trace } of failures) if (trace) step.attach(`${taskKey}-trace.txt`, trace);
  if (run?.state.isOver && options.exportHtml) await attachNotebooks(client, run, step);
  const { notebookPath, parameters } = options;
  const summary = summarize({ job, notebookPath, parameters, started, run, results, pageOf });
  step.uploadSummary(`Databricks job ${job.name}`, summary);
}

/** Whether the step succeeds with such a run. */
function isGoodEnough({ state }: Run, { onPartialSuccess }: Inputs): boolean {
  return state.verdict === 'success' || (state.verdict === 'partial' && onPartialSuccess !== 'fail');
}

function judge(
  { options, step, job }: Work,
  { started, run, isTimedOut }: Ending,
  results: Results,
): Outcome {
  const name = `Run ${started.id} of job '${job.name}'`;
  const verdict = run?.state.verdict;
  if (verdict === 'success') return { result: 'Succeeded', message: `${name} succeeded.` };

  const wasStopped = isTimedOut && (!run?.state.isOver || wasCancelled(run.state));
  if (!run || wasStopped) {
    const message =
      `${name} timed out: it had not ended after ${plural(options.timeoutMinutes, 'minute')}` +
      (run?.state.isOver
        ? " and was cancelled. Raise input 'timeoutMinutes' if it needs longer."
        : `, nor within a minute of being asked to stop. It may be going on: ${started.page}`);
    step.setOutput('errorMessage', message);
    throw new TaskError(message);
  }

  const error = errorMessage(run, results);
  step.setOutput('errorMessage', error);
  const hint = results.failures.length > 0 ? results.failures[0]!.hint : hintFor(run.state);
  const sentences = [
    `${name} ${describeEnd(run)}: ${error.replace(/[.!]?$/, '.')}`,
    hint,
    `See ${started.page}`,
  ];
  const message = sentences.filter(Boolean).join(' ');
  if (!isGoodEnough(run, options)) throw new TaskError(message);
  return { result: options.onPartialSuccess === 'warn' ? 'SucceededWithIssues' : 'Succeeded', message };
}
