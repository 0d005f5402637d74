import type { CheckoutStepPlan, JobPlan, ScriptStepPlan, TaskStepPlan } from '../../pipeline/plan';
import type { JobContext } from '../context/job-context';
import { Variables } from '../context/variables';
import type { Stage } from '../tasks/task-definition';

interface StepCommon {
  readonly displayName: string;
  readonly condition: string;
}
/** One part of a task. `taskVariables` are shared by the parts of the same step. */
export interface TaskStep extends StepCommon {
  readonly kind: 'task';
  readonly plan: TaskStepPlan;
  readonly stage: Stage;
  readonly taskVariables: Variables;
}
export interface ScriptStep extends StepCommon {
  readonly kind: 'script';
  readonly plan: ScriptStepPlan;
}
export interface CheckoutStep extends StepCommon {
  readonly kind: 'checkout';
  readonly plan: CheckoutStepPlan;
}
/** What a job runs: a step of the YAML, or the pre-job or post-job part of a task. */
export type JobStep = TaskStep | ScriptStep | CheckoutStep;

/**
 * A job's steps in the order they run: pre-job parts of tasks first, post-job parts last, in reverse order and
 * whatever has happened. Names are expanded now, before any step can set a variable.
 */
export function listSteps(plan: JobPlan, job: JobContext): JobStep[] {
  const before: JobStep[] = [];
  const main: JobStep[] = [];
  const after: JobStep[] = [];
  for (const step of plan.steps) {
    const displayName = job.variables.expand(step.displayName);
    const condition = step.condition ?? 'succeeded()';
    if (step.kind === 'script') main.push({ kind: 'script', plan: step, displayName, condition });
    if (step.kind === 'checkout') main.push({ kind: 'checkout', plan: step, displayName, condition });
    if (step.kind !== 'task') continue;

    const { definition } = job.tasks.find(step.task);
    const part = (stage: Stage, name: string, when: string): TaskStep => {
      return { kind: 'task', plan: step, stage, displayName: name, condition: when, taskVariables };
    };
    const taskVariables = new Variables(job.masker);
    if (definition.prejobexecution)
      before.push(part('prejobexecution', `Pre-job: ${displayName}`, condition));
    if (definition.execution) main.push(part('execution', displayName, condition));
    if (definition.postjobexecution) {
      after.unshift(part('postjobexecution', `Post-job: ${displayName}`, 'always()'));
    }
  }
  return [...before, ...main, ...after];
}
