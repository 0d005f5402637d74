import type { Json, JsonObject } from '../json';

/** How a run or one attempt at a task has ended. */
export interface Outcome {
  readonly lifeCycleState: 'TERMINATED' | 'SKIPPED' | 'INTERNAL_ERROR';
  /** Can be missing, for SKIPPED and INTERNAL_ERROR. */
  readonly resultState?: string;
  /** The code and type of `status.termination_details`. */
  readonly code?: string;
  readonly type?: 'SUCCESS' | 'CLIENT_ERROR' | 'INTERNAL_ERROR' | 'CLOUD_FAILURE';
  readonly message: string;
  readonly output?: TaskOutput;
  /** What `runs/get` shows of the task besides: `for_each_task` with its `stats`, ... */
  readonly shown?: JsonObject;
}

/** What is left of an attempt at a task. */
export interface TaskOutput {
  /** What the notebook gave to `dbutils.notebook.exit`. */
  readonly exitValue?: string;
  readonly error?: string;
  /** With ANSI colours. */
  readonly errorTrace?: string;
  readonly cells?: readonly CellOutput[];
  /** What the task leaves for those after it, by key. */
  readonly taskValues?: Readonly<Record<string, Json>>;
  /** What tasks other than notebooks leave, as `runs/get-output` names it: `logs`, `dbt_output`, `run_job_output`, ... */
  readonly other?: JsonObject;
}

export interface CellOutput {
  readonly number: number;
  /** `python`, `md`, `pip`, ... */
  readonly kind: string;
  readonly source: string;
  readonly output: string;
}

export function succeeded(output: TaskOutput = {}): Outcome {
  return {
    lifeCycleState: 'TERMINATED',
    resultState: 'SUCCESS',
    code: 'SUCCESS',
    type: 'SUCCESS',
    message: '',
    output,
  };
}

/** The task ran, and its code failed. The message is the same whatever the reason: that stands in the output. */
export function failed(output: TaskOutput): Outcome {
  return {
    lifeCycleState: 'TERMINATED',
    resultState: 'FAILED',
    code: 'RUN_EXECUTION_ERROR',
    type: 'CLIENT_ERROR',
    message: 'Workload failed, see run output for details',
    output,
  };
}

/** The task could not be started. */
export function notStarted(code: string, message: string): Outcome {
  return { lifeCycleState: 'INTERNAL_ERROR', resultState: 'FAILED', code, type: 'CLIENT_ERROR', message };
}

/** The machines failed, not the notebook. */
export function infrastructureFailed(code: string, message: string): Outcome {
  return { ...notStarted(code, message), type: 'CLOUD_FAILURE' };
}

export function canceled(): Outcome {
  return {
    lifeCycleState: 'TERMINATED',
    resultState: 'CANCELED',
    code: 'USER_CANCELED',
    type: 'CLIENT_ERROR',
    message: 'Run cancelled.',
  };
}

export function timedOut(seconds: number): Outcome {
  return {
    lifeCycleState: 'TERMINATED',
    resultState: 'TIMEDOUT',
    code: 'CANCELED',
    type: 'CLIENT_ERROR',
    message: `Run exceeded its time limit of ${seconds} seconds.`,
  };
}

/** The run was not even queued. */
export function tooManyRuns(limit: number): Outcome {
  return {
    lifeCycleState: 'SKIPPED',
    resultState: 'MAXIMUM_CONCURRENT_RUNS_REACHED',
    code: 'MAX_CONCURRENT_RUNS_EXCEEDED',
    type: 'CLIENT_ERROR',
    message: `Run skipped because the maximum concurrent run limit of ${limit} for this job was reached.`,
  };
}

/** Tasks before this one did not end as its `run_if` wants. */
export function notReached(upstreamCanceled: boolean): Outcome {
  return {
    lifeCycleState: 'SKIPPED',
    resultState: upstreamCanceled ? 'UPSTREAM_CANCELED' : 'UPSTREAM_FAILED',
    code: 'SKIPPED',
    type: 'CLIENT_ERROR',
    message: `Task skipped because a task it depends on ${upstreamCanceled ? 'was cancelled' : 'failed'}.`,
  };
}

export function isSuccess(outcome: Outcome | undefined): boolean {
  return outcome?.resultState === 'SUCCESS';
}
