import { object } from '../fields';
import type { JsonObject } from '../json';

/** What the service of Azure fills in where a cluster says nothing of it. */
const CLUSTER_DEFAULTS = {
  azure_attributes: { first_on_demand: 1, availability: 'ON_DEMAND_AZURE', spot_bid_max_price: -1 },
  data_security_mode: 'SINGLE_USER',
  enable_elastic_disk: true,
};

const SOURCED_TASKS = ['notebook_task', 'dbt_task', 'spark_python_task'];
const TRIGGERS = ['schedule', 'trigger', 'continuous'];

/**
 * Settings as the service gives them back: what it kept, with the defaults filled in.
 *
 * @param queueByDefault true for jobs that were created through version 2.2 of the API
 */
export function withDefaults(kept: JsonObject, queueByDefault: boolean): JsonObject {
  const source = kept.git_source ? 'GIT' : 'WORKSPACE';
  return {
    name: 'Untitled',
    email_notifications: {},
    webhook_notifications: {},
    timeout_seconds: 0,
    max_concurrent_runs: 1,
    ...(queueByDefault && { queue: { enabled: true } }),
    ...kept,
    ...fillIn(kept, TRIGGERS, { pause_status: 'UNPAUSED' }),
    ...(Array.isArray(kept.tasks) && {
      tasks: kept.tasks.map((task) => taskWithDefaults(task as JsonObject, source)),
    }),
    ...(Array.isArray(kept.job_clusters) && {
      job_clusters: kept.job_clusters.map((cluster) => clusterWithDefaults(cluster as JsonObject)),
    }),
    format: 'MULTI_TASK',
  };
}

function taskWithDefaults(task: JsonObject, source: string): JsonObject {
  const loop = object(task, 'for_each_task');
  const inner = loop && object(loop, 'task');
  return {
    run_if: 'ALL_SUCCESS',
    timeout_seconds: 0,
    email_notifications: {},
    ...clusterWithDefaults(task),
    ...fillIn(task, SOURCED_TASKS, { source }),
    ...(inner && { for_each_task: { ...loop, task: taskWithDefaults(inner, source) } }),
  };
}

function clusterWithDefaults(holder: JsonObject): JsonObject {
  return { ...holder, ...fillIn(holder, ['new_cluster'], CLUSTER_DEFAULTS) };
}

/** Those of some members that are there, each with defaults for what it leaves out. */
function fillIn(holder: JsonObject, names: readonly string[], defaults: JsonObject): JsonObject {
  const there = names.filter((name) => holder[name] !== undefined);
  return Object.fromEntries(there.map((name) => [name, { ...defaults, ...object(holder, name) }]));
}
