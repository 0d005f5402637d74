/** A pipeline after the server has expanded it: what an agent is asked to run. */
import type { Trigger } from './triggers';
import type { Position } from './yaml';

export interface PipelinePlan {
  /** Name in lists and logs: that of the YAML file. */
  readonly name: string;
  readonly file: string;
  /** The YAML's `name:`, the format of build numbers. */
  readonly buildNumberFormat: string;
  readonly buildNumberAt: Position;
  readonly trigger: Trigger;
  readonly pr: Trigger;
  readonly variables: readonly VariableDeclaration[];
  /** One of them, without a name, when the YAML has only jobs or steps. */
  readonly stages: readonly StagePlan[];
  /** The jobs of all stages. */
  readonly jobs: readonly JobPlan[];
}

export type VariableDeclaration =
  | { readonly name: string; readonly value: string; readonly readOnly: boolean; readonly at: Position }
  | { readonly group: string; readonly at: Position };

/** The name of the stage in which jobs run that are in none. */
export const DEFAULT_STAGE = '__default';

export interface StagePlan {
  readonly name: string;
  readonly displayName: string;
  readonly dependsOn: readonly string[];
  readonly condition?: string;
  readonly variables: readonly VariableDeclaration[];
  readonly jobs: readonly JobPlan[];
  readonly at: Position;
}

export interface JobPlan {
  readonly name: string;
  readonly displayName: string;
  readonly stage: string;
  readonly dependsOn: readonly string[];
  readonly condition?: string;
  /** Minutes; 0 for no limit. */
  readonly timeoutInMinutes: number;
  readonly variables: readonly VariableDeclaration[];
  /** The steps of all hooks, when it is a deployment. */
  readonly steps: readonly StepPlan[];
  /** How often it runs; once, without a name and variables of its own, unless it has a strategy. */
  readonly legs: readonly Leg[];
  readonly deployment?: DeploymentPlan;
  /** What is deleted before it runs: what it has built, its sources, or the whole folder of the pipeline. */
  readonly clean?: 'outputs' | 'resources' | 'all';
  readonly pool?: PoolPlan;
  readonly at: Position;
}

/** One of the runs of a job with a matrix. */
export interface Leg {
  readonly name: string;
  readonly variables: Readonly<Record<string, string>>;
}

/** Which machines a job asks for; macros are not replaced. */
export interface PoolPlan {
  readonly name: string;
  readonly vmImage: string;
  readonly demands: readonly string[];
  readonly at: Position;
}

export type HookName = 'preDeploy' | 'deploy' | 'routeTraffic' | 'postRouteTraffic' | 'success' | 'failure';

export interface DeploymentPlan {
  readonly environment: string;
  readonly resource: string;
  /** In the order in which they run; `success` or `failure` comes last, as it went. */
  readonly hooks: readonly { readonly name: HookName; readonly steps: readonly StepPlan[] }[];
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
  /** What the step may ask of the agent, when its `target` says so. */
  readonly restrictions?: StepRestrictions;
  readonly at: Position;
}
export interface StepRestrictions {
  readonly restrictedCommands: boolean;
  /** Names and patterns; undefined for all. */
  readonly settableVariables?: readonly string[];
}
export interface TaskStepPlan extends StepCommon {
  readonly kind: 'task';
  /** `Name@1` as written. */
  readonly task: string;
  readonly inputs: Record<string, string>;
}
export interface ScriptStepPlan extends StepCommon {
  readonly kind: 'script';
  readonly shell: 'bash' | 'pwsh';
  readonly script: string;
  /** Relative to the sources; empty for the sources themselves. */
  readonly workingDirectory: string;
  readonly failOnStderr: boolean;
  /** PowerShell's `$ErrorActionPreference`. */
  readonly errorActionPreference?: string;
  /** Does not fail for the exit code of the last program that PowerShell has run. */
  readonly ignoreLastExitCode?: boolean;
}
export interface CheckoutStepPlan extends StepCommon {
  readonly kind: 'checkout';
  /** What the command line calls a repository; empty for the pipeline's own. */
  readonly repository: string;
  /** Its folder below the sources in a job that checks out several; empty for the pipeline's own. */
  readonly folder: string;
  /** Deletes whatever is in the folder first. */
  readonly clean: boolean;
  /** How many commits of the history come with the files; 0 for all. */
  readonly fetchDepth: number;
}
export type StepPlan = TaskStepPlan | ScriptStepPlan | CheckoutStepPlan;
