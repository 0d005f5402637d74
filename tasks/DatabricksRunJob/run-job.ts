import { type Clock, systemClock } from '../common/clock';
import { FederationRefusedError, managementHeaders, tokenProvider } from '../common/databricks/auth';
import { DatabricksClient, PATIENCE, type Transport } from '../common/databricks/client';
import { TaskError } from '../common/errors';
import type { Logger } from '../common/log';
import type { Summary } from '../common/summary';
import type { Outcome, TaskContext } from '../common/task';
import { removeAbandoned } from './abandoned-copies';
import { onCopy } from './copy';
import { runPage } from './databricks/pages';
import type { Run } from './databricks/runs';
import { carryOut, type JobPlan, planJob } from './define-job';
import { publishExitValue } from './exit-value';
import { checkGate, describeCheck, needsPrevious } from './gate';
import type { Inputs } from './inputs';
import { type Gate, judge } from './judge';
import { digestNotebook, withDigest } from './notebook-digest';
import { oneTimeRun, separateClusters } from './one-time-run';
import { assignParameters } from './parameters';
import { findPreviousRun, type History, lookBack, NO_HISTORY } from './previous-run';
import { logResults, type PageOf, summarize, summarizeRefusal } from './report';
import { attachNotebooks, NO_RESULTS, type Results, readResults } from './results';
import { type Ending, isGoodEnough, runOnce, type Work } from './run-once';
import { checkRuns, place, readSources } from './sources';

/** What the story needs of the step that it is part of. */
export interface Step
  extends Pick<
    TaskContext,
    'log' | 'signal' | 'setOutput' | 'uploadSummary' | 'attach' | 'tempFolder' | 'oidcToken' | 'variable'
  > {
  readonly http: Transport;
  readonly clock?: Clock;
}

/** Imports a notebook where there is one, runs its job, and reports how the run ended. */
export async function runJob(inputs: Inputs, step: Step): Promise<Outcome> {
  try {
    return await importAndRun(inputs, step);
  } catch (error) {
    if (error instanceof FederationRefusedError) {
      step.uploadSummary('Databricks sign-in', summarizeRefusal(error));
    }
    throw error;
  }
}

async function importAndRun(inputs: Inputs, step: Step): Promise<Outcome> {
  const { log, signal, http, clock = systemClock } = step;
  const { signIn, notebookFile, notebookPath, copyPath, copiesPath = copyPath } = inputs;
  const { workspace } = signIn;
  // Whoever is asked on the way to the run has as much time to answer as Databricks itself.
  const patient: Transport = { send: (request) => http.send({ retry: PATIENCE, ...request }) };
  const services = { ...step, http: patient };
  const client = new DatabricksClient({
    workspace,
    token: tokenProvider(signIn.credential, workspace, services),
    headers: managementHeaders(signIn.credential, services),
    access: signIn.access,
    http: patient,
    log,
    signal,
    clock,
  });

  const sources = notebookFile === undefined ? undefined : await readSources(notebookFile, log);

  // Whatever can be refused is refused before anything in the workspace changes.
  const plan = await planJob(client, inputs.job, inputs.jobDefinition);
  if (plan.id) step.setOutput('jobId', plan.id);
  if (sources && notebookPath !== undefined) checkRuns(plan.job, sources, notebookPath);
  const digest =
    sources && notebookPath !== undefined ? digestNotebook(sources, notebookPath, plan.job) : undefined;
  if (digest) step.setOutput('notebookSha256', digest.sha256);
  const parameters = assignParameters(withDigest(inputs.parameters, digest), plan.job);

  const start = { inputs, step, client, clock, parameters };
  if (sources && notebookPath !== undefined && copyPath !== undefined) {
    const job = { ...plan.job, id: idOfPresent(plan) };
    const copy = { of: notebookPath, path: copyPath };
    const oneTime = oneTimeRun(job.name, plan.settings, copy, parameters);
    sayClusters(separateClusters(plan.settings), log);
    try {
      return await onCopy(client, copyPath, step, async (onStarted) => {
        await place(client, sources, copyPath, step);
        return runAndReport({ ...start, job, oneTime, onStarted }, step);
      });
    } finally {
      const hasOthers = inputs.attempt > 1 && copiesPath !== undefined && copiesPath !== copyPath;
      if (hasOthers && !signal.aborted) await removeAbandoned(client, { copiesPath, copyPath }, log);
    }
  }
  if (sources && notebookPath !== undefined) await place(client, sources, notebookPath, step);
  const job = await carryOut(client, plan, log);
  if (!plan.id) step.setOutput('jobId', job.id);
  return runAndReport({ ...start, job, oneTime: undefined }, step);
}

/** An isolated run changes nothing for others, so it does not create the job for them either. */
function idOfPresent({ id, job }: JobPlan): string {
  if (id !== undefined) return id;
  throw new TaskError(
    `There is no job named '${job.name}' in this workspace yet, and with input 'isolate' the step creates none. Run it ` +
      "once without 'isolate', on the branch whose job it is to be.",
  );
}

function sayClusters(count: number, log: Logger): void {
  if (count === 0) return;
  log.info(
    `Of the tasks, ${count} share a cluster in the job. In this run, each of them has one of its own: one-time runs can't share them.`,
  );
}

async function runAndReport(work: Work, step: Step): Promise<Outcome> {
  const { job } = work;
  const ending = await runOnce(work);
  // At the same time: what came before costs the step no time of its own.
  const [results, history] = await Promise.all([
    readAndPublish(work, step, ending),
    lookBackFrom(work, step, ending),
  ]);
  const gate = await passGate(work, ending, results, history);
  step.uploadSummary(`Databricks job ${job.name}`, summaryOf(work, ending, results, gate, history));
  return judge(work, ending, results, gate);
}

async function readAndPublish(work: Work, step: Step, ending: Ending): Promise<Results> {
  const { run } = ending;
  const results = run?.state.isOver ? await readResults(work.client, run, work.inputs, step.log) : NO_RESULTS;
  await publish(work, step, ending, results);
  return results;
}

async function lookBackFrom({ inputs, client, job }: Work, step: Step, { run }: Ending): Promise<History> {
  if (!run?.state.isOver) return NO_HISTORY;
  const { notebookPath } = inputs;
  const withValue = isGoodEnough(run, inputs);
  return lookBack(client, job.id, run, { notebookPath, withValue }, step.signal);
}

/** Hands on all that the run left behind, whatever the step makes of it afterwards. */
async function publish(work: Work, step: Step, { run }: Ending, results: Results): Promise<void> {
  const { inputs, client } = work;
  const { exitValue, isTruncated, failures } = results;
  await logResults(results, pagesOf(work, run), step.log);
  if (run?.state.isOver) step.setOutput('resultState', run.state.name);
  if (exitValue !== undefined) publishExitValue(exitValue, isTruncated, step);
  for (const { taskKey, trace, logs } of failures) {
    if (trace) step.attach(`${taskKey}-trace.txt`, trace);
    if (logs) step.attach(`${taskKey}-output.txt`, logs);
  }
  if (run?.state.isOver && inputs.exportHtml) await attachNotebooks(client, run, step);
}

/** Where the pages of a run's tasks are: below the job that the run belongs to. */
function pagesOf({ inputs, job }: Pick<Work, 'inputs' | 'job'>, run: Run | undefined): PageOf {
  return (runId, jobId = run?.jobId ?? job.id) => runPage(inputs.signIn.workspace, jobId, runId);
}

async function passGate(
  { inputs, client, job, step }: Work,
  { run }: Ending,
  results: Results,
  history: History,
): Promise<Gate> {
  const conditions = inputs.metricsGate;
  const isAsked = conditions.length > 0 && run?.state.isOver && isGoodEnough(run, inputs);
  if (!isAsked || results.unread !== undefined) return { checks: [], problem: undefined };
  try {
    const previous = needsPrevious(conditions)
      ? (history.previous ?? (await findPreviousRun(client, job.id, run, inputs.notebookPath)))
      : undefined;
    const checks = checkGate(conditions, results.exitValue, previous && (previous.exitValue ?? ''));
    if (previous) step.log.info(`The gate compares with run ${previous.id}.`);
    for (const check of checks) step.log.info(describeCheck(check));
    return { checks, problem: undefined };
  } catch (error) {
    if (!(error instanceof TaskError)) throw error;
    return { checks: [], problem: error.message };
  }
}

function summaryOf(
  { inputs, job }: Work,
  { started, run }: Ending,
  results: Results,
  { checks }: Gate,
  history: History,
): Summary {
  const { notebookPath, copyPath, parameters } = inputs;
  const pageOf = pagesOf({ inputs, job }, run);
  const notebook = copyPath === undefined ? notebookPath : `${notebookPath}, by a copy of this run's own`;
  const { workspace } = inputs.signIn;
  return summarize({
    ...{ job, workspace, notebook, parameters, started, run, results, checks, history, pageOf },
  });
}
