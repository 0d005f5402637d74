import { invalid } from '../errors';
import { list } from '../fields';
import type { Json, JsonObject } from '../json';

/** Lists of which an update replaces single elements, by the member that names them. */
const KEYS: Readonly<Record<string, string>> = { tasks: 'task_key', job_clusters: 'job_cluster_key' };

/**
 * Settings after an update: whatever it names at the top is replaced, but for tasks and clusters, of which those stay
 * that it does not name. They are removed as `tasks/train`; nothing else below the top can be removed.
 */
export function change(settings: JsonObject, changes: JsonObject, toRemove: readonly Json[]): JsonObject {
  const changed: JsonObject = { ...settings, ...changes };
  for (const [name, key] of Object.entries(KEYS)) {
    if (changed[name]) changed[name] = merge(list(settings, name), list(changes, name), key);
  }
  for (const field of toRemove) remove(changed, String(field));
  return changed;
}

function merge(before: readonly Json[], changed: readonly Json[], key: string): Json[] {
  const keyOf = (element: Json) => (element as JsonObject)[key];
  const kept = before.filter((element) => !changed.some((other) => keyOf(other) === keyOf(element)));
  return [...kept, ...changed];
}

function remove(settings: JsonObject, field: string): void {
  const [name = '', element, ...deeper] = field.split('/');
  if (element === undefined) {
    delete settings[name];
    return;
  }
  const key = KEYS[name];
  if (!key || deeper.length > 0) {
    throw invalid(`Removing nested fields is not supported, except for tasks and job clusters: ${field}`);
  }
  settings[name] = list(settings, name).filter((one) => (one as JsonObject)[key] !== element);
}
