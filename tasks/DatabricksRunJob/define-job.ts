import { TaskError } from '../common/errors';
import type { Logger } from '../common/log';
import { Patience } from '../common/retry';
import { type DatabricksClient, PATIENCE } from './databricks/client';
import { isOutage } from './databricks/errors';
import { createJob, type Job, readSettings, updateJob } from './databricks/jobs';
import type { JsonObject } from './databricks/json';
import { findId, findJob, findJobIfAny, isId } from './job';
import { type Changes, compare } from './job-definition';

/** A job as the step wants it, and what it takes to make it so. */
export interface JobPlan {
  /** Undefined when the job has to be created. */
  readonly id: string | undefined;
  /** As it will be. */
  readonly job: Omit<Job, 'id'>;
  /** Undefined when there is nothing to do. */
  readonly changes: Changes | undefined;
}

/**
 * Finds the job, and compares it with its definition where there is one. Changes nothing, so that a definition that
 * does not fit the step can still be refused.
 *
 * @throws TaskError when the job is not there and can't be created
 */
export async function planJob(
  client: DatabricksClient,
  idOrName: string,
  definition: JsonObject | undefined,
): Promise<JobPlan> {
  if (!definition) {
    const job = await findJob(client, idOrName);
    return { id: job.id, job, changes: undefined };
  }
  const found = await findJobIfAny(client, idOrName);
  const changes = compare(
    found?.settings ?? {},
    isId(idOrName) ? definition : { ...definition, name: idOrName },
  );
  const isDifferent = changes.lines.length > 0;
  return { id: found?.id, job: readSettings(changes.settings), changes: isDifferent ? changes : undefined };
}

/** Creates or updates the job, where the plan says so, and logs what changes. */
export async function carryOut(
  client: DatabricksClient,
  { id, job, changes }: JobPlan,
  log: Logger,
): Promise<Job> {
  if (id === undefined) {
    const created = await createOnce(client, job.name, changes!.settings);
    log.info(`Created job '${job.name}' (${created}).`);
    return { ...job, id: created };
  }
  if (changes) {
    const { settings, changed, removed, lines } = changes;
    log.info(`Updating job '${job.name}' (${id}) to its definition:`);
    for (const line of lines) log.info(`  ${line}`);
    await updateJob(client, id, Object.fromEntries(changed.map((name) => [name, settings[name]!])), removed);
  }
  return { ...job, id };
}

/**
 * A request whose answer was lost may have created the job, and another would create a second one of the name: it is
 * sent only when the job can't be found after a while.
 */
async function createOnce(client: DatabricksClient, name: string, settings: JsonObject): Promise<string> {
  const patience = new Patience(PATIENCE);
  for (;;) {
    try {
      return await createJob(client, settings);
    } catch (error) {
      if (!(error instanceof TaskError) || !isOutage(error)) throw error;
      const hasTime = await client.pause(patience, error);
      const created = await findId(client, name);
      if (created !== undefined) return created;
      if (!hasTime) throw error;
    }
  }
}
