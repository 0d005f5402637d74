import { statSync } from 'node:fs';
import { readSourceFile, SourceFileError } from '../common/files/source-file';
import { isObject, type Json, type JsonObject, parseJson, writeJson } from './databricks/json';

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

/** Reads a definition. Returns what is wrong with it, going on from the input's name, when it can't be used. */
export function readDefinition(file: string, job: string): JsonObject | string {
  if (!statSync(file, { throwIfNoEntry: false })?.isFile()) {
    return `is '${file}', but there is no such file. Give the path of a JSON file with the job's settings.`;
  }
  let parsed: Json;
  try {
    parsed = parseJson(
      readSourceFile(file, LARGEST_DEFINITION)
        .toString('utf8')
        .replace(/^\ufeff/, ''),
    );
  } catch (error) {
    if (error instanceof SourceFileError) return `is '${file}', ${error.message}`;
    return `is '${file}', which is not valid JSON: ${(error as Error).message}.`;
  }
  if (!isObject(parsed)) return `is '${file}', which holds no JSON object.`;
  // As `databricks jobs get` and the job's page show it: the settings within what the service knows further.
  const settings = isObject(parsed.settings) ? parsed.settings : parsed;
  return problemOf(settings, file, job) ?? settings;
}

function problemOf({ name, ...settings }: JsonObject, file: string, job: string): string | undefined {
  for (const [list, key] of Object.entries(KEYS)) {
    const elements = settings[list] ?? [];
    if (!isKeyed(elements, key)) {
      return `is '${file}', in which '${list}' must be a list of objects that each have a '${key}'.`;
    }
    const names = elements.map((element) => element[key]);
    const twice = names.find((name, index) => names.indexOf(name) < index);
    if (twice !== undefined) return `is '${file}', in which '${list}' has '${twice}' twice.`;
  }
  const isOtherName = name !== undefined && name !== job && !/^\d+$/.test(job);
  return isOtherName
    ? `is '${file}', which names the job '${name}', while input 'job' is '${job}'.`
    : undefined;
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
  const names = Object.keys(definition).filter((name) => !isSame(settings[name], wanted[name]));
  return {
    settings: wanted,
    changed: names.filter((name) => name in wanted),
    removed: names.filter((name) => !(name in wanted)),
    lines: names.flatMap((name) => differences(name, settings[name], wanted[name], KEYS[name])),
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

function differences(path: string, before?: Json, after?: Json, key?: string): string[] {
  if (isSame(before, after)) return [];
  if (key && before !== undefined && after !== undefined && isKeyed(before, key) && isKeyed(after, key)) {
    return differencesOfMembers(byKey(before, key), byKey(after, key), (name) => `${path}[${name}]`);
  }
  if (isObject(before) && isObject(after)) {
    return differencesOfMembers(before, after, (name) => `${path}.${name}`);
  }
  return [`${path}: ${show(before)} → ${show(after)}`];
}

function differencesOfMembers(
  before: JsonObject,
  after: JsonObject,
  pathOf: (name: string) => string,
): string[] {
  const names = new Set([...Object.keys(before), ...Object.keys(after)]);
  return [...names].flatMap((name) => differences(pathOf(name), before[name], after[name], KEYS[name]));
}

function byKey(list: readonly JsonObject[], key: string): JsonObject {
  return Object.fromEntries(list.map((element) => [String(element[key]), element]));
}

function show(value: Json | undefined): string {
  return value === undefined ? '(none)' : writeJson(value);
}

/** The service gives no lists and objects back that are empty. */
function isSame(a: Json | undefined, b: Json | undefined): boolean {
  if (a === undefined || b === undefined) return isNothing(a) && isNothing(b);
  if (isObject(a) && isObject(b)) {
    return Object.keys({ ...a, ...b }).every((name) => isSame(a[name], b[name]));
  }
  if (Array.isArray(a) && Array.isArray(b)) {
    return a.length === b.length && a.every((element, index) => isSame(element, b[index]));
  }
  return a === b;
}

function isNothing(value: Json | undefined): boolean {
  return (
    value === undefined || (typeof value === 'object' && value !== null && Object.keys(value).length === 0)
  );
}
