import type { Outcome } from '../../pipeline/functions';
import { NameMap, type Value } from '../../pipeline/values';
import { mergeResults } from '../../results';
import type { TaskResult } from '../../types';

/** What later jobs and stages can learn of a job. */
export interface JobOutcome extends Outcome {
  /** Output variables by `<step>.<name>`, with the name of the leg or the deployment before them where it has one. */
  readonly outputs: ReadonlyMap<string, string>;
  /** Values among them that are secret. */
  readonly secrets: readonly string[];
}

export interface StageOutcome extends Outcome {
  readonly jobs: readonly JobOutcome[];
}

/** The outcome of a job that ran several times, or in several parts, under one name. */
export function mergeOutcomes(name: string, parts: readonly JobOutcome[]): JobOutcome {
  return {
    name,
    result: worstOf(parts.map(({ result }) => result)),
    outputs: new Map(parts.flatMap(({ outputs }) => [...outputs])),
    secrets: parts.flatMap(({ secrets }) => secrets),
  };
}

/** The worst result of those that ran; `Skipped` when none did. */
export function worstOf(results: readonly TaskResult[]): TaskResult {
  const ran = results
    .filter((result) => result !== 'Skipped')
    .map((result) => (result === 'Abandoned' ? 'Failed' : result));
  return (
    ran.reduce<TaskResult | undefined>((worst, result) => mergeResults(worst, result), undefined) ?? 'Skipped'
  );
}

/** `dependencies` as a job's conditions and variables know it: the jobs that it names itself. */
export function jobDependencies(jobs: readonly JobOutcome[]): NameMap {
  return new NameMap(jobs.map((job) => [job.name, jobValue(job)]));
}

/** `dependencies` as a stage's condition knows it: outputs are called `<job>.<step>.<name>`. */
export function stageDependencies(stages: readonly StageOutcome[]): NameMap {
  const stageValue = ({ result, jobs }: StageOutcome): Value => {
    const outputs = jobs.flatMap((job) =>
      [...job.outputs].map(([name, value]) => [`${job.name}.${name}`, value] as const),
    );
    return new NameMap([
      ['result', result],
      ['outputs', new NameMap(outputs)],
    ]);
  };
  return new NameMap(stages.map((stage) => [stage.name, stageValue(stage)]));
}

/** `stageDependencies`: the jobs of the stages before this one. */
export function jobsOfStages(stages: readonly StageOutcome[]): NameMap {
  return new NameMap(stages.map(({ name, jobs }) => [name, jobDependencies(jobs)]));
}

function jobValue({ result, outputs }: JobOutcome): Value {
  return new NameMap([
    ['result', result],
    ['outputs', new NameMap(outputs)],
  ]);
}
