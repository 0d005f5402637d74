import { invalid } from '../errors';
import { integer, list, object, optionalText, text } from '../fields';
import type { JsonObject } from '../json';

/*
 * What the service refuses of a job's settings whose members are of the right kinds. Where its sentence has been seen,
 * it stands here as it is; elsewhere only the status and the error code are its own.
 */

const LONGEST_NAME = 4096;
const MOST_RUNS = 1000;
const MOST_TASKS = 1000;
const MOST_TAGS = 25;
const KEY = /^[\w-]{1,100}$/;
const PARAMETER_NAME = /^[\w.-]+$/;

/** Members of a task that say what it does. */
const WORK = /_task$/;
const COMPUTE = ['job_cluster_key', 'new_cluster', 'existing_cluster_id'];
const TRIGGERS = ['schedule', 'trigger', 'continuous'];

/** @throws ApiError for settings that make no job */
export function checkSettings(settings: JsonObject): void {
  if (Buffer.byteLength(optionalText(settings, 'name') ?? '') > LONGEST_NAME) {
    throw invalid(`The name of a job has at most ${LONGEST_NAME} bytes.`);
  }
  const runs = integer(settings, 'max_concurrent_runs', 1);
  if (runs < 0 || runs > MOST_RUNS) {
    throw invalid(`max_concurrent_runs must be between 0 and ${MOST_RUNS}, but was ${runs}.`);
  }
  if (integer(settings, 'timeout_seconds', 0) < 0) throw invalid('timeout_seconds must not be negative.');
  if (Object.keys(object(settings, 'tags') ?? {}).length > MOST_TAGS) {
    throw invalid(`A job has at most ${MOST_TAGS} tags.`);
  }
  checkGitSource(object(settings, 'git_source'));
  checkTriggers(settings);
  checkRunAs(object(settings, 'run_as'));
  checkKeys(settings, 'parameters', 'name', PARAMETER_NAME);
  checkKeys(settings, 'environments', 'environment_key', KEY);
  checkClusters(settings);
  checkTasks(settings);
}

function checkGitSource(source: JsonObject | undefined): void {
  if (!source) return;
  if (!source.git_provider) {
    throw invalid(
      'git_source.git_provider must be one of: github,gitlab,bitbucketcloud,gitlabenterpriseedition,bitbucketserver,azuredevopsservices,githubenterprise,awscodecommit',
    );
  }
  text(source, 'git_url');
  const references = ['git_branch', 'git_tag', 'git_commit'].filter((name) => source[name]);
  if (references.length !== 1) {
    throw invalid('Exactly one of git_branch, git_tag and git_commit must be given in git_source.');
  }
}

function checkTriggers(settings: JsonObject): void {
  const given = TRIGGERS.filter((name) => settings[name]);
  if (given.length > 1)
    throw invalid(`A job has only one of ${TRIGGERS.join(', ')}, but ${given.join(' and ')} are given.`);
  const schedule = object(settings, 'schedule');
  if (!schedule) return;
  const expression = text(schedule, 'quartz_cron_expression');
  if (![6, 7].includes(expression.trim().split(/\s+/).length)) {
    throw invalid(
      `Invalid quartz_cron_expression: '${expression}'. It has six or seven fields, of which the first is seconds.`,
    );
  }
  const zone = text(schedule, 'timezone_id');
  try {
    Intl.DateTimeFormat('en', { timeZone: zone });
  } catch {
    throw invalid(`Invalid timezone_id: '${zone}'.`);
  }
}

function checkRunAs(runAs: JsonObject | undefined): void {
  if (runAs && Object.keys(runAs).length !== 1) {
    throw invalid('run_as names exactly one of user_name, service_principal_name, group_name.');
  }
}

function checkKeys(settings: JsonObject, name: string, key: string, pattern: RegExp): string[] {
  const keys = list(settings, name).map((element) => text(element as JsonObject, key));
  const wrong = keys.find((one) => !pattern.test(one));
  if (wrong !== undefined) throw invalid(`Invalid ${key} '${wrong}' in field '${name}'.`);
  const twice = keys.find((one, index) => keys.indexOf(one) < index);
  if (twice !== undefined) throw invalid(`Duplicate ${key} '${twice}' in field '${name}'.`);
  return keys;
}

function checkClusters(settings: JsonObject): void {
  const clusters = list(settings, 'job_clusters') as JsonObject[];
  if (clusters.length > 0 && list(settings, 'tasks').length === 0) {
    throw invalid('Shared job cluster feature is only supported in multi-task jobs.');
  }
  checkKeys(settings, 'job_clusters', 'job_cluster_key', KEY);
  for (const cluster of clusters) checkCluster(object(cluster, 'new_cluster') ?? {});
}

function checkCluster(cluster: JsonObject): void {
  // A policy may bring what is left out.
  if (cluster.policy_id) return;
  const refuse = (field: string) => {
    throw invalid(
      `Cluster validation error: Missing required field: settings.cluster_spec.new_cluster.${field}`,
    );
  };
  if (!cluster.spark_version) refuse('spark_version');
  if (cluster.num_workers === undefined && !cluster.autoscale && !cluster.is_single_node) refuse('size');
}

function checkTasks(settings: JsonObject): void {
  const tasks = list(settings, 'tasks') as JsonObject[];
  if (tasks.length > MOST_TASKS) throw invalid(`A job has at most ${MOST_TASKS} tasks.`);
  const keys = tasks.map((task) => text(task, 'task_key'));
  const wrong = keys.find((key) => !KEY.test(key));
  if (wrong) throw invalid(`Invalid task key '${wrong}'. It has at most 100 letters, digits, - and _.`);
  if (new Set(keys).size < keys.length) throw invalid('Task keys must be unique within a job.');
  for (const task of tasks) checkTask(task, settings);
}

function checkTask(task: JsonObject, settings: JsonObject): void {
  const key = text(task, 'task_key');
  const work = Object.keys(task).filter((name) => WORK.test(name));
  if (work.length !== 1) {
    throw invalid(`Task '${key}' must say exactly one thing to do, but has ${work.join(' and ') || 'none'}.`);
  }
  const compute = COMPUTE.filter((name) => task[name]);
  if (compute.length > 1) throw invalid(`Task '${key}' has more than one cluster: ${compute.join(' and ')}.`);
  const cluster = optionalText(task, 'job_cluster_key');
  if (cluster && !has(settings, 'job_clusters', 'job_cluster_key', cluster)) {
    throw invalid(`Job cluster '${cluster}' is not defined in field 'job_clusters'.`);
  }
  const environment = optionalText(task, 'environment_key');
  if (environment && !has(settings, 'environments', 'environment_key', environment)) {
    throw invalid(`Environment '${environment}' is not defined in field 'environments'.`);
  }
  const newCluster = object(task, 'new_cluster');
  if (newCluster) checkCluster(newCluster);
  checkNotebook(task, settings);
  const inner = object(object(task, 'for_each_task') ?? {}, 'task');
  if (inner) checkTask(inner, settings);
}

function checkNotebook(task: JsonObject, { git_source: git }: JsonObject): void {
  const notebook = object(task, 'notebook_task');
  if (!notebook) return;
  const path = text(notebook, 'notebook_path');
  const source = optionalText(notebook, 'source') ?? (git ? 'GIT' : 'WORKSPACE');
  if (source === 'WORKSPACE' && !path.startsWith('/')) {
    throw invalid("Only absolute paths are currently supported. Paths must begin with '/'.");
  }
  if (source === 'GIT' && !git) throw invalid('A notebook with source GIT needs the git_source of the job.');
}

function has(settings: JsonObject, name: string, key: string, wanted: string): boolean {
  return list(settings, name).some((element) => (element as JsonObject)[key] === wanted);
}
