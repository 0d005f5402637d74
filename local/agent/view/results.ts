import type { TaskResult } from '../types';

/** A result, or that there is none yet. */
export type State = TaskResult | 'Running';

interface Timed {
  readonly startTime: number;
  /** 0 until it has ended. */
  readonly finishTime: number;
}

export function stateOf({ result, finishTime }: Timed & { readonly result: TaskResult }): State {
  return finishTime === 0 ? 'Running' : result;
}

export const STATE_TEXT: Readonly<Record<State, string>> = {
  Succeeded: 'Succeeded',
  SucceededWithIssues: 'Succeeded with issues',
  Failed: 'Failed',
  Canceled: 'Canceled',
  Skipped: 'Skipped',
  Abandoned: 'Abandoned',
  Running: 'Running',
};

const MARKS: Readonly<Record<State, string>> = {
  Succeeded: 'M5 8.3l2.1 2.1L11.2 6',
  SucceededWithIssues: 'M8 4.6v4.2M8 11.2v.2',
  Failed: 'M5.6 5.6l4.8 4.8M10.4 5.6l-4.8 4.8',
  Canceled: 'M4.9 11.1l6.2-6.2',
  Skipped: 'M5.6 5.2L8.4 8l-2.8 2.8M10.6 5.2v5.6',
  Abandoned: 'M5 8h6',
  Running: 'M8 4.6V8l2.4 1.5',
};

const FILLED: ReadonlySet<State> = new Set<State>(['Succeeded', 'Failed', 'SucceededWithIssues']);

/** A picture of a result that says its name too. */
export function icon(state: State): string {
  const kind = FILLED.has(state) ? 'full' : 'ring';
  return `<svg class="icon ${kind} ${state}" viewBox="0 0 16 16" role="img" aria-label="${STATE_TEXT[state]}"><circle cx="8" cy="8" r="7"/><path d="${MARKS[state]}"/></svg>`;
}

/** How long something took, or has taken so far, such as `1m 5s`. */
export function duration({ startTime, finishTime }: Timed): string {
  const seconds = Math.round(((finishTime || Date.now()) - startTime) / 1000);
  if (seconds < 1) return '<1s';
  const minutes = Math.floor(seconds / 60);
  if (minutes === 0) return `${seconds}s`;
  return minutes < 60 ? `${minutes}m ${seconds % 60}s` : `${Math.floor(minutes / 60)}h ${minutes % 60}m`;
}
