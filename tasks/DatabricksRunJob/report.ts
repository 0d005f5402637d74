import { pageAt, type WorkspaceAddress } from '../common/databricks/address';
import type { FederationRefusedError } from '../common/databricks/auth';
import { bound } from '../common/foreign-text';
import type { Logger } from '../common/log';
import { redact } from '../common/secrets';
import { type Cell, Summary, webAddress } from '../common/summary';
import { formatDuration, plural } from '../common/text';
import type { Run } from './databricks/runs';
import { compareTables, exitTable } from './exit-table';
import { fieldsOf } from './exit-value';
import type { Check } from './gate';
import type { Parameters } from './parameters';
import type { History, UsualTime } from './previous-run';
import { oneLine, type Results } from './results';
import type { StartedRun } from './start';
import { timeline } from './timeline';

/** Characters of an exit value and of a trace that the log shows. */
const LONGEST_SHOWN_VALUE = 20_000;
const LONGEST_SHOWN_TRACE = 15_000;

/** Rows of a table; a summary is for reading in ten seconds. */
const MOST_TASKS = 100;
const MOST_TRACES = 10;
const MOST_IN_LEAD = 4;

/** The page of a run of a task, of this job or of another. */
export type PageOf = (runId: string, jobId?: string) => string;

/** What the report is about. */
export interface Report {
  readonly pageOf: PageOf;
  readonly job: { readonly id: string; readonly name: string };
  readonly workspace: WorkspaceAddress;
  /** What was imported for it. */
  readonly notebook: string | undefined;
  /** The gate, where there is one and the notebook's metrics came to it. */
  readonly checks: readonly Check[];
  readonly history: History;
  readonly parameters: Parameters;
  readonly started: StartedRun;
  /** The run as it was seen last, where it was seen. */
  readonly run: Run | undefined;
  readonly results: Results;
}

/**
 * Logs what a run left behind: errors with their traces, and the exit value.
 *
 * @param pageOf the page of a run of one task
 */
export async function logResults(
  { exitValue, isTruncated, failures, moreFailures }: Results,
  pageOf: PageOf,
  log: Logger,
): Promise<void> {
  for (const { taskKey, runId, error, within, trace, logs, child, hint } of failures) {
    log.info(`Task '${taskKey}' failed: ${error}`);
    for (const line of within) log.info(`  ${line}`);
    if (hint) log.info(hint);
    if (runId) log.info(`See ${pageOf(runId)}`);
    if (child) log.info(`The job that it ran: ${pageOf(child.runId, child.jobId)}`);
    if (trace) await log.group(`Trace of task '${taskKey}'`, async () => log.info(endOf(trace)));
    if (logs) await log.group(`Output of task '${taskKey}'`, async () => log.info(endOf(logs)));
  }
  if (moreFailures > 0) log.info(notShown(moreFailures));
  if (exitValue === undefined) return;
  log.info(`The notebook returned: ${bound(exitValue, LONGEST_SHOWN_VALUE)}`);
  if (isTruncated) log.warning('Databricks kept only the beginning of what the notebook returned.');
}

/** Why a run did not succeed, in one line: the first error of its tasks, or what the run itself says. */
export function errorMessage(run: Run, { failures, moreFailures }: Results): string {
  const [first, ...others] = failures;
  if (!first) return oneLine(run.state.messages[0] ?? `no message, but the state ${run.state.name}`);
  const count = others.length + moreFailures;
  const more = count > 0 ? ` (and ${count} more failed)` : '';
  return run.tasks.length === 1 ? first.error : `task '${first.taskKey}'${more}: ${first.error}`;
}

/** How a run ended, as it goes on from the run's name. */
export function describeEnd({ state }: Run): string {
  switch (state.name) {
    case 'SUCCESS':
      return 'succeeded';
    case 'SUCCESS_WITH_FAILURES':
      return 'succeeded, but some of its tasks failed';
    case 'FAILED':
    case 'RUN_EXECUTION_ERROR':
      return 'failed';
    case 'MAXIMUM_CONCURRENT_RUNS_REACHED':
    case 'MAX_CONCURRENT_RUNS_EXCEEDED':
      return 'was skipped, since the job has as many runs going on as it may have';
    case 'TIMEDOUT':
      return 'was ended by the time limit that the job sets';
    case 'CANCELED':
    case 'USER_CANCELED':
      return 'was canceled in Databricks';
    default:
      return `ended as ${state.name}`;
  }
}

/** The page about the run for the pipeline's Extensions tab. */
export function summarize(report: Report): Summary {
  const { job, workspace, notebook, parameters, started, run, results, checks, history, pageOf } = report;
  const { previous, usualTime } = history;
  const state = run?.state.name ?? 'started';
  const returned = results.exitValue === undefined ? undefined : exitTable(results.exitValue);
  const metrics = (returned?.metrics ?? []).slice(0, MOST_IN_LEAD).map(([name, value]) => `${name} ${value}`);
  const summary = new Summary()
    .lead([`${job.name}: ${state}`, ...metrics].join(', '))
    .link(`Run ${started.id} in Databricks`, started.page)
    .facts([
      ['Job', `${job.name} (${job.id})`],
      ...(notebook === undefined ? [] : [['Notebook', notebook] as const]),
      ['Result', state],
      ...modelOf(results.exitValue, workspace),
      ['Time', run ? timeOf(run) + describeUsual(usualTime) : ''],
    ]);
  if (checks.length > 0) addChecks(summary, checks);
  if (returned) {
    const before = previous?.exitValue === undefined ? undefined : exitTable(previous.exitValue);
    if (!previous || !before) {
      summary.table(['The notebook returned', ''], [...returned.metrics, ...returned.others].map(asCells));
    } else {
      const page = pageOf(previous.id, previous.jobId);
      summary.table(
        ['The notebook returned', 'Now', 'Before'],
        compareTables(returned, before).map(asCells),
        ['Now', 'Before'],
      );
      summary.link(`Run ${previous.id}, the one before`, page);
    }
  } else if (results.exitValue !== undefined) {
    summary.paragraph('The notebook returned:').code(results.exitValue);
  }
  for (const [
    index,
    { taskKey, runId, error, within, trace, logs, child, hint },
  ] of results.failures.entries()) {
    summary.paragraph(`Task ${taskKey} failed: ${error}`);
    for (const line of within) summary.paragraph(line);
    if (hint) summary.paragraph(hint);
    if (runId) summary.link(`Task ${taskKey} in Databricks`, pageOf(runId));
    if (child) summary.link(`The job that task ${taskKey} ran`, pageOf(child.runId, child.jobId));
    for (const text of [trace, logs]) if (text && index < MOST_TRACES) summary.code(endOf(text));
  }
  if (results.moreFailures > 0) summary.paragraph(notShown(results.moreFailures));
  if (run && run.tasks.length > 0) addTasks(summary, run);
  if (Object.keys(parameters).length > 0) summary.table(['Parameter', 'Value'], Object.entries(parameters));
  return summary;
}

/** The page about a sign-in that was refused, with what an administrator has to do to allow it. */
export function summarizeRefusal({ message, command }: FederationRefusedError): Summary {
  return new Summary()
    .heading('Databricks did not let the step sign in')
    .paragraph(message)
    .paragraph('This command of an administrator of the account would let it in from now on:')
    .code(command, 'bash');
}

/** A row of values, of which those that are addresses lead there. */
function asCells([name, ...values]: readonly string[]): Cell[] {
  const cells = values.map((value) => {
    const url = webAddress(value);
    return url === undefined ? value : { label: value, url };
  });
  return [name ?? '', ...cells];
}

/** The version that the notebook says it stored, and its page where the registry is the workspace's own. */
function modelOf(exitValue: string | undefined, workspace: WorkspaceAddress): [string, Cell][] {
  const fields = new Map(exitValue === undefined ? [] : fieldsOf(exitValue));
  const [model, version] = [fields.get('model'), fields.get('version')];
  if (!model || !version) return [];
  const label = `${model} ${version}`;
  const isInCatalog = /^[^./]+\.[^./]+\.[^./]+$/.test(model) && /^\d+$/.test(version);
  const path = [...model.split('.'), 'version', version].map(encodeURIComponent).join('/');
  const url = pageAt(workspace, `/explore/data/models/${path}`);
  return [['Model', isInCatalog ? { label, url } : label]];
}

function notShown(failures: number): string {
  return `Not shown: ${plural(failures, 'more failed task')}. The page of the run has them all.`;
}

function addChecks(summary: Summary, checks: readonly Check[]): void {
  const rows = checks.map(({ condition, isMet, value, previous }) => [
    condition.metric,
    value ?? '',
    previous ?? '',
    condition.text,
    isMet ? 'holds' : 'does not hold',
  ]);
  summary.table(['Metric', 'Now', 'Before', 'Gate', ''], rows, ['Now', 'Before']);
}

function addTasks(summary: Summary, { tasks }: Run): void {
  const bars = timeline(tasks);
  const shown = tasks.slice(0, MOST_TASKS);
  // Where the service tells where a task's time went, that takes three columns more, and the compute another.
  const hasParts = shown.some(({ durations }) => durations.setup + durations.queue > 0);
  const hasCompute = shown.some(({ compute }) => compute !== undefined);
  const part = (milliseconds: number) => (milliseconds > 0 ? formatDuration(milliseconds) : '');
  const rows = shown.map((task, index) => [
    task.key,
    task.state.name,
    String(task.attempt),
    timeOf(task),
    ...(hasParts
      ? [part(task.durations.queue), part(task.durations.setup), part(task.durations.execution)]
      : []),
    ...(hasCompute ? [task.compute ?? ''] : []),
    bars[index] ?? '',
  ]);
  const parts = hasParts ? ['Queue', 'Set-up', 'Execution'] : [];
  summary.table(
    ['Task', 'State', 'Attempt', 'Time', ...parts, ...(hasCompute ? ['Compute'] : []), 'Timeline'],
    rows,
    ['Attempt', 'Time', ...parts],
  );
  if (tasks.length > rows.length)
    summary.paragraph(`${tasks.length - rows.length} more tasks are not shown.`);
}

/** Goes on from a run's own time. */
function describeUsual(usual: UsualTime | undefined): string {
  if (!usual) return '';
  return `, usually ${formatDuration(usual.duration)} (the last ${plural(usual.runs, 'run')} that succeeded)`;
}

/** A trace says what matters most at its end. Secrets go first: half of one would no longer be known as such. */
function endOf(whole: string): string {
  const trace = redact(whole);
  const left = trace.length - LONGEST_SHOWN_TRACE;
  return left <= 0
    ? trace
    : `(${left} characters before this are in the attached file)\n${trace.slice(left)}`;
}

function timeOf({ startedAt, endedAt }: { startedAt: number; endedAt: number }): string {
  return startedAt && endedAt ? formatDuration(endedAt - startedAt) : '';
}
