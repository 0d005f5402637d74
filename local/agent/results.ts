import type { TaskResult } from './types';

const severity: TaskResult[] = [
  'Succeeded',
  'SucceededWithIssues',
  'Failed',
  'Canceled',
  'Skipped',
  'Abandoned',
];

/** True for exactly the names that `task.complete` accepts; case matters, and `Cancelled` is none of them. */
export function isTaskResult(text: string | undefined): text is TaskResult {
  return severity.includes(text as TaskResult);
}

/** The worse of two results; whatever is beyond `Failed` sticks. */
export function mergeResults(current: TaskResult | undefined, coming: TaskResult): TaskResult {
  if (current === undefined) return coming;
  const rank = severity.indexOf(current);
  if (rank > severity.indexOf('Failed')) return current;
  return severity.indexOf(coming) >= rank ? coming : current;
}
