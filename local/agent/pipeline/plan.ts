/** A pipeline after the server has expanded it: what an agent is asked to run. */
import type { Trigger } from './triggers';
import type { Position } from './yaml';

export interface PipelinePlan {
  /** Name in lists and logs: that of the YAML file. */
  readonly name: string;
  readonly file: string;
  /** The YAML's `name:`, the format of build numbers. */
  readonly buildNumberFormat: string;
  readonly trigger: Trigger;
  readonly pr: Trigger;
  readonly variables: VariableDeclaration[];
  readonly jobs: JobPlan[];
}

export type VariableDeclaration =
  | { name: string; value: string; readOnly: boolean; at: Position }
  | { group: string; at: Position };

export interface JobPlan {
  readonly name: string;
  readonly displayName: string;
  readonly dependsOn: string[];
  readonly condition?: string;
  /** Minutes; 0 for no limit. */
  readonly timeoutInMinutes: number;
  readonly variables: VariableDeclaration[];
  readonly steps: StepPlan[];
  readonly at: Position;
}

interface StepCommon {
  /** Prefix of the step's output variables. */
  readonly name: string;
  readonly displayName: string;
  readonly condition?: string;
  readonly continueOnError: boolean;
  readonly timeoutInMinutes?: number;
  readonly retryCountOnTaskFailure: number;
  readonly env: Record<string, string>;
  readonly at: Position;
}
export interface TaskStepPlan extends StepCommon {
  readonly kind: 'task';
  /** `Name@1` as written. */
  readonly task: string;
  readonly inputs: Record<string, string>;
}
export interface ScriptStepPlan extends StepCommon {
  readonly kind: 'script';
  readonly script: string;
  /** Relative to the sources; empty for the sources themselves. */
  readonly workingDirectory: string;
  readonly failOnStderr: boolean;
}
export interface CheckoutStepPlan extends StepCommon {
  readonly kind: 'checkout';
  /** Deletes whatever is in the folder first. */
  readonly clean: boolean;
}
export type StepPlan = TaskStepPlan | ScriptStepPlan | CheckoutStepPlan;
