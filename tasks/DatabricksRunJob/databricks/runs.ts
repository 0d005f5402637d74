import { ONE_TRY } from '../../common/retry';
import type { DatabricksClient, RequestLimits } from './client';
import { type RunParameters, wireParameters } from './jobs';
import type { WireId } from './json';
import { type RunState, readState, type WireState } from './states';

export interface Run {
  readonly id: string;
  readonly state: RunState;
  /** Milliseconds since 1970; 0 until it began or ended. */
  readonly startedAt: number;
  readonly endedAt: number;
  /** The latest attempt of every task, in the order in which they began. */
  readonly tasks: readonly TaskRun[];
}

export interface TaskRun {
  readonly id: string;
  readonly key: string;
  /** From 1. */
  readonly attempt: number;
  readonly state: RunState;
  /** Milliseconds since 1970; 0 until it began or ended. */
  readonly startedAt: number;
  readonly endedAt: number;
  /** The notebook that it runs, where it runs one. */
  readonly notebookPath: string | undefined;
}

/** What a task of a run left behind. */
export interface RunOutput {
  /** What a notebook handed to `dbutils.notebook.exit`; undefined when it did not call that. */
  readonly exitValue: string | undefined;
  readonly isTruncated: boolean;
  readonly error: string | undefined;
  readonly trace: string | undefined;
}

interface WireTaskRun extends WireState {
  run_id: WireId;
  task_key?: string;
  attempt_number?: number;
  start_time?: number;
  end_time?: number;
  notebook_task?: { notebook_path?: string };
}

interface WireRun extends WireState {
  start_time?: number;
  end_time?: number;
  tasks?: WireTaskRun[];
  next_page_token?: string;
}

/** Where a run is now, with all its tasks, which come in pages of a hundred. */
export async function getRun(client: DatabricksClient, id: string): Promise<Run> {
  const tasks: TaskRun[] = [];
  let pageToken: string | undefined;
  let page: WireRun;
  do {
    // A failed look is not repeated at once: whoever follows a run looks again anyway.
    page = await client.get<WireRun>(
      '/api/2.2/jobs/runs/get',
      { run_id: id, page_token: pageToken },
      { action: `look at run ${id}`, permission: "'Can View' on the job", retry: ONE_TRY },
    );
    tasks.push(...(page.tasks ?? []).map(readTask));
    pageToken = page.next_page_token || undefined;
  } while (pageToken);
  return {
    id,
    state: readState(page),
    startedAt: page.start_time ?? 0,
    endedAt: page.end_time ?? 0,
    tasks: latestAttempts(tasks),
  };
}

function readTask(task: WireTaskRun): TaskRun {
  return {
    id: String(task.run_id),
    key: task.task_key ?? String(task.run_id),
    attempt: (task.attempt_number ?? 0) + 1,
    state: readState(task),
    startedAt: task.start_time ?? 0,
    endedAt: task.end_time ?? 0,
    notebookPath: task.notebook_task?.notebook_path,
  };
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
export async function getOutput(client: DatabricksClient, taskRunId: string): Promise<RunOutput> {
  const output = await client.get<{
    notebook_output?: { result?: string; truncated?: boolean };
    error?: string;
    error_trace?: string;
  }>(
    '/api/2.2/jobs/runs/get-output',
    { run_id: taskRunId },
    {
      action: `read the output of run ${taskRunId}`,
      permission: "'Can View' on the job",
      answer: 'notebook',
    },
  );
  return {
    exitValue: output.notebook_output?.result,
    isTruncated: output.notebook_output?.truncated ?? false,
    error: output.error || undefined,
    trace: output.error_trace || undefined,
  };
}

/** The executed notebook of a task, as a page of HTML; undefined when the service has none. */
export async function exportNotebook(
  client: DatabricksClient,
  taskRunId: string,
): Promise<string | undefined> {
  const { views = [] } = await client.get<{ views?: { content?: string; type?: string }[] }>(
    '/api/2.2/jobs/runs/export',
    { run_id: taskRunId, views_to_export: 'CODE' },
    { action: `export run ${taskRunId}`, permission: "'Can View' on the job", answer: 'notebook' },
  );
  return views.find(({ type }) => type === 'NOTEBOOK')?.content;
}

/** The id of the latest repair of a run; undefined when there was none. */
export async function getLatestRepair(client: DatabricksClient, id: string): Promise<string | undefined> {
  const { repair_history: history = [] } = await client.get<{ repair_history?: { id?: WireId }[] }>(
    '/api/2.2/jobs/runs/get',
    { run_id: id, include_history: 'true' },
    { action: `look at the repairs of run ${id}`, permission: "'Can View' on the job" },
  );
  const latest = history.at(-1)?.id;
  return latest === undefined ? undefined : String(latest);
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
