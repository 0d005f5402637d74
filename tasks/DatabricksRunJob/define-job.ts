import { type DatabricksClient, PATIENCE } from '../common/databricks/client';
import { DatabricksError, isOutage } from '../common/databricks/errors';
import { isObject, type JsonObject } from '../common/databricks/json';
import { TaskError } from '../common/errors';
import type { Logger } from '../common/log';
import { Patience } from '../common/retry';
import { plural } from '../common/text';
import { createJob, type Job, readSettings, updateJob } from './databricks/jobs';
import { type FoundJob, findId, findJob, findJobIfAny, isId, readJob } from './job';
import { type Changes, compare, doubledTasks } from './job-definition';

/** A job as the step wants it, and what it takes to make it so. */
export interface JobPlan {
  /** Undefined when the job has to be created. */
  readonly id: string | undefined;
  /** As it will be. */
  readonly job: Omit<Job, 'id'>;
  readonly settings: JsonObject;
  readonly definition: JsonObject | undefined;
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
  given: JsonObject | undefined,
): Promise<JobPlan> {
  if (!given) {
    const job = await findJob(client, idOrName);
    return { id: job.id, job, settings: job.settings, definition: undefined, changes: undefined };
  }
  const found = await findJobIfAny(client, idOrName);
  const definition = isId(idOrName) ? given : { ...given, name: idOrName };
  const changes = compareJob(found, definition);
  const isDifferent = changes.lines.length > 0;
  return {
    id: found?.id,
    job: readSettings(changes.settings),
    settings: changes.settings,
    definition,
    changes: isDifferent ? changes : undefined,
  };
}

function compareJob(found: FoundJob | undefined, definition: JsonObject): Changes {
  if (!found) return compare({}, definition);
  const { settings, runsAs } = found;
  const { run_as: wanted } = definition;
  const isRunAs =
    settings.run_as === undefined &&
    isObject(wanted) &&
    Object.values(wanted).some((name) => name === runsAs);
  return compare(isRunAs ? { ...settings, run_as: wanted } : settings, definition);
}

/** Creates or updates the job, where the plan says so, and logs what changes, and what the service did not keep of it. */
export async function carryOut(client: DatabricksClient, plan: JobPlan, log: Logger): Promise<Job> {
  const { job, definition, changes } = plan;
  const id = await apply(client, plan, log).catch((error) => {
    const isBad = error instanceof DatabricksError && error.answer.status === 400;
    if (!isBad) throw error;
    throw new TaskError(`${error.message} Correct the file of input 'jobDefinition'.`, { cause: error });
  });
  if (changes && definition) {
    for (const remark of doubledTasks(changes.settings, definition)) log.warning(remark);
    const { lines } = compareJob(await readJob(client, id), definition);
    if (lines.length > 0) warnOfDropped(lines, job.name, log);
  }
  return { ...job, id };
}

async function apply(client: DatabricksClient, { id, job, changes }: JobPlan, log: Logger): Promise<string> {
  if (id === undefined) {
    const created = await createOnce(client, job.name, changes!.settings);
    log.info(`Created job '${job.name}' (${created}).`);
    return created;
  }
  if (changes) {
    const { settings, changed, removed, lines } = changes;
    log.info(`Updating job '${job.name}' (${id}) to its definition:`);
    for (const line of lines) log.info(`  ${line}`);
    await updateJob(client, id, Object.fromEntries(changed.map((name) => [name, settings[name]!])), removed);
  }
  return id;
}

/** The service drops what it does not know without a word, as it does with settings that are misspelt. */
function warnOfDropped(lines: readonly string[], name: string, log: Logger): void {
  log.warning(
    `Databricks did not keep ${plural(lines.length, 'setting')} of the definition of job '${name}': ` +
      `${lines.map((line) => line.split(': ')[0]).join(', ')}. Check how they are spelled in the file of input ` +
      "'jobDefinition', and where they stand in it; as long as they are there, the job is updated each time.",
  );
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
