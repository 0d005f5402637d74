import { newId } from '../ids';
import type { Job } from '../jobs/jobs';
import type { JobSettings, TaskSettings } from '../jobs/settings';
import type { JsonObject } from '../json';
import type { Outcome } from './outcome';

/** One attempt at one task of a run. Retries and repairs add attempts; none is ever changed into another. */
export interface TaskRun {
  readonly id: bigint;
  readonly key: string;
  readonly attempt: number;
  readonly settings: TaskSettings;
  /** Aborted, with the outcome as the reason, to stop it before its end. */
  readonly stop: AbortController;
  /** Life-cycle state, until there is an outcome. */
  state: string;
  outcome?: Outcome;
  startTime: number;
  /** When its own work began, after waiting for compute. */
  workTime?: number;
  endTime?: number;
}

export interface Repair {
  readonly id: bigint;
  readonly startTime: number;
  readonly taskRuns: readonly TaskRun[];
}

/** What a run was given. */
export interface RunParameters {
  readonly notebook: Record<string, string>;
  readonly job: Record<string, string>;
}

/** One run of a job. */
export interface Run {
  readonly id: bigint;
  readonly job: Job;
  /** Runs of a job, runs that were sent whole, and runs that notebooks start. */
  readonly type: 'JOB_RUN' | 'SUBMIT_RUN' | 'WORKFLOW_RUN';
  readonly creator: string;
  /** The workspace that it runs in, as references in parameters name it. */
  readonly workspace: { readonly id: string; readonly url: string };
  readonly parameters: RunParameters;
  /** The parameters as they were sent, to be shown again. */
  readonly overriding: JsonObject;
  readonly startTime: number;
  /** Every attempt at every task, in the order they were begun. */
  readonly tasks: TaskRun[];
  readonly repairs: Repair[];
  /** The job's settings when the run began, or when it was repaired. */
  settings: JobSettings;
  stop: AbortController;
  state: string;
  outcome?: Outcome;
  queueReason?: string;
  endTime?: number;
}

/** Does what a task is there for; when the signal is aborted it gives up, and leaves nothing running. */
export type Work = (task: TaskRun, run: Run, signal: AbortSignal) => Promise<Outcome>;

/** Begins an attempt at a task: the one after the latest, or one that counts as the first again. */
export function addAttempt(
  run: Run,
  settings: TaskSettings,
  state: string,
  now: number,
  isFirst = false,
): TaskRun {
  const task: TaskRun = {
    id: newId(),
    key: settings.key,
    attempt: isFirst ? 0 : (latestAttempt(run, settings.key)?.attempt ?? -1) + 1,
    settings,
    stop: new AbortController(),
    state,
    startTime: now,
  };
  run.tasks.push(task);
  return task;
}

export function latestAttempt(run: Run, key: string): TaskRun | undefined {
  return run.tasks.findLast((task) => task.key === key);
}

export function latestAttempts(run: Run): TaskRun[] {
  return run.settings.tasks.map((task) => latestAttempt(run, task.key)).filter((task) => task !== undefined);
}

export function isOver(run: Run): boolean {
  return run.outcome !== undefined;
}
