/** A pipeline after the server has expanded it: what an agent is asked to run. */
import type { Trigger } from './triggers';
import type { Position } from './yaml';

export interface PipelinePlan {
  /** Name in lists and logs: that of the YAML file. */
  name: string;
  file: string;
  /** The YAML's `name:`, the format of build numbers. */
  buildNumberFormat: string;
  trigger: Trigger;
  pr: Trigger;
  variables: VariableDeclaration[];
  jobs: JobPlan[];
}

export type VariableDeclaration =
  | { name: string; value: string; readOnly: boolean; at: Position }
  | { group: string; at: Position };

export interface JobPlan {
  name: string;
  displayName: string;
  dependsOn: string[];
  condition?: string;
  /** Minutes; 0 for no limit. */
  timeoutInMinutes: number;
  variables: VariableDeclaration[];
  steps: StepPlan[];
  at: Position;
}

interface StepCommon {
  /** Prefix of the step's output variables. */
  name: string;
  displayName: string;
  condition?: string;
  continueOnError: boolean;
  timeoutInMinutes?: number;
  retryCountOnTaskFailure: number;
  env: Record<string, string>;
  at: Position;
}
export interface TaskStepPlan extends StepCommon {
  kind: 'task';
  /** `Name@1` as written. */
  task: string;
  inputs: Record<string, string>;
}
export interface ScriptStepPlan extends StepCommon {
  kind: 'script';
  script: string;
  /** Relative to the sources; empty for the sources themselves. */
  workingDirectory: string;
  failOnStderr: boolean;
}
export interface CheckoutStepPlan extends StepCommon {
  kind: 'checkout';
  /** Deletes whatever is in the folder first. */
  clean: boolean;
}
export type StepPlan = TaskStepPlan | ScriptStepPlan | CheckoutStepPlan;
