import type { RunState } from './databricks/states';
import type { Inputs } from './inputs';
import { isInfrastructure } from './repair';

const INFRASTRUCTURE = 'This is a fault of the infrastructure, not of the notebook. Run the step again later';
const QUEUE = "Set input 'whenBusy' to queue, or raise the job's maximum of concurrent runs.";
const NO_TURN = "Run the step again later, or raise the job's maximum of concurrent runs.";
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
  MAX_JOB_QUEUE_SIZE_EXCEEDED: "Wait for the job's queued runs to end, or cancel those that nobody needs.",
  MAX_SPARK_CONTEXTS_EXCEEDED: LATER,
  RESOURCE_NOT_FOUND: "Check the path or name; the job's 'Run as' user must be able to see it.",
  UNAUTHORIZED_ERROR: "Give the job's 'Run as' user the permission that is missing.",
  WORKSPACE_RUN_LIMIT_EXCEEDED: LATER,
};

/** Ends for which a run that may wait for its turn needs no remedy. */
const BUSY = new Set(['MAX_CONCURRENT_RUNS_EXCEEDED', 'MAXIMUM_CONCURRENT_RUNS_REACHED']);

/** What of the step's inputs would have helped. */
export type Tried = Pick<Inputs, 'repairAttempts' | 'whenBusy'>;

/**
 * What to do about an end, in a sentence; undefined where nothing is known to help.
 *
 * @param tried what the step was told already: to say it again is no help
 */
export function hintFor(state: RunState, { repairAttempts, whenBusy }: Tried): string | undefined {
  if (isInfrastructure(state)) {
    return repairAttempts > 0
      ? `${INFRASTRUCTURE}: it was repaired as often as input 'repairAttempts' allows, or could not be.`
      : `${INFRASTRUCTURE}; input 'repairAttempts' repairs such runs by itself.`;
  }
  const { code, name } = state;
  const remedy = whenBusy === 'fail' ? QUEUE : NO_TURN;
  if (BUSY.has(code ?? name)) return remedy;
  if (code === undefined && name === 'SKIPPED') {
    return `Databricks does not say why; mostly, the job has as many runs going on as it may have. ${remedy}`;
  }
  return HINTS[code ?? name] ?? HINTS[name];
}
