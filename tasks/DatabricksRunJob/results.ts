import { TaskError } from '../common/errors';
import { defuse, stripControls } from '../common/foreign-text';
import type { Logger } from '../common/log';
import { redact } from '../common/secrets';
import type { TaskContext } from '../common/task';
import type { DatabricksClient } from './databricks/client';
import { exportNotebook, getOutput, type Run, type RunOutput, type TaskRun } from './databricks/runs';
import { hasFailed, neverRan, wasCancelled } from './databricks/states';
import { hintFor } from './hints';
import { isSameNotebook } from './job';

/** What a run that is over left behind. */
export interface Results {
  /** What the notebook handed to `dbutils.notebook.exit`; undefined when it did not call that. */
  readonly exitValue: string | undefined;
  /** Whether Databricks kept only the beginning of it. */
  readonly isTruncated: boolean;
  /** Of tasks: first those that failed, then those that were cancelled. */
  readonly failures: readonly TaskFailure[];
  /** How many more tasks failed than `failures` holds. */
  readonly moreFailures: number;
}

export const NO_RESULTS: Results = {
  exitValue: undefined,
  isTruncated: false,
  failures: [],
  moreFailures: 0,
};

/** The last attempt of a task that failed by itself. */
export interface TaskFailure {
  readonly taskKey: string;
  readonly runId: string;
  /** One line. */
  readonly error: string;
  /** The whole of it, cleaned. */
  readonly trace: string | undefined;
  /** What is known to help. */
  readonly hint: string | undefined;
}

/** Of a run in which everything fails, so many tasks show why. */
const MAX_FAILURES = 100;

/** Outputs that are read at the same time. */
const READ_AT_ONCE = 5;

/** Characters that are kept. */
const LONGEST_ERROR = 1_000;

/**
 * Reads what the notebook returned, from the last task that ran it, and the errors of failed tasks: one request for
 * each of these tasks.
 */
export async function readResults(
  client: DatabricksClient,
  run: Run,
  notebookPath: string,
  log: Logger,
): Promise<Results> {
  const failed = run.tasks.filter(({ state }) => hasFailed(state));
  // A task that was cancelled because another failed began first as often as not, but is not the cause.
  failed.sort((a, b) => Number(wasCancelled(a.state)) - Number(wasCancelled(b.state)));
  const failures: TaskFailure[] = [];
  while (failures.length < Math.min(failed.length, MAX_FAILURES)) {
    const next = failed.slice(failures.length, Math.min(failures.length + READ_AT_ONCE, MAX_FAILURES));
    failures.push(
      ...(await Promise.all(
        next.map(async (task) => describeFailure(task, await tryOutput(client, task, log))),
      )),
    );
  }
  const notebookTask = run.tasks.findLast((task) => ranNotebook(task, notebookPath));
  const output = notebookTask && (await tryOutput(client, notebookTask, log));
  return {
    exitValue: output?.exitValue,
    isTruncated: output?.isTruncated ?? false,
    failures,
    moreFailures: failed.length - failures.length,
  };
}

function ranNotebook({ state, notebookPath }: TaskRun, path: string): boolean {
  return state.verdict === 'success' && notebookPath !== undefined && isSameNotebook(notebookPath, path);
}

/** A run whose output can't be read has ended all the same. */
async function tryOutput(
  client: DatabricksClient,
  task: TaskRun,
  log: Logger,
): Promise<RunOutput | undefined> {
  try {
    return await getOutput(client, task.id);
  } catch (error) {
    if (!(error instanceof TaskError)) throw error;
    log.warning(`The output of task '${task.key}' could not be read. ${error.message}`);
    return undefined;
  }
}

function describeFailure(task: TaskRun, output: RunOutput | undefined): TaskFailure {
  return {
    taskKey: task.key,
    runId: task.id,
    error: oneLine(output?.error ?? task.state.messages[0] ?? `no message, but the state ${task.state.name}`),
    trace: output?.trace && stripControls(output.trace).trim(),
    hint: hintFor(task.state),
  };
}

/** A text from the service as it fits into a message. */
export function oneLine(text: string): string {
  const line = redact(defuse(stripControls(text)))
    .replace(/\s+/g, ' ')
    .trim();
  return line.length <= LONGEST_ERROR ? line : `${line.slice(0, LONGEST_ERROR)}…`;
}

/** Keeps the executed notebook of every task that ran one. A page that can't be had is no reason to fail. */
export async function attachNotebooks(
  client: DatabricksClient,
  run: Run,
  { log, attach }: Pick<TaskContext, 'log' | 'attach'>,
): Promise<void> {
  for (const { key, id, notebookPath, state } of run.tasks) {
    if (notebookPath === undefined || neverRan(state)) continue;
    try {
      const page = await exportNotebook(client, id);
      if (page === undefined) log.warning(`Databricks has no page of the notebook of task '${key}'.`);
      else attach(`${key}.html`, page);
    } catch (error) {
      if (!(error instanceof TaskError)) throw error;
      log.warning(`The notebook of task '${key}' could not be exported. ${error.message}`);
    }
  }
}
