import type { DatabricksClient, RequestLimits } from '../../common/databricks/client';
import { pagesOf } from '../../common/paged-list';
import { ONE_TRY } from '../../common/retry';
import type { Shaped } from '../../common/shape';
import { type RunParameters, wireParameters } from './jobs';
import { type RunState, readState, STATES } from './states';

/** A failed look is not repeated at once: whoever follows a run looks again anyway. */
const ONE_TRY_ONLY: RequestLimits = { retry: ONE_TRY };

export interface Run {
  readonly id: string;
  /** The job that it belongs to; of a one-time run, one that is made for it alone. */
  readonly jobId: string | undefined;
  readonly state: RunState;
  /** Milliseconds since 1970; 0 until it began or ended. */
  readonly startedAt: number;
  readonly endedAt: number;
  /** The latest attempt of every task, in the order in which they began. */
  readonly tasks: readonly TaskRun[];
}

export interface TaskRun {
  /** Undefined where the service gave none, as of a task that never ran. */
  readonly id: string | undefined;
  readonly key: string;
  /** From 1. */
  readonly attempt: number;
  readonly state: RunState;
  /** Milliseconds since 1970; 0 until it began or ended. */
  readonly startedAt: number;
  readonly endedAt: number;
  /** Milliseconds that it waited for its turn, had its compute made ready, and worked; 0 where the service tells none. */
  readonly durations: { readonly queue: number; readonly setup: number; readonly execution: number };
  /** What it ran on: a cluster's id, or what the job calls its compute. */
  readonly compute: string | undefined;
  /** What it runs, as the job's settings call it: `notebook_task`, `dbt_task`; undefined where that is not told. */
  readonly kind: string | undefined;
  /** The notebook that it runs, where it runs one. */
  readonly notebookPath: string | undefined;
  /** The job that it runs, where it runs one. */
  readonly jobId: string | undefined;
  /** The errors of the iterations of a for-each task, the most frequent first. */
  readonly iterationErrors: readonly { readonly message: string; readonly count: number }[];
}

/** A run as a list of runs shows it. */
export type RunSummary = Omit<Run, 'tasks'>;

/** What a task of a run left behind. */
export interface RunOutput {
  /** What a notebook handed to `dbutils.notebook.exit`; undefined when it did not call that. */
  readonly exitValue: string | undefined;
  readonly isTruncated: boolean;
  readonly error: string | undefined;
  readonly trace: string | undefined;
  /** What tasks other than notebooks printed: Databricks keeps the last megabytes of it. */
  readonly logs: string | undefined;
  /** The run that a task which runs a job has started. */
  readonly childRunId: string | undefined;
}

const TASK_RUN = {
  ...STATES,
  run_id: 'key',
  task_key: 'text',
  attempt_number: 'number',
  start_time: 'number',
  end_time: 'number',
  queue_duration: 'number',
  setup_duration: 'number',
  execution_duration: 'number',
  cluster_instance: { cluster_id: 'text' },
  existing_cluster_id: 'text',
  job_cluster_key: 'text',
  environment_key: 'text',
  notebook_task: { notebook_path: 'text' },
  run_job_task: { job_id: 'id' },
  for_each_task: { stats: { error_message_stats: [{ error_message: 'text', count: 'number' }] } },
} as const;

const RUN = { ...STATES, run_id: 'id', job_id: 'id', start_time: 'number', end_time: 'number' } as const;

const RUN_PAGE = { ...RUN, tasks: [TASK_RUN], next_page_token: 'text' } as const;

const RUN_LIST_PAGE = { runs: [RUN], next_page_token: 'text' } as const;

const OUTPUT = {
  notebook_output: { result: 'text', truncated: 'flag' },
  error: 'text',
  error_trace: 'text',
  logs: 'text',
  run_job_output: { run_id: 'id' },
} as const;

type WireTaskRun = Shaped<typeof TASK_RUN>;
type WireRun = Shaped<typeof RUN>;
type WireId = Shaped<'id'>;

/** Where a run is now, with all its tasks, which come in pages of a hundred. */
export async function getRun(
  client: DatabricksClient,
  id: string,
  limits: RequestLimits = ONE_TRY_ONLY,
): Promise<Run> {
  const tasks: TaskRun[] = [];
  let summary: RunSummary | undefined;
  const look = (name: string | undefined) =>
    client.get(
      '/api/2.2/jobs/runs/get',
      { run_id: id, page_token: name },
      { action: `look at run ${id}`, permission: "'Can View' on the job", shape: RUN_PAGE, ...limits },
    );
  for await (const page of pagesOf(`the tasks of run ${id}`, look, (page) => page.next_page_token)) {
    tasks.push(...(page.tasks ?? []).map(readTask));
    summary = readSummary(page);
  }
  return { ...summary!, id, tasks: latestAttempts(tasks) };
}

/** The runs of a job that are over, the latest first. */
export async function* listEndedRuns(
  client: DatabricksClient,
  jobId: string,
  limits: RequestLimits = {},
): AsyncGenerator<RunSummary> {
  const ask = (name: string | undefined) =>
    client.get(
      '/api/2.2/jobs/runs/list',
      { job_id: jobId, completed_only: 'true', limit: '25', page_token: name },
      {
        action: `list the runs of job ${jobId}`,
        permission: "'Can View' on the job",
        shape: RUN_LIST_PAGE,
        ...limits,
      },
    );
  for await (const page of pagesOf(`the runs of job ${jobId}`, ask, (page) => page.next_page_token)) {
    yield* (page.runs ?? []).map(readSummary);
  }
}

function readSummary(run: WireRun): RunSummary {
  return {
    id: String(run.run_id ?? ''),
    jobId: idOf(run.job_id),
    state: readState(run),
    startedAt: run.start_time ?? 0,
    endedAt: run.end_time ?? 0,
  };
}

function readTask(task: WireTaskRun): TaskRun {
  const errors = task.for_each_task?.stats?.error_message_stats ?? [];
  return {
    id: idOf(task.run_id),
    key: task.task_key ?? String(task.run_id ?? 'unnamed'),
    attempt: (task.attempt_number ?? 0) + 1,
    state: readState(task),
    startedAt: task.start_time ?? 0,
    endedAt: task.end_time ?? 0,
    durations: {
      queue: task.queue_duration ?? 0,
      setup: task.setup_duration ?? 0,
      execution: task.execution_duration ?? 0,
    },
    compute:
      task.cluster_instance?.cluster_id ??
      task.existing_cluster_id ??
      task.job_cluster_key ??
      task.environment_key ??
      undefined,
    kind: Object.keys(task).find((name) => /^[a-z_]+_task$/.test(name)),
    notebookPath: task.notebook_task?.notebook_path ?? undefined,
    jobId: idOf(task.run_job_task?.job_id),
    iterationErrors: errors
      .map(({ error_message, count }) => ({ message: error_message ?? '', count: count ?? 0 }))
      .sort((a, b) => b.count - a.count),
  };
}

function idOf(id: WireId | null | undefined): string | undefined {
  return id === undefined || id === null ? undefined : String(id);
}

/** A task that was tried again is listed once for each attempt, in no order. */
function latestAttempts(tasks: readonly TaskRun[]): TaskRun[] {
  const latest = new Map<string, TaskRun>();
  for (const task of tasks) {
    const other = latest.get(task.key);
    if (!other || isLater(task, other)) latest.set(task.key, task);
  }
  const start = (task: TaskRun) => task.startedAt || Number.MAX_SAFE_INTEGER;
  return [...latest.values()].sort(
    (a, b) => start(a) - start(b) || a.key.localeCompare(b.key, 'en', { numeric: true }),
  );
}

/** Attempts are numbered; should a repair begin to count anew, times decide. One still to begin is the latest. */
function isLater(a: TaskRun, b: TaskRun): boolean {
  const begun = ({ startedAt, state }: TaskRun) => startedAt || (state.isOver ? 0 : Number.MAX_SAFE_INTEGER);
  return a.attempt === b.attempt ? begun(a) > begun(b) : a.attempt > b.attempt;
}

/** The output of one task of a run. Whole runs are refused as soon as they have several tasks. */
export async function getOutput(
  client: DatabricksClient,
  taskRunId: string,
  limits: RequestLimits = {},
): Promise<RunOutput> {
  const output = await client.get(
    '/api/2.2/jobs/runs/get-output',
    { run_id: taskRunId },
    {
      action: `read the output of run ${taskRunId}`,
      permission: "'Can View' on the job",
      answer: 'notebook',
      shape: OUTPUT,
      ...limits,
    },
  );
  return {
    exitValue: output.notebook_output?.result ?? undefined,
    isTruncated: output.notebook_output?.truncated ?? false,
    error: output.error || undefined,
    trace: output.error_trace || undefined,
    logs: output.logs || undefined,
    childRunId: idOf(output.run_job_output?.run_id),
  };
}

/** The executed notebook of a task, as a page of HTML; undefined when the service has none. */
export async function exportNotebook(
  client: DatabricksClient,
  taskRunId: string,
  limits: RequestLimits = {},
): Promise<string | undefined> {
  const { views } = await client.get(
    '/api/2.2/jobs/runs/export',
    { run_id: taskRunId, views_to_export: 'CODE' },
    {
      action: `export run ${taskRunId}`,
      permission: "'Can View' on the job",
      answer: 'notebook',
      shape: { views: [{ content: 'text', type: 'text' }] } as const,
      ...limits,
    },
  );
  return views?.find(({ type }) => type === 'NOTEBOOK')?.content ?? undefined;
}

/** The id of the latest repair of a run; undefined when there was none. */
export async function getLatestRepair(client: DatabricksClient, id: string): Promise<string | undefined> {
  const { repair_history: history } = await client.get(
    '/api/2.2/jobs/runs/get',
    { run_id: id, include_history: 'true' },
    {
      action: `look at the repairs of run ${id}`,
      permission: "'Can View' on the job",
      shape: { repair_history: [{ id: 'id' }] } as const,
    },
  );
  return idOf(history?.at(-1)?.id);
}

/**
 * Has the tasks of a finished run that failed run again, as part of the same run.
 *
 * @param latestRepair the repair before this one. The service refuses a request that names another one than the latest,
 * so that a request that is sent twice repairs once
 */
export async function repairRun(
  client: DatabricksClient,
  id: string,
  latestRepair: string | undefined,
  parameters: RunParameters,
): Promise<void> {
  const body = {
    run_id: BigInt(id),
    rerun_all_failed_tasks: true,
    ...(latestRepair !== undefined && { latest_repair_id: BigInt(latestRepair) }),
    ...wireParameters(parameters),
  };
  await client.post('/api/2.2/jobs/runs/repair', body, {
    action: `repair run ${id}`,
    permission: "'Can Manage Run' on the job",
    // Its caller looks first whether the run is repaired, and has all the patience.
    retry: ONE_TRY,
  });
}

/** Asks for a run to be cancelled, which takes a while; nothing happens when it is over already. */
export async function cancelRun(
  client: DatabricksClient,
  id: string,
  limits: RequestLimits = {},
): Promise<void> {
  const body = { run_id: BigInt(id) };
  await client.post('/api/2.2/jobs/runs/cancel', body, {
    action: `cancel run ${id}`,
    permission: "'Can Manage Run' on the job",
    repeatable: true,
    ...limits,
  });
}
