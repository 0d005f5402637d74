import type { CheckoutStepPlan, ScriptStepPlan, StepPlan, TaskStepPlan } from '../pipeline/plan';
import type { Stage } from './task-definition';
import type { Variables } from './variables';

/** One line of the job's list: a step of the YAML, or the pre-job or post-job part of a task. */
export type JobStep =
  | {
      kind: 'task';
      plan: TaskStepPlan;
      stage: Stage;
      displayName: string;
      condition: string;
      taskVariables: Variables;
    }
  | { kind: 'script'; plan: ScriptStepPlan; displayName: string; condition: string }
  | { kind: 'checkout'; plan: CheckoutStepPlan; displayName: string; condition: string };

/** A step that was ended early because the run was cancelled or its own time was up. */
export class OperationCanceled extends Error {
  constructor() {
    super('The operation was canceled.');
  }
}

/** A process of a step ended with a code other than 0: to the agent, a fault of the machine. */
export class ExitCodeError extends Error {
  constructor(
    readonly exitCode: number,
    file: string,
    args: string[],
  ) {
    super(
      `Exit code ${exitCode} returned from process: file name '${file}', arguments '${args.map((arg) => `"${arg}"`).join(' ')}'.`,
    );
  }
}

/** The reference name of a step, as `System.TaskInstanceName` has it. */
export type NamedStep = Pick<StepPlan, 'name' | 'displayName'>;
