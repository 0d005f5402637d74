import { isObject, type Json, type JsonObject, parseJson, writeJson } from '../common/databricks/json';
import { statOf } from '../common/files/paths';
import { readSourceFile, SourceFileError } from '../common/files/source-file';
import { faultIn } from '../common/shape';
import { SETTINGS } from './databricks/jobs';

/*
 * A file with settings of a job. It is a patch: what it mentions is so afterwards, `null` removes a setting, and what
 * it does not mention stays as it is. (RFC 7396, with the lists below taken element by element.)
 */

/** Lists of a job's settings whose elements have a name of their own, and the member that is that name. */
const KEYS: Readonly<Record<string, string>> = {
  tasks: 'task_key',
  job_clusters: 'job_cluster_key',
  environments: 'environment_key',
  parameters: 'name',
};

/** Bytes of a definition, at most: the service takes less. */
const LARGEST_DEFINITION = 10 * 1024 * 1024;

/** Lists of a job's settings whose order means nothing: the service gives them back in an order of its own. */
const UNORDERED = new Set([
  'depends_on',
  'on_start',
  'on_success',
  'on_failure',
  'on_duration_warning_threshold_exceeded',
  'on_streaming_backlog_exceeded',
]);

/** What the service obeys when it is sent, and never gives back: by these settings, no job differs from its definition. */
const CONSUMED = new Set(['apply_policy_default_values', 'clone_from']);

/** Words whose case does not matter to the service. */
const CASELESS = new Set(['git_provider']);

/** Reads a definition. Returns what is wrong with it, going on from the input's name, when it can't be used. */
export function readDefinition(file: string, job: string): JsonObject | string {
  if (!statOf(file)?.isFile()) {
    return `is '${file}', but there is no such file. Give the path of a JSON file with the job's settings.`;
  }
  if (/\.ya?ml$/i.test(file)) return `is '${file}', which is YAML. ${WANTED} ${OF_BUNDLES}`;
  let parsed: Json;
  try {
    parsed = parseJson(
      readSourceFile(file, LARGEST_DEFINITION)
        .toString('utf8')
        .replace(/^\ufeff/, ''),
    );
  } catch (error) {
    if (error instanceof SourceFileError) return `is '${file}', ${error.message}`;
    return `is '${file}', which is not valid JSON: ${(error as Error).message}. ${WANTED}`;
  }
  if (!isObject(parsed)) return `is '${file}', which holds no JSON object. ${WANTED}`;
  // As `databricks jobs get` and the job's page show it: the settings within what the service knows further.
  const { format: _, ...settings } = isObject(parsed.settings) ? parsed.settings : parsed;
  return otherForm(settings, file) ?? wrongType(settings, file) ?? problemOf(settings, file, job) ?? settings;
}

/** What of the settings that this step reads itself is something else than Databricks takes. */
function wrongType(settings: JsonObject, file: string): string | undefined {
  const fault = faultIn(settings, SETTINGS);
  return fault && `is '${file}', in which ${fault}. ${WANTED}`;
}

const WANTED =
  "Give a JSON file with the job's settings, as 'databricks jobs get' shows them under 'settings': {\"tasks\": [{\"task_key\": ...}]}.";
const OF_BUNDLES =
  "The jobs of a bundle are deployed by 'databricks bundle deploy'; run that before this step, and leave this input empty.";

/** What is at the top of a job's settings in version 2.0 of the Jobs API, and in a task's since. */
const TASK_SETTINGS = [
  'notebook_task',
  'spark_python_task',
  'spark_jar_task',
  'spark_submit_task',
  'python_wheel_task',
  'existing_cluster_id',
  'new_cluster',
  'libraries',
];

/** What a request to run a job holds. */
const RUN_SETTINGS = [
  'notebook_params',
  'job_parameters',
  'python_params',
  'python_named_params',
  'jar_params',
  'sql_params',
  'idempotency_token',
];

/** Settings that belong to a job but are not among its settings. */
const PERMISSIONS = ['access_control_list', 'permissions'];

/** Why a file is something else than settings of a job, where it can be told what it is. */
function otherForm(settings: JsonObject, file: string): string | undefined {
  const found = (names: readonly string[]) => names.filter((name) => name in settings);
  if ('resources' in settings || 'bundle' in settings) {
    return `is '${file}', which is the file of a bundle. ${OF_BUNDLES}`;
  }
  const permissions = found(PERMISSIONS);
  if (permissions.length > 0) {
    return (
      `is '${file}', in which '${permissions.join("' and '")}' is no setting of a job, so the service would drop it. Take ` +
      "it out, and give the permissions on the job's page or by 'databricks permissions update jobs'."
    );
  }
  const ofRun = found(RUN_SETTINGS);
  if (ofRun.length > 0) {
    return (
      `is '${file}', which is a request to run a job (it has '${ofRun[0]}'), not the job's settings. Put parameters into ` +
      `input 'parameters'. ${WANTED}`
    );
  }
  const ofTask = 'tasks' in settings ? [] : found(TASK_SETTINGS);
  if (ofTask.length > 0) {
    return (
      `is '${file}', which is in the form of version 2.0 of the Jobs API, where a job is a single task. Move ` +
      `${ofTask.map((name) => `'${name}'`).join(', ')} into an element of 'tasks' that has a 'task_key'.`
    );
  }
  return undefined;
}

function problemOf({ name, ...settings }: JsonObject, file: string, job: string): string | undefined {
  for (const [list, key] of Object.entries(KEYS)) {
    const elements = settings[list] ?? [];
    if (!isKeyed(elements, key)) {
      return `is '${file}', in which '${list}' must be a list of objects that each have a '${key}'.`;
    }
    const names = elements.map((element) => element[key]);
    const twice = names.find((name, index) => names.indexOf(name) < index);
    if (twice !== undefined)
      return `is '${file}', in which '${list}' has '${twice}' twice. Give each a '${key}' of its own.`;
  }
  const isOtherName = name !== undefined && name !== job && !/^\d+$/.test(job);
  return isOtherName
    ? `is '${file}', which names the job '${name}', while input 'job' is '${job}'. Give both the same name, or take 'name' out of the file.`
    : undefined;
}

/**
 * The tasks that a job keeps although its definition has others for the same notebook, as after a task was renamed in the
 * file: a sentence for each.
 */
export function doubledTasks(wanted: JsonObject, definition: JsonObject): string[] {
  const defined = tasksOf(definition);
  const keys = new Set(defined.map(({ task_key }) => task_key));
  return tasksOf(wanted).flatMap((task) => {
    const path = pathOf(task);
    const twin = path === undefined ? undefined : defined.find((other) => pathOf(other) === path);
    if (keys.has(task.task_key!) || !twin) return [];
    return [
      `The job keeps task '${task.task_key}', which its definition does not mention, beside '${twin.task_key}', and both ` +
        `run '${path}'. If the task was renamed in the file, delete '${task.task_key}' on the job's page.`,
    ];
  });
}

function tasksOf({ tasks }: JsonObject): JsonObject[] {
  return Array.isArray(tasks) ? tasks.filter(isObject) : [];
}

function pathOf({ notebook_task: task }: JsonObject): Json | undefined {
  return isObject(task) ? task.notebook_path : undefined;
}

/** What has to change for settings to be as a definition wants them. */
export interface Changes {
  /** All settings, as they are afterwards. */
  readonly settings: JsonObject;
  /** The names of those that differ. */
  readonly changed: readonly string[];
  readonly removed: readonly string[];
  /** One line for each difference. */
  readonly lines: readonly string[];
}

/** Compares a job's settings with a definition. */
export function compare(settings: JsonObject, definition: JsonObject): Changes {
  const wanted = merge(settings, definition);
  const names = Object.keys(definition).filter((name) => !isSame(settings[name], wanted[name], name));
  return {
    settings: wanted,
    changed: names.filter((name) => name in wanted),
    removed: names.filter((name) => !(name in wanted)),
    lines: names.flatMap((name) => differences(name, name, settings[name], wanted[name])),
  };
}

function merge(before: JsonObject, patch: JsonObject): JsonObject {
  const merged = { ...before };
  for (const [name, value] of Object.entries(patch)) {
    const old = before[name];
    const key = KEYS[name];
    if (value === null) delete merged[name];
    else if (isObject(value)) merged[name] = merge(isObject(old) ? old : {}, value);
    else if (key && isKeyed(value, key) && isKeyed(old ?? [], key))
      merged[name] = mergeList((old ?? []) as JsonObject[], value, key);
    else merged[name] = value;
  }
  return merged;
}

/** Whether a list is one of objects that have a name. Of the same name there are lists of plain texts, too. */
function isKeyed(list: Json, key: string): list is JsonObject[] {
  return Array.isArray(list) && list.every((element) => isObject(element) && !!element[key]);
}

function mergeList(before: readonly JsonObject[], patch: readonly JsonObject[], key: string): JsonObject[] {
  const elements = new Map(before.map((element) => [element[key], element]));
  for (const element of patch) {
    elements.set(element[key], merge(elements.get(element[key]) ?? {}, element));
  }
  return [...elements.values()];
}

function differences(path: string, name: string, before?: Json, after?: Json): string[] {
  if (isSame(before, after, name)) return [];
  const key = KEYS[name];
  if (key && before !== undefined && after !== undefined && isKeyed(before, key) && isKeyed(after, key)) {
    return differencesOfMembers(byKey(before, key), byKey(after, key), (member) => `${path}[${member}]`);
  }
  if (isObject(before) && isObject(after)) {
    return differencesOfMembers(before, after, (member) => `${path}.${member}`);
  }
  return [`${path}: ${show(before)} → ${show(after)}`];
}

function differencesOfMembers(
  before: JsonObject,
  after: JsonObject,
  pathOf: (name: string) => string,
): string[] {
  const names = new Set([...Object.keys(before), ...Object.keys(after)]);
  return [...names]
    .filter((name) => !CONSUMED.has(name))
    .flatMap((name) => differences(pathOf(name), name, before[name], after[name]));
}

function byKey(list: readonly JsonObject[], key: string): JsonObject {
  return Object.fromEntries(list.map((element) => [String(element[key]), element]));
}

function show(value: Json | undefined): string {
  return value === undefined ? '(none)' : writeJson(value);
}

/** The service gives no lists and objects back that are empty, and takes texts for the numbers and flags in them. */
function isSame(a: Json | undefined, b: Json | undefined, name = ''): boolean {
  if (a === undefined || b === undefined) return isNothing(a) && isNothing(b);
  if (isObject(a) && isObject(b)) {
    const members = Object.keys({ ...a, ...b }).filter((member) => !CONSUMED.has(member));
    return members.every((member) => isSame(a[member], b[member], member));
  }
  if (Array.isArray(a) && Array.isArray(b)) {
    const [ours, theirs] = UNORDERED.has(name) ? [inOrder(a), inOrder(b)] : [a, b];
    return ours.length === theirs.length && ours.every((element, index) => isSame(element, theirs[index]));
  }
  if (typeof a === 'object' || typeof b === 'object') return a === b;
  const [text, other] = [String(a), String(b)];
  return CASELESS.has(name) ? text.toLowerCase() === other.toLowerCase() : text === other;
}

/** A list in one order, whichever it came in. */
function inOrder(list: readonly Json[]): Json[] {
  const keyOf = (element: Json) => {
    const isNamed = isObject(element);
    return isNamed ? writeJson(element.task_key ?? element.id ?? element) : writeJson(element);
  };
  return [...list].sort((a, b) => (keyOf(a) < keyOf(b) ? -1 : 1));
}

function isNothing(value: Json | undefined): boolean {
  return (
    value === undefined || (typeof value === 'object' && value !== null && Object.keys(value).length === 0)
  );
}
