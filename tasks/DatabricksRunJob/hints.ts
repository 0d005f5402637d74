import type { RunState } from './databricks/states';
import { isInfrastructure } from './repair';

const INFRASTRUCTURE = 'This is a fault of the infrastructure, not of the notebook. Run the step again later';
const BUSY = "Set input 'whenBusy' to queue, or raise the job's maximum of concurrent runs.";
const LATER = 'Run the step again when fewer runs are going on, or spread them over more compute.';
const SETTINGS = "Correct the settings of the task in the job, or in input 'jobDefinition'.";

/** What is known to help, by the code with which a run or task was terminated (or the result, where that says more). */
const HINTS: Readonly<Record<string, string>> = {
  BUDGET_POLICY_LIMIT_EXCEEDED: 'Have the limit of the budget policy raised.',
  CLUSTER_REQUEST_LIMIT_EXCEEDED: LATER,
  FEATURE_DISABLED:
    "Have an administrator of the workspace turn the feature on, or change the task's settings.",
  INVALID_CLUSTER_REQUEST: SETTINGS,
  INVALID_RUN_CONFIGURATION: SETTINGS,
  LIBRARY_INSTALLATION_ERROR: "Check the names, versions and sources of the task's libraries.",
  MAX_CONCURRENT_RUNS_EXCEEDED: BUSY,
  MAXIMUM_CONCURRENT_RUNS_REACHED: BUSY,
  MAX_JOB_QUEUE_SIZE_EXCEEDED: "Wait for the job's queued runs to end, or cancel those that nobody needs.",
  MAX_SPARK_CONTEXTS_EXCEEDED: LATER,
  RESOURCE_NOT_FOUND: "Check the path or name; the job's 'Run as' user must be able to see it.",
  UNAUTHORIZED_ERROR: "Give the job's 'Run as' user the permission that is missing.",
  WORKSPACE_RUN_LIMIT_EXCEEDED: LATER,
};

/**
 * What to do about an end, in a sentence; undefined where nothing is known to help.
 *
 * @param repairs how often the step might repair the run
 */
export function hintFor(state: RunState, repairs: number): string | undefined {
  if (isInfrastructure(state)) {
    return repairs > 0
      ? `${INFRASTRUCTURE}: it was repaired as often as input 'repairAttempts' allows, or could not be.`
      : `${INFRASTRUCTURE}; input 'repairAttempts' repairs such runs by itself.`;
  }
  const { code, name } = state;
  // Of a run that is skipped for another reason, the service says which.
  if (code === undefined && name === 'SKIPPED') return BUSY;
  return HINTS[code ?? name] ?? HINTS[name];
}
