import { invalid } from '../errors';
import { stringMap } from '../fields';
import { type Json, type JsonObject, writeJson } from '../json';
import { latestAttempts, type Run, type RunParameters, type TaskRun } from './run';

const LONGEST = 10_000;

/** The parameters in a request to run a job, checked as Databricks checks them. */
export function readParameters(fields: JsonObject): RunParameters {
  const notebook = stringMap(fields, 'notebook_params');
  if (fields.notebook_params && fields.jar_params) {
    throw invalid('notebook_params and jar_params cannot be given together.');
  }
  const length = Buffer.byteLength(JSON.stringify(notebook));
  if (length > LONGEST) {
    throw invalid(`The JSON of notebook_params has ${length} bytes; at most ${LONGEST} are allowed.`);
  }
  return { notebook, job: stringMap(fields, 'job_parameters') };
}

/**
 * Refuses what a job does not declare: parameters of notebooks where it declares its own, and its own that it does not
 * know.
 */
export function checkDeclared({ notebook, job }: RunParameters, declared: Record<string, string>): void {
  const hasOwn = Object.keys(declared).length > 0;
  if (hasOwn && Object.keys(notebook).length > 0) {
    throw invalid('The job to run defines job parameters; specifying task parameters is not allowed.');
  }
  const unknown = Object.keys(job).find((name) => !Object.hasOwn(declared, name));
  if (unknown) throw invalid(`The job does not define the job parameter '${unknown}'.`);
}

/** Every job parameter with its value in this run. */
export function jobParameters(run: Run): Record<string, string> {
  return { ...run.settings.parameters, ...run.parameters.job };
}

/** What the notebook of a task gets: the later of these win. */
export function notebookParameters(run: Run, task: TaskRun): Record<string, string> {
  const given = {
    ...task.settings.baseParameters,
    ...run.parameters.notebook,
    ...jobParameters(run),
  };
  return Object.fromEntries(Object.entries(given).map(([name, value]) => [name, resolve(value, run, task)]));
}

/** What the tasks of a run have left so far, by the task's key. */
export function taskValues(run: Run): Record<string, Record<string, Json>> {
  return Object.fromEntries(
    latestAttempts(run).map((task) => [task.key, { ...task.outcome?.output?.taskValues }]),
  );
}

/** Replaces `{{job.run_id}}` and its like by what they stand for; a reference nobody knows stays as it is. */
function resolve(value: string, run: Run, task: TaskRun): string {
  const known: Record<string, string> = {
    'job.id': String(run.job.id),
    'job.name': run.settings.name,
    'job.run_id': String(run.id),
    'job.repair_count': String(run.repairs.length),
    'job.start_time.iso_date': new Date(run.startTime).toISOString().slice(0, 10),
    'workspace.id': run.workspace.id,
    'workspace.url': run.workspace.url,
    'task.name': task.key,
    'task.run_id': String(task.id),
    'task.execution_count': String(task.attempt + 1),
    ...Object.fromEntries(
      Object.entries(jobParameters(run)).map(([name, parameter]) => [`job.parameters.${name}`, parameter]),
    ),
    ...Object.fromEntries(
      Object.entries(taskValues(run)).flatMap(([key, values]) =>
        Object.entries(values).map(([name, left]) => [
          `tasks.${key}.values.${name}`,
          typeof left === 'string' ? left : writeJson(left),
        ]),
      ),
    ),
  };
  return value.replace(/\{\{([^{}]+)\}\}/g, (reference, name: string) => known[name.trim()] ?? reference);
}
