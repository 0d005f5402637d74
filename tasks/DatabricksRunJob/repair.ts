import { TaskError } from '../common/errors';
import type { DatabricksClient } from './databricks/client';
import { DatabricksError, isOutage } from './databricks/errors';
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

/** Tries of a repair whose answer was lost. */
const MAX_TRIES = 3;

/** Whether a fault is one of the infrastructure, which its hint explains too. */
export function isInfrastructure({ code }: RunState): boolean {
  return code !== undefined && INFRASTRUCTURE.has(code);
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
  for (let tries = 1; ; tries++) {
    try {
      await repairRun(client, runId, before, parameters);
      return;
    } catch (error) {
      if (!(error instanceof TaskError)) throw error;
      // A request whose answer was lost may have repaired the run, and then another is refused.
      const mayBeRepaired = isOutage(error) || (tries > 1 && error instanceof DatabricksError);
      if (!mayBeRepaired) throw error;
      if ((await getLatestRepair(client, runId)) !== before) return;
      if (tries === MAX_TRIES) throw error;
      await client.pause(tries, error);
    }
  }
}
