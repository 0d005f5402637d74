import type { Outcome } from '../runs/outcome';

/** One attempt at a task, as a scenario sees it. */
export interface ScriptedTask {
  readonly key: string;
  /** 0 for the first attempt. */
  readonly attempt: number;
  /** What the notebook would get. */
  readonly parameters: Record<string, string>;
}

/** What the runs of a job do in tests, where no notebook has to run. */
export interface Scenario {
  /** How an attempt at a task goes: how long it runs, in milliseconds, and how it ends. */
  readonly task: (task: ScriptedTask) => { running?: number; outcome: Outcome };
  /** How the run ends, when that is not to follow from its tasks. */
  readonly outcome?: Outcome;
  /** Life-cycle states, known or not, that the run shows before it is RUNNING, each for some milliseconds. */
  readonly detours?: readonly { state: string; milliseconds: number }[];
  /** Leaves `life_cycle_state` out while the run is queued, as has been seen of Databricks. */
  readonly hidesQueuedState?: boolean;
}
