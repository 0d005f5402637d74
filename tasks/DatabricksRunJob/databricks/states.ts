import type { Shaped } from '../../common/shape';

/*
 * The states of a run and of its tasks. Jobs API 2.2 tells them twice: in the older `state`, and in `status`. Both
 * are read, since either may be absent; names that are not known here are states of a run that is going on.
 */

/** `state` and `status` as they come, of a run or of one of its tasks. */
export const STATES = {
  state: { life_cycle_state: 'text', result_state: 'text', state_message: 'text', queue_reason: 'text' },
  status: {
    state: 'text',
    termination_details: { code: 'text', type: 'text', message: 'text' },
    queue_details: { code: 'text', message: 'text' },
  },
} as const;

export type WireState = Shaped<typeof STATES>;

export interface RunState {
  readonly isOver: boolean;
  /** Whether it is in a state that is known here. */
  readonly isKnown: boolean;
  /** What is happening, as Databricks names it: `RUNNING`; once it is over, how it ended: `SUCCESS`. */
  readonly name: string;
  /** How it ended; undefined while it goes on. */
  readonly verdict: Verdict | undefined;
  /** Why it ended, in a word of a fixed list such as `CLUSTER_ERROR`; undefined when the service gives none. */
  readonly code: string | undefined;
  /** Who is to blame for its end, such as `CLIENT_ERROR` or `CLOUD_FAILURE`; undefined when the service does not say. */
  readonly blame: string | undefined;
  /** Why it waits or how it ended, in the service's words, the most exact first. */
  readonly messages: readonly string[];
}

/** `partial`: it succeeded, but something in it failed. */
export type Verdict = 'success' | 'partial' | 'failure';

const LAST_STATES = new Set(['TERMINATED', 'SKIPPED', 'INTERNAL_ERROR']);

const GOING_STATES = new Set([
  'BLOCKED',
  'PENDING',
  'QUEUED',
  'RUNNING',
  'TERMINATING',
  'WAITING',
  'WAITING_FOR_RETRY',
]);

/** The name of the state of a run of which the service tells none, as it may be of one that is queued. */
export const NO_STATE = 'WAITING';

/**
 * Reads where a run is. A run whose task failed ends as `INTERNAL_ERROR` with the result `FAILED` on serverless
 * compute, so that state alone says nothing about the platform. Results may be absent, from skipped runs for one.
 */
export function readState(wire: WireState): RunState {
  const [state, status] = [wire.state ?? {}, wire.status ?? {}];
  const phase = state.life_cycle_state || status.state || undefined;
  const details = status.termination_details ?? {};
  const isOver = LAST_STATES.has(state.life_cycle_state ?? '') || status.state === 'TERMINATED';
  const result = state.result_state || details.code || undefined;
  const messages = isOver
    ? [details.message, state.state_message]
    : [state.queue_reason, status.queue_details?.message, status.queue_details?.code, state.state_message];
  return {
    isOver,
    isKnown: isOver || GOING_STATES.has(phase ?? '') || GOING_STATES.has(status.state ?? ''),
    name: (isOver ? (result ?? phase) : phase) ?? NO_STATE,
    verdict: isOver ? verdictOf(result) : undefined,
    code: (isOver && details.code) || undefined,
    blame: (isOver && details.type) || undefined,
    messages: messages.filter((message) => !!message) as string[],
  };
}

function verdictOf(result: string | undefined): Verdict {
  if (result === 'SUCCESS') return 'success';
  return result === 'SUCCESS_WITH_FAILURES' ? 'partial' : 'failure';
}

/** Results of tasks that did not fail by themselves: they never ran, because of others or by the job's design. */
const NEVER_RAN = new Set(['UPSTREAM_FAILED', 'UPSTREAM_CANCELED', 'EXCLUDED', 'DISABLED', 'SKIPPED']);

/** Whether a task of a run was never begun. */
export function neverRan(state: RunState): boolean {
  return NEVER_RAN.has(state.name);
}

/** Whether a run or task was ended from outside. */
export function wasCancelled({ name }: RunState): boolean {
  return name === 'CANCELED' || name === 'USER_CANCELED';
}

/** Whether a task of a run failed by itself. */
export function hasFailed(state: RunState): boolean {
  return state.verdict === 'failure' && !neverRan(state);
}
