import { type Clock, systemClock } from '../common/clock';
import { FederationRefusedError, tokenProvider } from '../common/databricks/auth';
import { DatabricksClient, PATIENCE, type Transport } from '../common/databricks/client';
import { TaskError } from '../common/errors';
import type { Summary } from '../common/summary';
import type { Outcome, TaskContext } from '../common/task';
import { plural } from '../common/text';
import { runPage } from './databricks/pages';
import { wasCancelled } from './databricks/states';
import { carryOut, planJob } from './define-job';
import { publishExitValue } from './exit-value';
import { type Check, checkGate, describeCheck, needsPrevious } from './gate';
import { hintFor } from './hints';
import type { Inputs } from './inputs';
import { assignParameters } from './parameters';
import { findPreviousRun, findUsualTime, type UsualTime } from './previous-run';
import { describeEnd, errorMessage, logResults, type PageOf, summarize, summarizeRefusal } from './report';
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
  const { signIn, notebookFile, notebookPath } = inputs;
  const { workspace } = signIn;
  // Whoever is asked on the way to the run has as much time to answer as Databricks itself.
  const patient: Transport = { send: (request) => http.send({ retry: PATIENCE, ...request }) };
  const client = new DatabricksClient({
    workspace,
    token: tokenProvider(signIn.credential, workspace, { ...step, http: patient }),
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
  const parameters = assignParameters(inputs.parameters, plan.job);

  if (sources && notebookPath !== undefined) await place(client, sources, notebookPath, step);
  const job = await carryOut(client, plan, log);
  if (!plan.id) step.setOutput('jobId', job.id);

  const work: Work = { inputs, step, client, clock, job, parameters };
  const ending = await runOnce(work);
  const results = ending.run?.state.isOver ? await readResults(client, ending.run, inputs, log) : NO_RESULTS;
  await publish(work, step, ending, results);
  const gate = await passGate(work, ending, results);
  const usualTime = ending.run?.state.isOver ? await findUsualTime(client, job.id, ending.run) : undefined;
  step.uploadSummary(`Databricks job ${job.name}`, summaryOf(work, ending, results, gate, usualTime));
  return judge(work, step, ending, results, gate);
}

/** Hands on all that the run left behind, whatever the step makes of it afterwards. */
async function publish(work: Work, step: Step, { run }: Ending, results: Results): Promise<void> {
  const { inputs, client, job } = work;
  const { exitValue, isTruncated, failures } = results;
  const pageOf: PageOf = (runId, jobId = job.id) => runPage(inputs.signIn.workspace, jobId, runId);
  await logResults(results, pageOf, step.log);
  if (run?.state.isOver) step.setOutput('resultState', run.state.name);
  if (exitValue !== undefined) publishExitValue(exitValue, isTruncated, step);
  for (const { taskKey, trace, logs } of failures) {
    if (trace) step.attach(`${taskKey}-trace.txt`, trace);
    if (logs) step.attach(`${taskKey}-output.txt`, logs);
  }
  if (run?.state.isOver && inputs.exportHtml) await attachNotebooks(client, run, step);
}

/** What came of the gate; empty where there is none, or no metrics came to it. */
interface Gate {
  readonly checks: readonly Check[];
  /** Why the gate can't be judged. */
  readonly problem: string | undefined;
}

async function passGate(
  { inputs, client, job, step }: Work,
  { run }: Ending,
  results: Results,
): Promise<Gate> {
  const conditions = inputs.metricsGate;
  const isAsked = conditions.length > 0 && run?.state.isOver && isGoodEnough(run, inputs);
  if (!isAsked || results.unread !== undefined) return { checks: [], problem: undefined };
  try {
    const previous = needsPrevious(conditions)
      ? await findPreviousRun(client, job.id, run, inputs.notebookPath)
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
  usualTime: UsualTime | undefined,
): Summary {
  const { notebookPath, parameters, signIn } = inputs;
  const pageOf: PageOf = (runId, jobId = job.id) => runPage(signIn.workspace, jobId, runId);
  return summarize({ job, notebookPath, parameters, started, run, results, checks, usualTime, pageOf });
}

function judge({ inputs, job }: Work, step: Step, ending: Ending, results: Results, gate: Gate): Outcome {
  const { started, run, isTimedOut } = ending;
  const name = `Run ${started.id} of job '${job.name}'`;
  const fail = (message: string, error = message): never => {
    step.setOutput('errorMessage', error);
    throw new TaskError(message);
  };
  if (!inputs.waitForCompletion && !run?.state.isOver) {
    return { result: 'Succeeded', message: `${name} goes on: ${started.page}` };
  }
  const wasStopped =
    isTimedOut && run?.state.verdict !== 'success' && (!run?.state.isOver || wasCancelled(run.state));
  if (!run || wasStopped) {
    return fail(
      `${name} timed out: it had not ended after ${plural(inputs.timeoutMinutes, 'minute')}` +
        (run?.state.isOver
          ? " and was canceled. Raise input 'timeoutMinutes' if it needs longer."
          : `, nor within a minute of being asked to stop. It may be going on: ${started.page}`),
    );
  }
  const { verdict } = run.state;
  if (isGoodEnough(run, inputs) && results.unread !== undefined) {
    return fail(
      `${name} ${describeEnd(run)}, but what its notebook returned could not be read. ${results.unread} Run the step ` +
        `again: it takes the same run. See ${started.page}`,
    );
  }
  if (gate.problem !== undefined) {
    return fail(
      `${name} ${describeEnd(run)}, but input 'metricsGate' can't be judged. ${gate.problem} See ${started.page}`,
    );
  }
  const unmet = gate.checks.filter(({ isMet }) => !isMet);
  if (unmet.length > 0) {
    const reasons = unmet.map(({ remark }) => remark).join('; ');
    return fail(
      `${name} ${describeEnd(run)}, but did not pass the gate: ${reasons}. See ${started.page}`,
      reasons,
    );
  }
  if (verdict === 'success') return { result: 'Succeeded', message: `${name} succeeded.` };

  const error = errorMessage(run, results);
  step.setOutput('errorMessage', error);
  const hint =
    results.failures.length > 0 ? results.failures[0]!.hint : hintFor(run.state, inputs.repairAttempts);
  const sentences = [
    `${name} ${describeEnd(run)}: ${error.replace(/[.!]?$/, '.')}`,
    hint,
    `See ${started.page}`,
  ];
  const message = sentences.filter(Boolean).join(' ');
  if (!isGoodEnough(run, inputs)) throw new TaskError(message);
  return { result: inputs.onPartialSuccess === 'warn' ? 'SucceededWithIssues' : 'Succeeded', message };
}
