import { type DatabricksClient, PATIENCE } from '../common/databricks/client';
import { isOutage } from '../common/databricks/errors';
import { TaskError } from '../common/errors';
import { Patience } from '../common/retry';
import type { RunParameters } from './databricks/jobs';
import { getLatestRepair, type Run, repairRun } from './databricks/runs';
import { hasFailed, type RunState } from './databricks/states';

/** Ends that say nothing about the notebook or the job, so that the same may do better the next time. */
const INFRASTRUCTURE = new Set([
  'INTERNAL_ERROR',
  'DRIVER_ERROR',
  'CLUSTER_ERROR',
  'CLOUD_FAILURE',
  'STORAGE_ACCESS_ERROR',
  'REPOSITORY_CHECKOUT_FAILED',
]);

/** Whom the service blames for such ends. The same code may come with `CLIENT_ERROR`, of a job whose cluster can't be. */
const BLAMES_INFRASTRUCTURE = new Set(['INTERNAL_ERROR', 'CLOUD_FAILURE']);

/** Refusals after a lost answer, until they are believed: the repair that they speak of may not show yet. */
const MAX_REFUSALS = 3;

/** Whether a fault is one of the infrastructure, which its hint explains too. The service's own word on it counts most. */
export function isInfrastructure({ code, blame }: RunState): boolean {
  return blame === undefined
    ? code !== undefined && INFRASTRUCTURE.has(code)
    : BLAMES_INFRASTRUCTURE.has(blame);
}

/**
 * Whether every failure of a run that is over is the infrastructure's. The state `INTERNAL_ERROR` does not say so: runs
 * of failed notebooks have it too. Only the code with which the tasks themselves were terminated does.
 */
export function failedByInfrastructure(run: Run): boolean {
  if (run.state.verdict !== 'failure') return false;
  const failed = run.tasks.filter(({ state }) => hasFailed(state));
  return failed.length > 0
    ? failed.every(({ state }) => isInfrastructure(state))
    : isInfrastructure(run.state);
}

/**
 * Has the failed tasks of a run that is over run again.
 *
 * @throws TaskError when the service refuses it
 */
export async function repair(
  client: DatabricksClient,
  runId: string,
  parameters: RunParameters,
): Promise<void> {
  const before = await getLatestRepair(client, runId);
  const patience = new Patience(PATIENCE);
  let refusals = 0;
  for (;;) {
    try {
      await repairRun(client, runId, before, parameters);
      return;
    } catch (error) {
      if (!(error instanceof TaskError)) throw error;
      // A request whose answer was lost may have repaired the run, and then another is refused.
      const mayBeRepaired = isOutage(error) || (patience.failures > 0 && ++refusals < MAX_REFUSALS);
      if (!mayBeRepaired) throw error;
      if ((await getLatestRepair(client, runId)) !== before) return;
      if (!(await client.pause(patience, error))) throw error;
    }
  }
}
