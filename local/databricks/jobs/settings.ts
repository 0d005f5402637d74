import { invalid } from '../errors';
import { flag, integer, list, object, optionalText, stringMap, text } from '../fields';
import type { JsonObject } from '../json';
import { checkSettings } from './check';
import { withDefaults } from './defaults';
import { keep } from './keep';

/** When a task runs, depending on how the tasks before it have ended. */
export type RunIf =
  | 'ALL_SUCCESS'
  | 'ALL_DONE'
  | 'NONE_FAILED'
  | 'AT_LEAST_ONE_SUCCESS'
  | 'AT_LEAST_ONE_FAILED'
  | 'ALL_FAILED';

export interface TaskSettings {
  readonly key: string;
  /** The notebook that the task runs; nothing else can be run here. */
  readonly notebookPath?: string;
  /** `GIT` when the notebook is not the one of the workspace. */
  readonly notebookSource: string;
  readonly baseParameters: Record<string, string>;
  readonly dependsOn: readonly string[];
  readonly runIf: RunIf;
  /** Negative is without end. */
  readonly maxRetries: number;
  readonly retryAfterMilliseconds: number;
  /** 0 is no limit. */
  readonly timeoutSeconds: number;
  /** All that was said of it. */
  readonly json: JsonObject;
}

/** What this workspace heeds of a job's settings. */
export interface JobSettings {
  readonly name: string;
  /** Each after those it depends on. */
  readonly tasks: readonly TaskSettings[];
  /** Declared job parameters with their defaults. */
  readonly parameters: Record<string, string>;
  readonly maxConcurrentRuns: number;
  readonly queue: boolean;
  readonly timeoutSeconds: number;
  /** As Databricks gives them back. */
  readonly json: JsonObject;
}

/**
 * Takes in the settings of a job as the service does.
 *
 * @param queueByDefault true for jobs that were created through version 2.2 of the API
 * @throws ApiError for settings that make no job
 */
export function readSettings(sent: JsonObject, queueByDefault: boolean): JobSettings {
  const kept = keep(sent, 'JobSettings');
  checkSettings(kept);
  const json = withDefaults(kept, queueByDefault);
  const queue = object(json, 'queue');
  return {
    name: text(json, 'name'),
    tasks: inOrder(list(json, 'tasks').map((task) => readTask(task as JsonObject))),
    parameters: Object.fromEntries(
      list(json, 'parameters').map((parameter) => {
        const { name, default: value } = parameter as { name: string; default?: string };
        return [name, value ?? ''];
      }),
    ),
    maxConcurrentRuns: integer(json, 'max_concurrent_runs', 1),
    queue: queue ? flag(queue, 'enabled') : false,
    timeoutSeconds: integer(json, 'timeout_seconds', 0),
    json,
  };
}

function readTask(task: JsonObject): TaskSettings {
  const notebook = object(task, 'notebook_task');
  return {
    key: text(task, 'task_key'),
    ...(notebook && { notebookPath: text(notebook, 'notebook_path') }),
    notebookSource: (notebook && optionalText(notebook, 'source')) ?? 'WORKSPACE',
    baseParameters: notebook ? stringMap(notebook, 'base_parameters') : {},
    dependsOn: list(task, 'depends_on').map((other) => text(other as JsonObject, 'task_key')),
    runIf: text(task, 'run_if') as RunIf,
    maxRetries: integer(task, 'max_retries', 0),
    retryAfterMilliseconds: integer(task, 'min_retry_interval_millis', 0),
    timeoutSeconds: integer(task, 'timeout_seconds', 0),
    json: task,
  };
}

/** Sorts tasks so that each comes after those it depends on. */
function inOrder(tasks: readonly TaskSettings[]): TaskSettings[] {
  const sorted: TaskSettings[] = [];
  let rest = [...tasks];
  while (rest.length > 0) {
    const done = new Set(sorted.map((task) => task.key));
    const ready = rest.filter((task) => task.dependsOn.every((key) => done.has(key)));
    if (ready.length === 0) {
      throw invalid(`The task '${rest[0]!.key}' depends on a task that does not exist, or on itself.`);
    }
    sorted.push(...ready);
    rest = rest.filter((task) => !ready.includes(task));
  }
  return sorted;
}
