import type { RunIf } from '../jobs/settings';
import { isSuccess, type Outcome, succeeded } from './outcome';
import type { TaskRun } from './run';

/** Whether a task runs, now that the tasks before it are over. */
export function mayRun(runIf: RunIf, upstream: readonly (Outcome | undefined)[]): boolean {
  const successes = upstream.filter(isSuccess).length;
  const failures = upstream.filter((outcome) => outcome && hasFailed(outcome)).length;
  switch (runIf) {
    case 'ALL_SUCCESS':
      return successes === upstream.length;
    case 'ALL_DONE':
      return true;
    case 'NONE_FAILED':
      return failures === 0;
    case 'AT_LEAST_ONE_SUCCESS':
      return successes > 0;
    case 'AT_LEAST_ONE_FAILED':
      return failures > 0;
    case 'ALL_FAILED':
      return failures === upstream.length;
  }
}

/**
 * How a run ends, given the latest attempts at its tasks: the tasks that no other waits for decide, and failures
 * before them only make a success an incomplete one.
 */
export function outcomeOfTasks(tasks: readonly TaskRun[], compute: 'serverless' | 'classic'): Outcome {
  const awaited = new Set(tasks.flatMap((task) => task.settings.dependsOn));
  const unsuccessful = tasks.filter((task) => !isSuccess(task.outcome));
  if (unsuccessful.length === 0) return succeeded();
  if (unsuccessful.every((task) => awaited.has(task.key))) {
    return {
      lifeCycleState: 'TERMINATED',
      resultState: 'SUCCESS_WITH_FAILURES',
      code: 'SUCCESS_WITH_FAILURES',
      type: 'SUCCESS',
      message: '',
    };
  }
  const cause = unsuccessful.find((task) => task.outcome && hasFailed(task.outcome)) ?? unsuccessful[0]!;
  const { output: _, ...outcome } = cause.outcome!;
  if (outcome.resultState !== 'FAILED') return outcome;
  return {
    ...outcome,
    // Seen on serverless compute: an ordinary failure of a task, and yet the run shows INTERNAL_ERROR.
    lifeCycleState: compute === 'serverless' ? 'INTERNAL_ERROR' : 'TERMINATED',
    message: `Task ${cause.key} failed with message: ${outcome.message}.`,
  };
}

function hasFailed(outcome: Outcome): boolean {
  return !isSuccess(outcome) && outcome.lifeCycleState !== 'SKIPPED' && outcome.resultState !== 'CANCELED';
}
