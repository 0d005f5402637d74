import { invalid, malformed } from '../errors';
import { flag, integer, list, object, optionalText, stringMap, text } from '../fields';
import { isObject, type Json, type JsonObject } from '../json';

/** When a task runs, depending on how the tasks before it have ended. */
const RUN_IF = [
  'ALL_SUCCESS',
  'ALL_DONE',
  'NONE_FAILED',
  'AT_LEAST_ONE_SUCCESS',
  'AT_LEAST_ONE_FAILED',
  'ALL_FAILED',
] as const;
export type RunIf = (typeof RUN_IF)[number];

export interface TaskSettings {
  readonly key: string;
  /** The notebook that the task runs; nothing else can be run here. */
  readonly notebookPath?: string;
  /** `GIT` when the notebook is not the one of the workspace. */
  readonly notebookSource: string;
  readonly baseParameters: Record<string, string>;
  readonly dependsOn: readonly string[];
  readonly runIf: RunIf;
  readonly maxRetries: number;
  readonly retryAfterMilliseconds: number;
  /** 0 is no limit. */
  readonly timeoutSeconds: number;
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
  /** As Databricks gives them back: what was sent, with the defaults filled in. */
  readonly json: JsonObject;
}

/**
 * Checks the settings of a job and fills in the defaults.
 *
 * @param queueByDefault true for jobs that were created through version 2.2 of the API
 * @throws ApiError for settings that make no job
 */
export function readSettings(sent: JsonObject, queueByDefault: boolean): JobSettings {
  const source = sent.git_source ? 'GIT' : 'WORKSPACE';
  const taskJson = list(sent, 'tasks').map((task) => withDefaults(task, source));
  const parameters = Object.fromEntries(
    list(sent, 'parameters').map((parameter) => {
      if (!isObject(parameter)) throw malformed("Expected object in field 'parameters'");
      return [text(parameter, 'name'), optionalText(parameter, 'default') ?? ''];
    }),
  );
  const name = optionalText(sent, 'name') ?? 'Untitled';
  const maxConcurrentRuns = integer(sent, 'max_concurrent_runs', 1);
  const queue = object(sent, 'queue');
  const timeoutSeconds = integer(sent, 'timeout_seconds', 0);
  return {
    name,
    tasks: inOrder(taskJson.map(readTask)),
    parameters,
    maxConcurrentRuns,
    queue: queue ? flag(queue, 'enabled') : queueByDefault,
    timeoutSeconds,
    json: {
      email_notifications: {},
      webhook_notifications: {},
      ...sent,
      name,
      max_concurrent_runs: maxConcurrentRuns,
      timeout_seconds: timeoutSeconds,
      queue: queue ?? (queueByDefault ? { enabled: true } : undefined),
      tasks: taskJson,
      format: 'MULTI_TASK',
    },
  };
}

function readTask(task: JsonObject): TaskSettings {
  const notebook = object(task, 'notebook_task');
  const runIf = optionalText(task, 'run_if') ?? 'ALL_SUCCESS';
  if (!isRunIf(runIf)) throw malformed(`Unknown value '${runIf}' for field 'run_if'`);
  return {
    key: text(task, 'task_key'),
    ...(notebook && { notebookPath: text(notebook, 'notebook_path') }),
    notebookSource: (notebook && optionalText(notebook, 'source')) ?? 'WORKSPACE',
    baseParameters: notebook ? stringMap(notebook, 'base_parameters') : {},
    dependsOn: list(task, 'depends_on').map((other) => text(other as JsonObject, 'task_key')),
    runIf,
    maxRetries: integer(task, 'max_retries', 0),
    retryAfterMilliseconds: integer(task, 'min_retry_interval_millis', 0),
    timeoutSeconds: integer(task, 'timeout_seconds', 0),
  };
}

function isRunIf(value: string): value is RunIf {
  return RUN_IF.includes(value as RunIf);
}

function withDefaults(task: Json, notebookSource: string): JsonObject {
  if (!isObject(task)) throw malformed("Expected object in field 'tasks'");
  const notebook = object(task, 'notebook_task');
  return {
    run_if: 'ALL_SUCCESS',
    timeout_seconds: 0,
    email_notifications: {},
    ...task,
    ...(notebook && { notebook_task: { source: notebookSource, ...notebook } }),
  };
}

/** Sorts tasks so that each comes after those it depends on. */
function inOrder(tasks: readonly TaskSettings[]): TaskSettings[] {
  const keys = new Set(tasks.map((task) => task.key));
  if (keys.size < tasks.length) throw invalid('Task keys must be unique within a job.');
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
