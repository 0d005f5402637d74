import type { DatabricksClient } from '../common/databricks/client';
import { isNotFound } from '../common/databricks/errors';
import type { JsonObject } from '../common/databricks/json';
import { TaskError } from '../common/errors';
import { nearest } from '../common/text';
import {
  getSettings,
  type Job,
  type JobSummary,
  listJobs,
  type NotebookTask,
  readSettings,
} from './databricks/jobs';
import { NOTEBOOK_EXTENSIONS } from './notebook';

/** Of a workspace with more jobs than this, only the first are searched for names like the one that is missing. */
const NAMES_TO_COMPARE = 1_000;

/** A job with its settings as they came. */
export interface FoundJob extends Job {
  readonly settings: JsonObject;
  readonly runsAs: string | undefined;
}

/**
 * Finds a job by its numeric id, or by its exact name.
 *
 * @throws TaskError that lists the nearest names when there is no such job, or all jobs of the name
 */
export async function findJob(client: DatabricksClient, idOrName: string): Promise<FoundJob> {
  const id = isId(idOrName) ? idOrName : await findId(client, idOrName);
  if (id === undefined) throw await unknownJob(client, idOrName);
  return readJob(client, id);
}

/** The same, but undefined when no job has the name. */
export async function findJobIfAny(
  client: DatabricksClient,
  idOrName: string,
): Promise<FoundJob | undefined> {
  const id = isId(idOrName) ? idOrName : await findId(client, idOrName);
  return id === undefined ? undefined : readJob(client, id);
}

/** Whether a text is a job's id, and not its name. */
export function isId(idOrName: string): boolean {
  return /^\d+$/.test(idOrName);
}

export async function readJob(client: DatabricksClient, id: string): Promise<FoundJob> {
  try {
    const { settings, runsAs } = await getSettings(client, id);
    return { id, ...readSettings(settings), settings, runsAs };
  } catch (error) {
    if (!isNotFound(error)) throw error;
    throw new TaskError(
      `There is no job with the id ${id} in the workspace ${client.origin}. Check input 'job', and that this is the ` +
        "right workspace. The id is in the address of the job's page.",
    );
  }
}

/** @throws TaskError when several jobs have the name */
export async function findId(client: DatabricksClient, name: string): Promise<string | undefined> {
  const matches: JobSummary[] = [];
  for await (const job of listJobs(client, name)) {
    // To the service, upper and lower case are the same.
    if (job.name === name) matches.push(job);
  }
  const [match, ...others] = matches;
  if (others.length > 0) throw ambiguousJob(name, matches);
  return match?.id;
}

async function unknownJob(client: DatabricksClient, name: string): Promise<TaskError> {
  const names = new Set<string>();
  for await (const job of listJobs(client)) {
    names.add(job.name);
    if (names.size >= NAMES_TO_COMPARE) break;
  }
  const remedy =
    names.size > 0
      ? `The nearest names: ${nearest(name, [...names])
          .map((near) => `'${near}'`)
          .join(', ')}. Correct input 'job', or give the job's id.`
      : `The token's user sees no jobs at all. Check that ${client.origin} is the right workspace, and give that user 'Can View' on the job.`;
  return new TaskError(`There is no job named '${name}' in this workspace. ${remedy}`);
}

function ambiguousJob(name: string, jobs: readonly JobSummary[]): TaskError {
  return new TaskError(
    `There are ${jobs.length} jobs named '${name}' in this workspace. Set input 'job' to the id of the one that is ` +
      `meant: ${jobs.map(({ id }) => id).join(', ')}.`,
    {
      details: jobs.map(
        ({ id, creator, createdAt }) => `Job ${id}: created by ${creator}${onDay(createdAt)}`,
      ),
    },
  );
}

/** Empty where the service tells no time, or one that is none. */
function onDay(time: number): string {
  const date = new Date(time);
  return time > 0 && !Number.isNaN(date.getTime()) ? ` on ${date.toISOString().slice(0, 10)}` : '';
}

/**
 * Makes sure that a job runs the notebook at a path of the workspace; otherwise its import would have no effect.
 *
 * @throws TaskError that says what the job does run
 */
export function checkRunsNotebook(job: Omit<Job, 'id'>, path: string): void {
  if (job.notebooks.some((task) => task.git === undefined && isSamePath(task.path, path))) return;
  const runs = job.notebooks.map(describeTask);
  if (job.notebooks.length > 0 && job.notebooks.every(({ git }) => git !== undefined)) {
    throw new TaskError(
      `Job '${job.name}' takes its notebooks from git, so the import to '${path}' would have no effect on it. It ` +
        `runs ${runs.join('; ')}. Set the source of its task to Workspace, with the path '${path}'.`,
    );
  }
  if (job.notebooks.length === 0) {
    const tasks = job.otherTasks.map(({ taskKey, kind }) => `'${taskKey}' (${kind})`);
    const what = tasks.length > 0 ? `runs no notebook, but ${tasks.join(', ')}` : 'has no tasks yet';
    throw new TaskError(
      `Job '${job.name}' ${what}, so the import to '${path}' would have no effect on it. To run the job as it is, leave ` +
        "inputs 'notebookFile' and 'notebookPath' empty; otherwise give it a notebook task with that path.",
    );
  }
  throw new TaskError(
    `Job '${job.name}' does not run the notebook '${path}'. It runs ${runs.join('; ')}. ` +
      "Correct input 'notebookPath' or 'job', or the notebook's path in the job.",
  );
}

/**
 * Makes sure that a job runs something of a folder of the workspace that is imported.
 *
 * @param objects what is imported to it, by their paths below it
 * @throws TaskError that says what the job does run, and what the folder lacks
 */
export function checkRunsFolder(
  job: Omit<Job, 'id'>,
  path: string,
  objects: readonly { readonly name: string; readonly isNotebook: boolean }[],
): void {
  const has = (place: string, isNotebook: boolean) =>
    objects.some((object) => object.isNotebook === isNotebook && isSamePath(`${path}/${object.name}`, place));
  const notebooks = job.notebooks.filter(({ git }) => git === undefined);
  if (notebooks.some((task) => has(task.path, true))) return;
  if (job.otherTasks.some(({ file }) => file !== undefined && has(file, false))) return;
  const missing = notebooks.find((task) => isAtOrBelow(task.path, path));
  if (missing) {
    const isFile = NOTEBOOK_EXTENSIONS.some((extension) => has(missing.path + extension, false));
    throw new TaskError(
      `Job '${job.name}' runs ${describeTask(missing)}, but the folder of input 'notebookFile' has no such notebook. ` +
        (isFile
          ? "Its file there is not one, since its first line is not 'Databricks notebook source' in a comment. Add that line."
          : "Correct input 'notebookFile', or the notebook's path in the job."),
    );
  }
  const runs = [
    ...job.notebooks.map(describeTask),
    ...job.otherTasks.map(({ taskKey, kind }) => `a ${kind} (task '${taskKey}')`),
  ];
  throw new TaskError(
    `Job '${job.name}' runs nothing of the folder '${path}', so the import would have no effect on it. ` +
      `It ${runs.length > 0 ? `runs ${runs.join('; ')}` : 'has no tasks yet'}. Correct input 'notebookPath' or 'job', ` +
      'or the paths in the job.',
  );
}

function describeTask({ taskKey, path, git }: NotebookTask): string {
  return `'${path}'${git ? ` from ${git}` : ''} (task '${taskKey}')`;
}

/** `/Workspace/live/x` and `/live/x` are two names of one object. */
export function isSamePath(a: string, b: string): boolean {
  return plainPath(a) === plainPath(b);
}

/** Whether a path of the workspace is a folder's, or lies below it. */
export function isAtOrBelow(path: string, folder: string): boolean {
  return isSamePath(path, folder) || plainPath(path).startsWith(`${plainPath(folder)}/`);
}

/** A path of the workspace in its shorter form. */
export function plainPath(path: string): string {
  return path.replace(/^\/Workspace(?=\/)/, '');
}
