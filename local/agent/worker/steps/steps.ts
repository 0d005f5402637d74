import type { CheckoutStepPlan, JobPlan, ScriptStepPlan, TaskStepPlan } from '../../pipeline/plan';
import type { JobContext } from '../context/job-context';
import { Variables } from '../context/variables';
import type { Stage, TaskDefinition } from '../tasks/task-definition';
import { findBuiltin } from './builtin/builtin';
import type { BuiltinTask } from './builtin/builtin-task';

interface StepCommon {
  readonly displayName: string;
  readonly condition: string;
}
/** One part of a task. `taskVariables` are shared by the parts of the same step. */
export interface TaskStep extends StepCommon {
  readonly kind: 'task';
  readonly plan: TaskStepPlan;
  readonly definition: TaskDefinition;
  readonly folder: string;
  readonly stage: Stage;
  readonly taskVariables: Variables;
}
/** A task of Azure Pipelines itself, which the agent carries out without any package. */
export interface BuiltinStep extends StepCommon {
  readonly kind: 'builtin';
  readonly plan: TaskStepPlan;
  readonly task: BuiltinTask;
}
/** A task that is not here; the run goes on without it. */
export interface UnknownStep extends StepCommon {
  readonly kind: 'unknown';
  readonly plan: TaskStepPlan;
}
export interface ScriptStep extends StepCommon {
  readonly kind: 'script';
  readonly plan: ScriptStepPlan;
}
export interface CheckoutStep extends StepCommon {
  readonly kind: 'checkout';
  readonly plan: CheckoutStepPlan;
  /** Whether it goes to a folder of its own, since the job checks out several repositories. */
  readonly isOneOfSeveral: boolean;
}
/** What a job runs: a step of the YAML, or the pre-job or post-job part of a task. */
export type JobStep = TaskStep | BuiltinStep | UnknownStep | ScriptStep | CheckoutStep;

/**
 * A job's steps in the order they run: pre-job parts of tasks first, post-job parts last, in reverse order and
 * whatever has happened. Names are expanded now, before any step can set a variable.
 */
export function listSteps(plan: JobPlan, job: JobContext): JobStep[] {
  const before: JobStep[] = [];
  const main: JobStep[] = [];
  const after: JobStep[] = [];
  const isOneOfSeveral = plan.steps.filter(({ kind }) => kind === 'checkout').length > 1;
  for (const step of plan.steps) {
    const displayName = job.variables.expand(step.displayName);
    const common = { displayName, condition: step.condition?.trim() || 'succeeded()' };
    if (step.kind === 'script') main.push({ ...common, kind: 'script', plan: step });
    else if (step.kind === 'checkout') main.push({ ...common, kind: 'checkout', plan: step, isOneOfSeveral });
    else {
      const parts = partsOfTask(step, common, job);
      before.push(...parts.before);
      main.push(...parts.main);
      after.unshift(...parts.after);
    }
  }
  return [...before, ...main, ...after];
}

interface Parts {
  readonly before: JobStep[];
  readonly main: JobStep[];
  readonly after: JobStep[];
}

function partsOfTask(plan: TaskStepPlan, common: StepCommon, job: JobContext): Parts {
  const found = job.tasks.find(plan.task);
  if (!found) {
    const task = findBuiltin(plan.task);
    const step: JobStep = task
      ? { ...common, kind: 'builtin', plan, task }
      : { ...common, kind: 'unknown', plan };
    return isEarly(plan, task)
      ? { before: [step], main: [], after: [] }
      : { before: [], main: [step], after: [] };
  }
  const { definition, folder } = found;
  const taskVariables = new Variables(job.masker);
  const part = (stage: Stage, prefix: string, condition: string): JobStep[] => {
    if (!definition[stage]) return [];
    const displayName = prefix + common.displayName;
    return [{ kind: 'task', plan, definition, folder, stage, displayName, condition, taskVariables }];
  };
  return {
    before: part('prejobexecution', 'Pre-job: ', common.condition),
    main: part('execution', '', common.condition),
    after: part('postjobexecution', 'Post-job: ', 'always()'),
  };
}

/** Some tasks can be asked to run before all others. */
function isEarly(plan: TaskStepPlan, task: BuiltinTask | undefined): boolean {
  if (!task?.runsEarlyWhen) return false;
  const wanted = task.runsEarlyWhen.toLowerCase();
  return Object.entries(plan.inputs).some(
    ([name, value]) => name.toLowerCase() === wanted && value.trim().toLowerCase() === 'true',
  );
}
