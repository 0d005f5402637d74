import type { JobPlan, PipelinePlan, StepPlan } from '../../pipeline/plan';
import { fold } from '../../pipeline/values';

/** Whether anything of a job is among the names of what is to run. */
export function isChosen(job: JobPlan, only: readonly string[]): boolean {
  return job.steps.some((step) => isStepChosen(step, job, only));
}

/** A step is chosen by its own name or display name, its job's, or its stage's. */
export function isStepChosen(step: StepPlan, job: JobPlan, only: readonly string[]): boolean {
  const names = [step.name, step.displayName, job.name, job.displayName, job.stage].map(fold);
  return only.some((name) => names.includes(fold(name)));
}

/** @returns what is wrong with the names of what is to run */
export function problemsOfOnly(plan: PipelinePlan, only: readonly string[]): string[] {
  return only
    .filter((name) => !plan.jobs.some((job) => isChosen(job, [name])))
    .map((name) => {
      const steps = plan.jobs.flatMap((job) => job.steps.map((step) => step.name));
      return `No step, job or stage is called '${name}'. The steps are: ${[...new Set(steps)].join(', ')}.`;
    });
}
