import type { TaskResult } from './types';

const SEVERITY: TaskResult[] = [
  'Succeeded',
  'SucceededWithIssues',
  'Failed',
  'Canceled',
  'Skipped',
  'Abandoned',
];

/** True for exactly the names that `task.complete` accepts; case matters, and `Cancelled` is none of them. */
export function isTaskResult(text: string | undefined): text is TaskResult {
  return SEVERITY.includes(text as TaskResult);
}

/** The worse of two results; whatever is beyond `Failed` sticks. */
export function mergeResults(current: TaskResult | undefined, coming: TaskResult): TaskResult {
  if (current === undefined) return coming;
  const rank = SEVERITY.indexOf(current);
  if (rank > SEVERITY.indexOf('Failed')) return current;
  return SEVERITY.indexOf(coming) >= rank ? coming : current;
}
