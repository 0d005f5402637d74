import { evaluate } from '../../pipeline/expression';
import { statusFunctions } from '../../pipeline/functions';
import type { JobPlan } from '../../pipeline/plan';
import { ExpressionError, fold, toBoolean, type ValueMap } from '../../pipeline/values';
import { PipelineError } from '../../pipeline/yaml';
import { mergeResults } from '../../results';
import type { JobRecord } from '../../types';
import type { Run } from '../context/job-context';
import type { JobVariable } from '../context/job-variables';
import { runJob } from './job';

/**
 * Runs a pipeline's jobs one after another, each after those it depends on.
 * @param variablesOf gives the variables a job starts with, which may use the outcome of earlier jobs
 */
export async function runJobs(
  jobs: JobPlan[],
  run: Run,
  variablesOf: (job: JobPlan, dependencies: ValueMap) => JobVariable[],
): Promise<void> {
  const waiting = [...jobs];
  const done = new Map<string, JobRecord>();
  while (waiting.length > 0) {
    const next = waiting.findIndex((job) => job.dependsOn.every((name) => done.has(fold(name))));
    const job = waiting.splice(next, 1)[0]!;
    const needed = job.dependsOn.map((name) => done.get(fold(name))!);
    const dependencies = Object.fromEntries(needed.map((other) => [other.name, outcomeOf(other)]));
    const variables = variablesOf(job, dependencies);
    const wanted = conditionHolds(job, needed, variables, dependencies, run.canceled.aborted);
    const record = wanted ? await runJob(job, variables, run) : leaveOut(job, run);
    done.set(fold(job.name), record);
    if (record.result !== 'Skipped') run.record.result = mergeResults(run.record.result, record.result);
  }
}

function conditionHolds(
  job: JobPlan,
  needed: JobRecord[],
  variables: JobVariable[],
  dependencies: ValueMap,
  canceled: boolean,
): boolean {
  const failed = needed.some(({ result }) => result !== 'Succeeded' && result !== 'SucceededWithIssues');
  const values = {
    variables: Object.fromEntries(variables.map(({ name, value }) => [name, value])),
    dependencies,
  };
  try {
    const functions = statusFunctions({ failed, canceled });
    return toBoolean(evaluate(job.condition ?? 'succeeded()', { values, functions }));
  } catch (error) {
    throw error instanceof ExpressionError ? new PipelineError(error.message, job.at) : error;
  }
}

/** What later jobs see of a job as `dependencies.<job>`. */
function outcomeOf(record: JobRecord): ValueMap {
  return { result: record.result, outputs: record.outputVariables };
}

function leaveOut(job: JobPlan, run: Run): JobRecord {
  const now = Date.now();
  const record: JobRecord = {
    name: job.name,
    displayName: job.displayName,
    result: run.canceled.aborted ? 'Canceled' : 'Skipped',
    startTime: now,
    finishTime: now,
    steps: [],
    outputVariables: {},
  };
  run.record.jobs.push(record);
  return record;
}
