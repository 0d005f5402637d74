import type { DatabricksClient } from './databricks/client';
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
