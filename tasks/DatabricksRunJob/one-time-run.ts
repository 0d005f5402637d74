import { isObject, type Json, type JsonObject } from '../common/databricks/json';
import { TaskError } from '../common/errors';
import type { RunParameters } from './databricks/jobs';
import { isAtOrBelow, plainPath } from './job';

/*
 * With input `isolate`, the job's settings are run on a copy of the notebook. `jobs/run-now` takes no other path, so that is
 * a one-time run by `jobs/runs/submit`, which has no clusters that tasks share ("Shared job cluster feature is not
 * supported in runs/submit API.") and no parameters of the job. Both are worked into the tasks here.
 */

/** The settings of a job that are those of a one-time run as well. */
const OF_RUN = [
  'budget_policy_id',
  'email_notifications',
  'environments',
  'git_source',
  'health',
  'notification_settings',
  'run_as',
  'timeout_seconds',
  'usage_policy_id',
  'webhook_notifications',
];

/** Members that name an object of the workspace: what is run, and what is installed or loaded for it. */
const PATHS = new Set([
  'notebook_path',
  'python_file',
  'project_directory',
  'path',
  'whl',
  'requirements',
  'dependencies',
  'destination',
]);

/** Members that hold parameters. Whatever these name, they mean something to the notebook alone. */
const PARAMETERS = new Set(['base_parameters', 'named_parameters', 'parameters', 'job_parameters']);

/** Where the notebook or folder is that the job runs, and where the copy of it is that takes its place. */
export interface Copy {
  readonly of: string;
  readonly path: string;
}

/**
 * What `runs/submit` is to be sent so that the same happens as in a run of the job, on the copy.
 *
 * @param parameters as the step would hand them to a run of the job
 * @throws TaskError for a job that can't be run so
 */
export function oneTimeRun(
  name: string,
  settings: JsonObject,
  copy: Copy,
  parameters: RunParameters,
): JsonObject {
  const tasks = listOf(settings.tasks);
  const disabled = tasks.filter((task) => task.disabled === true).map((task) => `'${task.task_key}'`);
  if (disabled.length > 0) {
    throw new TaskError(
      `Job '${name}' has tasks that are turned off (${disabled.join(', ')}), which one-time runs can't have, so it can't be ` +
        "run with input 'isolate'. Take these tasks out of the job, or set 'isolate' to false.",
    );
  }
  const given = parametersOf(settings, parameters);
  const ofRun = Object.fromEntries(
    OF_RUN.filter((member) => member in settings).map((member) => [member, settings[member]!]),
  );
  return relocate(
    {
      ...ofRun,
      run_name: name,
      tasks: tasks.map(
        (task) => resolve(withParameters(withCluster(task, settings), given), given.ofJob) as JsonObject,
      ),
    },
    copy,
  ) as JsonObject;
}

/** How many tasks share a cluster in the job, and have one of their own in a one-time run. */
export function separateClusters(settings: JsonObject): number {
  const keys = listOf(settings.tasks).map((task) => innermost(task).job_cluster_key);
  const shared = keys.filter((key) => key !== undefined && keys.indexOf(key) !== keys.lastIndexOf(key));
  return shared.length;
}

interface Given {
  /** The job's own parameters, all of them with their values. */
  readonly ofJob: ReadonlyMap<string, string>;
  /** What notebooks are given where the job declares none. */
  readonly ofNotebooks: Readonly<Record<string, string>>;
}

function parametersOf(settings: JsonObject, { jobParameters, notebookParameters }: RunParameters): Given {
  const declared = listOf(settings.parameters).map(
    ({ name, default: value = '' }) => [String(name), String(value)] as const,
  );
  const ofJob = new Map([...declared, ...Object.entries(jobParameters)]);
  return { ofJob, ofNotebooks: notebookParameters };
}

/** A cluster that tasks of a job share becomes one of each of them. */
function withCluster(task: JsonObject, settings: JsonObject): JsonObject {
  return ofInnermost(task, ({ job_cluster_key: key, ...rest }) => {
    if (key === undefined) return rest;
    const cluster = listOf(settings.job_clusters).find((one) => one.job_cluster_key === key);
    return { ...rest, ...(cluster?.new_cluster !== undefined && { new_cluster: cluster.new_cluster }) };
  });
}

/**
 * The job's parameters go down to every task that takes keys with values, and win over the task's own; without any, what
 * is given goes to the notebooks. (https://learn.microsoft.com/azure/databricks/jobs/job-parameters)
 */
function withParameters(task: JsonObject, { ofJob, ofNotebooks }: Given): JsonObject {
  const fromJob = Object.fromEntries(ofJob);
  return ofInnermost(task, (inner) => ({
    ...inner,
    ...extended(inner, 'notebook_task', 'base_parameters', { ...ofNotebooks, ...fromJob }),
    ...extended(inner, 'run_job_task', 'job_parameters', fromJob),
    ...(isObject(inner.python_wheel_task) &&
      isObject(inner.python_wheel_task.named_parameters) &&
      extended(inner, 'python_wheel_task', 'named_parameters', fromJob)),
    ...(isObject(inner.sql_task) &&
      !('alert' in inner.sql_task) &&
      extended(inner, 'sql_task', 'parameters', fromJob)),
  }));
}

/** A member of a task with more parameters; nothing where the task has no such member, or there are none. */
function extended(
  task: JsonObject,
  member: string,
  list: string,
  parameters: Readonly<Record<string, string>>,
): JsonObject {
  const work = task[member];
  if (!isObject(work) || Object.keys(parameters).length === 0) return {};
  const own = work[list];
  return { [member]: { ...work, [list]: { ...(isObject(own) ? own : {}), ...parameters } } };
}

/** Puts the values of the job's parameters where something refers to them, since a one-time run has none to refer to. */
function resolve(value: Json, parameters: ReadonlyMap<string, string>): Json {
  return mapTexts(value, (text) =>
    text.replace(
      /\{\{\s*job\.parameters\.([\w.-]+)\s*\}\}/g,
      (reference, name) => parameters.get(name) ?? reference,
    ),
  );
}

/** What may stand before a path: an option of pip, such as `-r`, and where a cluster's disk has the workspace. */
const BEFORE_PATH = /^(?:-[rce]\s*|--(?:requirement|constraint|editable)[\s=]+)?(?:\/Workspace(?=\/))?/;

/** Leads every path to the copy, and leaves `/Workspace` before those that have it: without it, pip finds no file. */
function relocate(value: Json, { of: from, path: to }: Copy): Json {
  const move = (text: string) => {
    const [before = ''] = BEFORE_PATH.exec(text) ?? [];
    const path = text.slice(before.length);
    const isOfCopy = path.startsWith('/') && isAtOrBelow(path, from);
    return isOfCopy ? before + plainPath(to) + path.slice(plainPath(from).length) : text;
  };
  return mapTexts(value, (text, member) => (PATHS.has(member) ? move(text) : text), PARAMETERS);
}

/**
 * A copy of a value with other texts in it.
 *
 * @param change is told the text, and the member that it is, or is an element of
 * @param leaveOut members that stay as they are
 */
function mapTexts(
  value: Json,
  change: (text: string, member: string) => string,
  leaveOut: ReadonlySet<string> = new Set(),
  member = '',
): Json {
  if (typeof value === 'string') return change(value, member);
  if (Array.isArray(value)) return value.map((element) => mapTexts(element, change, leaveOut, member));
  if (!isObject(value)) return value;
  return Object.fromEntries(
    Object.entries(value).map(([name, inner]) => [
      name,
      leaveOut.has(name) ? inner : mapTexts(inner, change, leaveOut, name),
    ]),
  );
}

/** Changes a task; of one that repeats another for each of its inputs, that other. */
function ofInnermost(task: JsonObject, change: (inner: JsonObject) => JsonObject): JsonObject {
  const loop = task.for_each_task;
  if (!isObject(loop) || !isObject(loop.task)) return change(task);
  return { ...task, for_each_task: { ...loop, task: ofInnermost(loop.task, change) } };
}

function innermost(task: JsonObject): JsonObject {
  const loop = task.for_each_task;
  return isObject(loop) && isObject(loop.task) ? innermost(loop.task) : task;
}

function listOf(value: Json | undefined): JsonObject[] {
  return Array.isArray(value) ? value.filter(isObject) : [];
}
