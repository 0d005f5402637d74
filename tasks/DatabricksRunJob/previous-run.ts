import type { DatabricksClient } from '../common/databricks/client';
import { TaskError } from '../common/errors';
import { ONE_TRY } from '../common/retry';
import { getRun, listEndedRuns, type Run } from './databricks/runs';
import { readExitValue } from './results';

/** Runs of a job that are gone through for one that succeeded. */
const MOST_RUNS = 200;

/** What the notebook of an earlier run returned. */
export interface PreviousRun {
  readonly id: string;
  readonly exitValue: string | undefined;
}

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
    const isBefore =
      earlier.id !== run.id && earlier.startedAt <= (run.startedAt || Number.POSITIVE_INFINITY);
    if (isBefore && earlier.state.verdict === 'success') {
      const { id } = earlier;
      const { exitValue } = await readExitValue(client, await getRun(client, id, {}), notebookPath);
      return { id, exitValue };
    }
    if (++seen >= MOST_RUNS) break;
  }
  return undefined;
}

/** Runs whose times tell what is usual. */
const USUAL_RUNS = 10;

/** How long a job's runs take. */
export interface UsualTime {
  /** Milliseconds; the median. */
  readonly duration: number;
  /** Of how many runs. */
  readonly runs: number;
}

/**
 * How long the last runs of a job took that succeeded, other than one of them; undefined where there are none, or where
 * that can't be told at once: it is nice to know, and no more.
 */
export async function findUsualTime(
  client: DatabricksClient,
  jobId: string,
  run: Run,
): Promise<UsualTime | undefined> {
  const durations: number[] = [];
  let seen = 0;
  try {
    for await (const { id, state, startedAt, endedAt } of listEndedRuns(client, jobId, { retry: ONE_TRY })) {
      const isMeasured =
        id !== run.id && state.verdict === 'success' && startedAt > 0 && endedAt >= startedAt;
      if (isMeasured) durations.push(endedAt - startedAt);
      if (durations.length >= USUAL_RUNS || ++seen >= 2 * USUAL_RUNS) break;
    }
  } catch (error) {
    if (!(error instanceof TaskError)) throw error;
    return undefined;
  }
  durations.sort((a, b) => a - b);
  const duration = durations[Math.floor(durations.length / 2)];
  return duration === undefined ? undefined : { duration, runs: durations.length };
}
