import { evaluate } from '../../pipeline/expression';
import { dependencyFunctions, type Outcome } from '../../pipeline/functions';
import { ancestorsOf } from '../../pipeline/names';
import type { JobPlan, PipelinePlan, StagePlan } from '../../pipeline/plan';
import { ExpressionError, fold, NameMap, toBoolean, type Value } from '../../pipeline/values';
import type { Run } from '../context/job-context';
import type { JobVariable, RuntimeContexts } from '../context/job-variables';
import { leaveOut } from './not-run';
import { isChosen } from './only';
import {
  type JobOutcome,
  jobDependencies,
  jobsOfStages,
  type StageOutcome,
  stageDependencies,
  worstOf,
} from './outcomes';
import { type JobStart, runLegs } from './run-legs';

/** Gives variables to what is about to start. */
export interface VariablesOf {
  stage: (stage: StagePlan) => JobVariable[];
  job: JobStart['variablesOf'];
}

interface Needed {
  readonly name: string;
  readonly dependsOn: readonly string[];
}

/** Runs a pipeline's stages one after another, and in each its jobs, each after what it depends on. */
export async function runStages(plan: PipelinePlan, run: Run, variablesOf: VariablesOf): Promise<void> {
  const done = new Map<string, StageOutcome>();
  for (const { plan: stage, ancestors } of inOrder(plan.stages)) {
    const before = ancestors.map(({ name }) => done.get(fold(name))!);
    done.set(fold(stage.name), await runStage(stage, before, [...done.values()], run, variablesOf));
  }
  const result = worstOf([...done.values()].map((stage) => stage.result));
  run.record.result =
    run.canceled.aborted && result === 'Skipped' ? 'Canceled' : result === 'Skipped' ? 'Succeeded' : result;
}

async function runStage(
  stage: StagePlan,
  before: readonly StageOutcome[],
  done: readonly StageOutcome[],
  run: Run,
  variablesOf: VariablesOf,
): Promise<StageOutcome> {
  const named = done.filter(({ name }) => stage.dependsOn.some((other) => fold(other) === fold(name)));
  const values = {
    variables: asValues(variablesOf.stage(stage)),
    dependencies: stageDependencies(named),
    stageDependencies: jobsOfStages(done),
  };
  const verdict = run.options.only ? true : judge(stage.condition, values, before, run);
  const jobs: JobOutcome[] = [];
  for (const { plan: job, ancestors } of inOrder(stage.jobs)) {
    const outcomeOf = (name: string) => jobs.find((other) => fold(other.name) === fold(name))!;
    const needed = ancestors.map(({ name }) => outcomeOf(name));
    const named = job.dependsOn.map(outcomeOf);
    const contexts = contextsOf(named, done);
    const start: JobStart = { stage, contexts, variablesOf: variablesOf.job };
    const outcome =
      verdict === true
        ? await runOrSkip(job, start, needed, run)
        : leaveOut(job, verdict.result, `Its stage was left out. ${verdict.reason}`, run);
    jobs.push(outcome);
  }
  const result = jobs.length === 0 && verdict === true ? 'Succeeded' : worstOf(jobs.map((job) => job.result));
  return { name: stage.name, result, jobs };
}

async function runOrSkip(
  job: JobPlan,
  start: JobStart,
  needed: readonly JobOutcome[],
  run: Run,
): Promise<JobOutcome> {
  if (run.options.only) {
    if (isChosen(job, run.options.only)) return runLegs(job, start, run);
    return leaveOut(job, 'Skipped', 'It is not among what was asked for.', run);
  }
  const [leg] = job.legs;
  const variables = start.variablesOf(job, leg!, start.contexts, () => {});
  const values = { ...start.contexts.values, variables: asValues(variables) };
  const verdict = judge(job.condition, values, needed, run);
  if (verdict !== true) return leaveOut(job, verdict.result, verdict.reason, run);
  return runLegs(job, start, run);
}

function contextsOf(named: readonly JobOutcome[], done: readonly StageOutcome[]): RuntimeContexts {
  const all = [...named, ...done.flatMap(({ jobs }) => jobs)];
  return {
    values: { dependencies: jobDependencies(named), stageDependencies: jobsOfStages(done) },
    secrets: all.flatMap(({ secrets }) => secrets).filter((secret) => secret !== ''),
  };
}

type Refused = { readonly reason: string; readonly result: 'Skipped' | 'Canceled' | 'Abandoned' };

/** Whether a condition holds; one that cannot be computed abandons its job. */
function judge(
  condition: string | undefined,
  values: { readonly [name: string]: Value },
  needed: readonly Outcome[],
  run: Run,
): true | Refused {
  const text = condition?.trim() || 'succeeded()';
  const canceled = run.canceled.aborted;
  const names = {
    values: { ...values, pipeline: pipelineValue(run) },
    functions: dependencyFunctions(needed, canceled),
  };
  try {
    if (toBoolean(evaluate(text, names))) return true;
    return { reason: `Its condition does not hold: ${text}`, result: canceled ? 'Canceled' : 'Skipped' };
  } catch (error) {
    if (!(error instanceof ExpressionError)) throw error;
    return { reason: `Its condition cannot be computed: ${error.message}`, result: 'Abandoned' };
  }
}

/** `pipeline.startTime` and its kin. */
export function pipelineValue({ record }: Run): Value {
  return new NameMap([['startTime', new Date(record.startTime).toISOString()]]);
}

function asValues(variables: readonly JobVariable[]): NameMap {
  return new NameMap(variables.map(({ name, value }) => [name, value]));
}

/** Plans in an order in which each comes after all that it needs, which is also told. */
function inOrder<T extends Needed>(plans: readonly T[]): { plan: T; ancestors: T[] }[] {
  const byName = new Map(plans.map((plan) => [fold(plan.name), plan]));
  const waiting = plans.map((plan) => ({ plan, ancestors: [...ancestorsOf(plan, byName)] }));
  const ready: { plan: T; ancestors: T[] }[] = [];
  while (waiting.length > 0) {
    const isReady = (ancestors: readonly T[]) =>
      ancestors.every((other) => ready.some(({ plan }) => plan === other));
    const next = waiting.findIndex(({ ancestors }) => isReady(ancestors));
    ready.push(...waiting.splice(next, 1));
  }
  return ready;
}
