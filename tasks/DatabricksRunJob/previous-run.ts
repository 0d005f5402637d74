import type { DatabricksClient, RequestLimits } from '../common/databricks/client';
import { TaskError } from '../common/errors';
import { ONE_TRY } from '../common/retry';
import { getRun, listEndedRuns, type Run, type RunSummary } from './databricks/runs';
import { readExitValue } from './results';

/** Runs of a job that are gone through for one that succeeded. */
const MOST_RUNS = 200;

/** What the notebook of an earlier run returned. */
export interface PreviousRun {
  readonly id: string;
  readonly jobId: string | undefined;
  readonly exitValue: string | undefined;
}

/** What a job's earlier runs tell; it is nice to know, and no more. */
export interface History {
  /** The last run that succeeded before this one began. */
  readonly previous: PreviousRun | undefined;
  readonly usualTime: UsualTime | undefined;
}

/** How long a job's runs take. */
export interface UsualTime {
  /** Milliseconds; the median. */
  readonly duration: number;
  /** Of how many runs. */
  readonly runs: number;
}

export const NO_HISTORY: History = { previous: undefined, usualTime: undefined };

/** Runs whose times tell what is usual. */
const USUAL_RUNS = 10;

/** Milliseconds for which a step that knows its result waits for the runs before it. */
const LOOK_BACK_LIMIT = 5_000;

/**
 * The last run of a job that succeeded before another one began.
 *
 * @param notebookPath the notebook whose exit value counts; undefined for whichever has one
 * @throws TaskError when it can't be read
 */
export async function findPreviousRun(
  client: DatabricksClient,
  jobId: string,
  run: Run,
  notebookPath: string | undefined,
): Promise<PreviousRun | undefined> {
  let seen = 0;
  for await (const earlier of listEndedRuns(client, jobId)) {
    if (isBefore(earlier, run)) return readPrevious(client, earlier, notebookPath, {});
    if (++seen >= MOST_RUNS) break;
  }
  return undefined;
}

/**
 * What the job's last runs tell of this one: how long they take, and what the one before returned. Whatever can't be told
 * at once is left out.
 *
 * @param withValue whether what the one before returned is of use
 */
export async function lookBack(
  client: DatabricksClient,
  jobId: string,
  run: Run,
  { notebookPath, withValue }: { notebookPath: string | undefined; withValue: boolean },
  signal: AbortSignal,
): Promise<History> {
  const timeLimit = AbortSignal.timeout(LOOK_BACK_LIMIT);
  const limits = { retry: ONE_TRY, signal: AbortSignal.any([signal, timeLimit]) };
  const tolerate = <T>(work: Promise<T>) =>
    work.catch((error) => {
      if (error instanceof TaskError || (timeLimit.aborted && !signal.aborted)) return undefined;
      throw error;
    });
  const earlier = (await tolerate(listLast(client, jobId, run, limits))) ?? [];
  const before = withValue ? earlier.find((one) => isBefore(one, run)) : undefined;
  return {
    previous: before && (await tolerate(readPrevious(client, before, notebookPath, limits))),
    usualTime: usualTimeOf(earlier),
  };
}

/** The job's last runs that succeeded, other than one of them. */
async function listLast(
  client: DatabricksClient,
  jobId: string,
  run: Run,
  limits: RequestLimits,
): Promise<RunSummary[]> {
  const found: RunSummary[] = [];
  let seen = 0;
  for await (const earlier of listEndedRuns(client, jobId, limits)) {
    if (earlier.id !== run.id && earlier.state.verdict === 'success') found.push(earlier);
    if (found.length >= USUAL_RUNS || ++seen >= 2 * USUAL_RUNS) break;
  }
  return found;
}

function isBefore(earlier: RunSummary, run: Run): boolean {
  const began = run.startedAt || Number.POSITIVE_INFINITY;
  return earlier.id !== run.id && earlier.state.verdict === 'success' && earlier.startedAt <= began;
}

async function readPrevious(
  client: DatabricksClient,
  { id, jobId }: RunSummary,
  notebookPath: string | undefined,
  limits: RequestLimits,
): Promise<PreviousRun> {
  const run = await getRun(client, id, limits);
  const { exitValue } = await readExitValue(client, run, notebookPath, limits);
  return { id, jobId, exitValue };
}

function usualTimeOf(runs: readonly RunSummary[]): UsualTime | undefined {
  const durations = runs
    .filter(({ startedAt, endedAt }) => startedAt > 0 && endedAt >= startedAt)
    .map(({ startedAt, endedAt }) => endedAt - startedAt)
    .sort((a, b) => a - b);
  const duration = durations[Math.floor(durations.length / 2)];
  return duration === undefined ? undefined : { duration, runs: durations.length };
}
