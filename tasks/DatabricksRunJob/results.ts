import type { DatabricksClient, RequestLimits } from '../common/databricks/client';
import { isOutage } from '../common/databricks/errors';
import { TaskError } from '../common/errors';
import { bound, defuse, stripControls } from '../common/foreign-text';
import type { Logger } from '../common/log';
import { ONE_TRY, type RetryPolicy } from '../common/retry';
import { redact } from '../common/secrets';
import type { TaskContext } from '../common/task';
import { plural } from '../common/text';
import { exportNotebook, getOutput, getRun, type Run, type RunOutput, type TaskRun } from './databricks/runs';
import { hasFailed, neverRan, wasCancelled } from './databricks/states';
import { hintFor, type Tried } from './hints';
import type { Inputs } from './inputs';
import { isAtOrBelow, isSamePath } from './job';
import { readPrinted } from './printed';

/** What a run that is over left behind. */
export interface Results {
  /** What the notebook handed to `dbutils.notebook.exit`; undefined when it did not call that. */
  readonly exitValue: string | undefined;
  /** Whether Databricks kept only the beginning of it. */
  readonly isTruncated: boolean;
  /** Why it is not known what the notebook returned; undefined where that is known. */
  readonly unread: string | undefined;
  /** Of tasks: first those that failed, then those that were cancelled. */
  readonly failures: readonly TaskFailure[];
  /** How many more tasks failed than `failures` holds. */
  readonly moreFailures: number;
}

export const NO_RESULTS: Results = {
  exitValue: undefined,
  isTruncated: false,
  unread: undefined,
  failures: [],
  moreFailures: 0,
};

/** The last attempt of a task that failed by itself. */
export interface TaskFailure {
  readonly taskKey: string;
  /** Undefined where the task has no run of its own. */
  readonly runId: string | undefined;
  /** One line. */
  readonly error: string;
  /** What failed within it, a line each: iterations, or the tasks of a job that it ran. */
  readonly within: readonly string[];
  /** The whole of it, cleaned. */
  readonly trace: string | undefined;
  /** What it printed, where that can be told; cleaned. */
  readonly logs: string | undefined;
  /** The run of the job that it ran. */
  readonly child: { readonly jobId: string; readonly runId: string } | undefined;
  /** What is known to help. */
  readonly hint: string | undefined;
}

/** Of a run in which everything fails, so many tasks show why. */
const MAX_FAILURES = 100;

/** Outputs that are read at the same time. */
const READ_AT_ONCE = 5;

/** Notebooks of one run that are asked for what they returned, until one has. */
const MAX_ASKED = 20;

/** Failed notebooks whose pages are asked for what they printed: each may have megabytes. */
const MAX_PAGES = 10;

/** A page is worth a minute's trouble, not ten: the error itself is known by then. */
const PAGE_PATIENCE: RetryPolicy = { forMilliseconds: 60_000 };

/** Iterations, or tasks of a job within a job, of which a failure tells. */
const MAX_WITHIN = 10;

/** Characters that are kept. */
const LONGEST_ERROR = 1_000;

/**
 * Reads what the notebook returned, and the errors of failed tasks: one request for each of these tasks.
 *
 * @param options `notebookPath`, or `copyPath` where a copy is run, is that of the notebook whose exit value counts, or of the
 * folder with such notebooks; undefined for whichever has one
 */
export async function readResults(
  client: DatabricksClient,
  run: Run,
  { notebookPath, copyPath = notebookPath, ...tried }: Pick<Inputs, 'notebookPath' | 'copyPath'> & Tried,
  log: Logger,
): Promise<Results> {
  const failed = run.tasks.filter(({ state }) => hasFailed(state));
  // A task that was cancelled because another failed began first as often as not, but is not the cause.
  failed.sort((a, b) => Number(wasCancelled(a.state)) - Number(wasCancelled(b.state)));
  const asking: Asking = { client, log, limits: {} };
  const failures: TaskFailure[] = [];
  while (failures.length < Math.min(failed.length, MAX_FAILURES)) {
    const next = failed.slice(failures.length, Math.min(failures.length + READ_AT_ONCE, MAX_FAILURES));
    const read = (task: TaskRun) => readFailure(asking, task, tried, failed.indexOf(task) < MAX_PAGES);
    failures.push(...(await Promise.all(next.map(read))));
  }
  return {
    ...(await tryExitValue(asking, run, copyPath)),
    failures,
    moreFailures: failed.length - failures.length,
  };
}

/** What asks for the results of a run, one after another. */
interface Asking {
  readonly client: DatabricksClient;
  readonly log: Logger;
  /** Once Databricks was waited for in vain, each further request has one try: a hundred failures are not worth a day. */
  limits: RequestLimits;
}

/** Asks for something that a step can do without; where it can't be had, the reader is told why. */
async function askFor<T>(
  asking: Asking,
  ask: (limits: RequestLimits) => Promise<T>,
  tell: (why: string) => void,
): Promise<T | undefined> {
  try {
    return await ask(asking.limits);
  } catch (error) {
    if (!(error instanceof TaskError)) throw error;
    if (isOutage(error)) asking.limits = { retry: ONE_TRY };
    tell(error.message);
    return undefined;
  }
}

type ReturnedValue = Pick<Results, 'exitValue' | 'isTruncated' | 'unread'>;

async function tryExitValue(
  asking: Asking,
  run: Run,
  notebookPath: string | undefined,
): Promise<ReturnedValue> {
  let unread: string | undefined;
  const read = (limits: RequestLimits) => readExitValue(asking.client, run, notebookPath, limits);
  const value = await askFor(asking, read, (why) => {
    unread = why;
  });
  return { exitValue: undefined, isTruncated: false, ...value, unread };
}

/**
 * What the notebook of a run returned: the last task that ran it tells. Where no notebook is named, or a folder of them,
 * it is that of the last task whose notebook returned anything.
 *
 * @throws TaskError when it can't be read
 */
export async function readExitValue(
  client: DatabricksClient,
  run: Run,
  notebookPath: string | undefined,
  limits: RequestLimits = {},
): Promise<Pick<Results, 'exitValue' | 'isTruncated'>> {
  const candidates = run.tasks.filter((task) => ranNotebook(task, notebookPath)).reverse();
  const isOne = candidates.some((task) => notebookPath && isSamePath(task.notebookPath!, notebookPath));
  for (const { id } of candidates.slice(0, isOne ? 1 : MAX_ASKED)) {
    const { exitValue, isTruncated } = await getOutput(client, id!, limits);
    if (exitValue !== undefined) return { exitValue, isTruncated };
  }
  return { exitValue: undefined, isTruncated: false };
}

function ranNotebook(task: TaskRun, path: string | undefined): boolean {
  if (task.state.verdict !== 'success' || task.notebookPath === undefined || !task.id) return false;
  return path === undefined || isAtOrBelow(task.notebookPath, path);
}

/** A failure whose details can't be read is a failure all the same. */
async function readFailure(
  asking: Asking,
  task: TaskRun,
  tried: Tried,
  withPage: boolean,
): Promise<TaskFailure> {
  const output = task.id === undefined ? undefined : await readOutput(asking, task.key, task.id);
  const printed = output?.logs ?? (withPage ? await readPage(asking, task) : undefined);
  const childRunId = output?.childRunId;
  return {
    taskKey: task.key,
    runId: task.id,
    error: oneLine(output?.error ?? task.state.messages[0] ?? `no message, but the state ${task.state.name}`),
    within: [
      ...task.iterationErrors
        .slice(0, MAX_WITHIN)
        .map(({ message, count }) => `${plural(count, 'iteration')}: ${oneLine(message)}`),
      ...(childRunId === undefined ? [] : await readChild(asking, childRunId)),
    ],
    trace: output?.trace && stripControls(output.trace).trim(),
    logs: printed && stripControls(printed).trim(),
    child:
      task.jobId !== undefined && childRunId !== undefined
        ? { jobId: task.jobId, runId: childRunId }
        : undefined,
    hint: hintFor(task.state, tried),
  };
}

/** What the cells of a notebook printed. Where that can't be told, the log says why. */
async function readPage(asking: Asking, task: TaskRun): Promise<string | undefined> {
  const { client, log } = asking;
  const { key, id, notebookPath, state } = task;
  if (notebookPath === undefined || id === undefined || neverRan(state) || wasCancelled(state))
    return undefined;
  const tell = (why: string) => log.info(`What the notebook of task '${key}' printed is not shown: ${why}`);
  const ask = async (limits: RequestLimits) => {
    const page = await exportNotebook(client, id, { retry: PAGE_PATIENCE, ...limits });
    const printed = page === undefined ? undefined : readPrinted(page);
    if (printed === undefined) tell('Databricks has no page of it in a form that is known here.');
    return printed;
  };
  return askFor(asking, ask, tell);
}

/** The tasks that failed in a job which a task ran, a line each. */
async function readChild(asking: Asking, runId: string): Promise<string[]> {
  const { client, log } = asking;
  const run = await askFor(
    asking,
    (limits) => getRun(client, runId, limits),
    (why) => log.warning(`Run ${runId}, of a job within this job, could not be looked at. ${why}`),
  );
  const failed = (run?.tasks ?? []).filter(({ state }) => hasFailed(state)).slice(0, MAX_WITHIN);
  return Promise.all(
    failed.map(async ({ key, id, state }) => {
      const output = id === undefined ? undefined : await readOutput(asking, key, id);
      return `task '${key}' of run ${runId}: ${oneLine(output?.error ?? state.messages[0] ?? state.name)}`;
    }),
  );
}

/** A run whose output can't be read has ended all the same. */
async function readOutput(
  asking: Asking,
  taskKey: string,
  taskRunId: string,
): Promise<RunOutput | undefined> {
  const { client, log } = asking;
  return askFor(
    asking,
    (limits) => getOutput(client, taskRunId, limits),
    (why) => log.warning(`The output of task '${taskKey}' could not be read. ${why}`),
  );
}

/** A text from the service as it fits into a message. */
export function oneLine(text: string): string {
  const line = redact(defuse(stripControls(text)))
    .replace(/\s+/g, ' ')
    .trim();
  return bound(line, LONGEST_ERROR);
}

/** Keeps the executed notebook of every task that ran one. A page that can't be had is no reason to fail. */
export async function attachNotebooks(
  client: DatabricksClient,
  run: Run,
  { log, attach }: Pick<TaskContext, 'log' | 'attach'>,
): Promise<void> {
  const asking: Asking = { client, log, limits: {} };
  for (const { key, id, notebookPath, state } of run.tasks) {
    if (notebookPath === undefined || id === undefined || neverRan(state)) continue;
    const keep = async (limits: RequestLimits) => {
      const page = await exportNotebook(client, id, limits);
      if (page === undefined) log.warning(`Databricks has no page of the notebook of task '${key}'.`);
      else attach(`${key}.html`, page);
    };
    const tell = (why: string) => log.warning(`The notebook of task '${key}' could not be exported. ${why}`);
    await askFor(asking, keep, tell);
  }
}
