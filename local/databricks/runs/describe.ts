import { LONGEST_ARRAY } from '../jobs/jobs';
import { asSingleRun } from '../jobs/single-task';
import type { JsonObject } from '../json';
import { pageOf } from '../paging';
import type { Outcome } from './outcome';
import { jobParameters, notebookParameters } from './parameters';
import type { Repair, Run, TaskRun } from './run';

/** How the newer `status` names a life-cycle state. */
const STATUS: Record<string, string> = {
  WAITING_FOR_RETRY: 'WAITING',
  SKIPPED: 'TERMINATED',
  INTERNAL_ERROR: 'TERMINATED',
};

/** Makes links to pages of the workspace. */
export type PageUrl = (run: Run, task?: TaskRun) => string;

/** A run as `runs/get` gives it, a page of its tasks at a time. */
export function describeRun(
  run: Run,
  pageUrl: PageUrl,
  options: { version: string; pageToken?: string; history?: boolean },
): JsonObject {
  if (isFlat(run, options.version)) return describeHead(run, pageUrl, options.version);
  const page = pageOf(run.tasks, LONGEST_ARRAY, options.pageToken);
  const parameters = Object.entries(jobParameters(run)).map(([name, value]) => ({
    name,
    default: run.settings.parameters[name],
    value,
  }));
  return {
    ...describeHead(run, pageUrl, options.version),
    ...(parameters.length > 0 && { job_parameters: parameters }),
    tasks: page.items.map((task) => describeTask(task, run, pageUrl)),
    ...(options.history && { repair_history: describeHistory(run) }),
    ...(page.next && { next_page_token: page.next }),
  };
}

/** A run as `runs/list` gives it, without its tasks; version 2.0 shows the task of a job that has no list of them. */
export function describeHead(run: Run, pageUrl: PageUrl, version: string): JsonObject {
  const [task] = run.settings.tasks;
  return {
    job_id: run.job.id,
    run_id: run.id,
    number_in_job: run.id,
    original_attempt_run_id: run.id,
    creator_user_name: run.creator,
    run_name: run.settings.name,
    run_type: run.type,
    trigger: 'ONE_TIME',
    format: 'MULTI_TASK',
    run_page_url: pageUrl(run),
    ...describeState(run, run.state === 'QUEUED' && run.job.scenario?.hidesQueuedState === true),
    start_time: run.startTime,
    end_time: run.endTime ?? 0,
    ...(run.endTime && { run_duration: run.endTime - run.startTime }),
    // Filled in for runs of a single task only; clients must not build on them.
    setup_duration: 0,
    execution_duration: 0,
    cleanup_duration: 0,
    ...(Object.keys(run.overriding).length > 0 && { overriding_parameters: run.overriding }),
    ...(task && isFlat(run, version) && asSingleRun(task.json)),
  };
}

function isFlat(run: Run, version: string): boolean {
  return version === '2.0' && run.job.isSingleTask;
}

export function describeTask(task: TaskRun, run: Run, pageUrl: PageUrl): JsonObject {
  const { settings } = task;
  return {
    ...settings.json,
    run_id: task.id,
    task_key: task.key,
    attempt_number: task.attempt,
    run_page_url: pageUrl(run, task),
    ...(settings.notebookPath && {
      notebook_task: {
        notebook_path: settings.notebookPath,
        source: settings.notebookSource,
        base_parameters: notebookParameters(run, task),
      },
    }),
    ...describeState(task, false),
    ...task.outcome?.shown,
    start_time: task.startTime,
    setup_duration: (task.workTime ?? task.startTime) - task.startTime,
    execution_duration: task.workTime && task.endTime ? task.endTime - task.workTime : 0,
    cleanup_duration: 0,
    end_time: task.endTime ?? 0,
  };
}

/** The two ways in which Databricks tells a state: the older `state` and the newer `status`. */
function describeState(item: Run | TaskRun, hideLifeCycle: boolean): JsonObject {
  const { outcome, state } = item;
  const queueReason = 'queueReason' in item ? item.queueReason : undefined;
  return {
    state: {
      ...(!hideLifeCycle && { life_cycle_state: state }),
      ...(outcome?.resultState && { result_state: outcome.resultState }),
      state_message: outcome?.message ?? '',
      user_cancelled_or_timedout: ['CANCELED', 'TIMEDOUT'].includes(outcome?.resultState ?? ''),
      ...(queueReason && { queue_reason: queueReason }),
    },
    status: {
      state: STATUS[state] ?? state,
      ...(outcome?.code && { termination_details: terminationDetails(outcome) }),
      ...(queueReason && { queue_details: { code: 'MAX_CONCURRENT_RUNS_REACHED', message: queueReason } }),
    },
  };
}

function terminationDetails({ code, type, message }: Outcome): JsonObject {
  return { code, type, message };
}

function describeHistory(run: Run): JsonObject[] {
  const original = { type: 'ORIGINAL', start_time: run.startTime };
  const describeRepair = (repair: Repair) => ({
    type: 'REPAIR',
    id: repair.id,
    start_time: repair.startTime,
    task_run_ids: repair.taskRuns.map((task) => task.id),
  });
  return [original, ...run.repairs.map(describeRepair)];
}
