import { invalid } from '../errors';
import { list, optionalText } from '../fields';
import { keep } from '../jobs/keep';
import { asTasks, withoutTaskMembers } from '../jobs/single-task';
import type { JsonObject } from '../json';

/**
 * The settings of a run that is sent whole. It has fewer than a job, and what it does not have the service drops: above all
 * the job's parameters.
 */
export function settingsToRun(fields: JsonObject, version: string): JsonObject {
  if (list(fields, 'job_clusters').length > 0) {
    throw invalid('Shared job cluster feature is not supported in runs/submit API.');
  }
  const name = optionalText(fields, 'run_name') ?? 'Untitled';
  // Version 2.0 takes a task without a key, among the settings of the run.
  if (version === '2.0' && asTasks(fields).isSingle) return { ...fields, name };
  return { ...keep(withoutTaskMembers(fields), 'SubmitRun'), name };
}
