import { list, object } from '../fields';
import type { JsonObject } from '../json';

/*
 * Version 2.0 of the API knows jobs of one task, whose settings stand among those of the job. The later versions show
 * and take the same jobs as jobs with a list of tasks.
 */

/** The settings of a task that stand among those of its job. */
const TASK_MEMBERS = [
  'notebook_task',
  'spark_jar_task',
  'spark_python_task',
  'spark_submit_task',
  'existing_cluster_id',
  'new_cluster',
  'libraries',
  'max_retries',
  'min_retry_interval_millis',
  'retry_on_timeout',
];
const CLUSTER_MEMBERS = ['existing_cluster_id', 'new_cluster', 'libraries'];

/** Settings with a list of tasks, whichever form was sent. */
export function asTasks(sent: JsonObject): { readonly settings: JsonObject; readonly isSingle: boolean } {
  const isSingle = list(sent, 'tasks').length === 0 && TASK_MEMBERS.some((name) => sent[name] !== undefined);
  if (!isSingle) return { settings: sent, isSingle };
  return {
    settings: {
      ...leaveOut(sent, TASK_MEMBERS),
      tasks: [{ task_key: keyFor(sent), ...pick(sent, TASK_MEMBERS) }],
    },
    isSingle,
  };
}

/** Settings without what the later versions do not know there, and drop. */
export function withoutTaskMembers(sent: JsonObject): JsonObject {
  return leaveOut(sent, TASK_MEMBERS);
}

/** The settings of a job of one task as version 2.0 shows them. */
export function asSingleTask(settings: JsonObject): JsonObject {
  const task = list(settings, 'tasks')[0] as JsonObject;
  return {
    ...leaveOut(settings, ['tasks', 'queue', 'webhook_notifications']),
    ...pick(task, TASK_MEMBERS),
    ...withoutSource(task),
    format: 'SINGLE_TASK',
  };
}

/** What a run of such a job does, and on which cluster, as version 2.0 shows it. */
export function asSingleRun(task: JsonObject): JsonObject {
  const work = TASK_MEMBERS.filter((name) => name.endsWith('_task'));
  return {
    task: { ...pick(task, work), ...withoutSource(task) },
    cluster_spec: pick(task, CLUSTER_MEMBERS),
    format: 'SINGLE_TASK',
  };
}

function withoutSource(task: JsonObject): JsonObject {
  const notebook = object(task, 'notebook_task');
  return notebook ? { notebook_task: leaveOut(notebook, ['source']) } : {};
}

/** The later versions need a key for a task that never had one. */
function keyFor({ name }: JsonObject): string {
  return (
    String(name ?? 'Untitled')
      .replace(/[^\w-]/g, '_')
      .slice(0, 100) || 'Untitled'
  );
}

function pick(from: JsonObject, names: readonly string[]): JsonObject {
  return Object.fromEntries(names.filter((name) => name in from).map((name) => [name, from[name]]));
}

function leaveOut(from: JsonObject, names: readonly string[]): JsonObject {
  return Object.fromEntries(Object.entries(from).filter(([name]) => !names.includes(name)));
}
