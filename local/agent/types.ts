/** What callers of the local agent give it and what they get back. Times are milliseconds since 1970. */

/** The agent's own names of results, as `task.complete` and `Agent.JobStatus` use them. */
export type TaskResult =
  | 'Succeeded'
  | 'SucceededWithIssues'
  | 'Failed'
  | 'Canceled'
  | 'Skipped'
  | 'Abandoned';

/** A variable group's variables by name; a secret one is written `{ value, isSecret: true }`. */
export type VariableGroup = Record<string, string | { value: string; isSecret: true }>;
export type VariableGroups = Record<string, VariableGroup>;

/** Secrets by name, for each key vault. */
export type KeyVaults = Record<string, Record<string, string>>;

/** A service connection as a project's settings hold it; YAML names it by `name` or by `id`. */
export interface ServiceConnection {
  /** GUID. */
  readonly id: string;
  readonly name: string;
  /** The endpoint type's name, for example `azurerm`. */
  readonly type: string;
  url: string;
  /** The authorization scheme, for example `Token` or `ServicePrincipal`. */
  readonly scheme: string;
  /** The authorization's parameters; all but a few well-known ones are secret. */
  parameters: Record<string, string>;
  data?: Record<string, string>;
}

export interface AgentOptions {
  /** Path of the packed extension whose tasks the pipeline may use. */
  readonly vsix: string;
  /** The folder that `checkout: self` brings, and that templates are read from. */
  readonly sources: string;
  /** The agent's root: `_work`, `_diag` and `externals` live below it. One run at a time may use it. */
  readonly workFolder: string;
  readonly variableGroups?: VariableGroups;
  /** Variables set when queueing; those of the YAML and its groups win over them. */
  readonly variables?: Record<string, string>;
  /** Variables that win over everything else, which Azure Pipelines does not have. */
  readonly overrides?: Record<string, string>;
  /** Values for the parameters that the pipeline itself declares. */
  readonly parameters?: Record<string, unknown>;
  readonly serviceConnections?: ServiceConnection[];
  /** The agent process's own environment; `process.env` by default. */
  readonly environment?: NodeJS.ProcessEnv;
  /** `System.JobAttempt` and `System.StageAttempt`, 1 by default; above 1 the last run's build id is kept. */
  readonly attempt?: number;
  /** `Build.BuildId`; by default one more than the last run's. */
  readonly buildId?: number;
  /** `System.CollectionUri`: the organization's address. */
  readonly collectionUri?: string;
  /** `System.AccessToken`, a secret. */
  readonly accessToken?: string;
  /** `System.OidcRequestUri`, where tasks ask for a federated token; by default the job's own in the collection. */
  readonly oidcRequestUri?: string;
  /** Runs every handler on this one of the agent's Node versions. */
  readonly nodeVersion?: 20 | 24;
  /** A program that stands in for the agent's Node binaries, of whichever version. */
  readonly nodeProgram?: string;
  /** Folders that stand in for other repositories, by alias or name. */
  readonly repositories?: Record<string, string>;
  /** The secrets of key vaults, by the vault's name. */
  readonly keyVaults?: KeyVaults;
  /** Goes on without steps whose tasks are neither in the extension nor known to the agent. */
  readonly skipUnknownTasks?: boolean;
  /** Names of the only steps, jobs or stages that run. */
  readonly only?: string[];
  /** Names of tasks whose steps are not run, for machines that lack what they need; the log says so. */
  readonly leaveOut?: string[];
  /** Receives the run's record when it begins; the record grows as the run goes on, and ends with a finish time. */
  readonly onStart?: (run: PipelineRecord) => void;
  /** Receives masked log lines as they come. */
  readonly onLine?: (line: string, step: StepRecord) => void;
  /** Aborting it is what the Cancel button does. */
  readonly signal?: AbortSignal;
}

export interface PipelineRecord {
  readonly name: string;
  /** Path of the YAML file below the sources. */
  readonly file: string;
  /** Unique in all runs; names the folder of the run's logs. */
  readonly runId: string;
  readonly buildId: number;
  buildNumber: string;
  result: TaskResult;
  readonly startTime: number;
  /** 0 while it goes on; of jobs and steps, too. */
  finishTime: number;
  /** Non-secret variables at the end of the last job, masked. */
  readonly variables: Record<string, string>;
  readonly jobs: JobRecord[];
  /** Names that `artifact.upload` gave, with the folders that hold copies. */
  readonly artifacts: { name: string; path: string }[];
  readonly tags: string[];
  /** Folder of the run's logs, attachments, artifacts and `timeline.json`. */
  folder: string;
}

export interface JobRecord {
  /** With the name of the leg, when the job has a matrix. */
  readonly name: string;
  /** The stage, when the YAML has stages. */
  readonly stage?: string;
  readonly displayName: string;
  result: TaskResult;
  readonly startTime: number;
  finishTime: number;
  /** The agent's own first step: what it prepared and with which settings. */
  initialize?: StepRecord;
  /** Checkout, the steps of the YAML and their pre-job and post-job parts, in the order they ran. */
  readonly steps: StepRecord[];
  /** The agent's own last step: what it cleaned up. */
  finalize?: StepRecord;
  /** Output variables as `<step>.<name>`; secret ones as `***`. */
  readonly outputVariables: Record<string, string>;
  /** Why it did not run. */
  note?: string;
}

export interface Issue {
  readonly type: 'error' | 'warning';
  readonly message: string;
}

export interface StepRecord {
  /** The step's reference name: the YAML's `name`, or the one the server derives from the task. */
  readonly name?: string;
  readonly displayName: string;
  /** Which task ran, for example `AcrBuildPush@1.0.0`. */
  task?: string;
  result: TaskResult;
  readonly startTime: number;
  finishTime: number;
  /** Masked lines without timestamps. */
  log: string[];
  /** The log with timestamps. */
  readonly logFile: string;
  /** The first ten errors and the first ten warnings. */
  readonly issues: Issue[];
  /** Output variables by their plain names; secret ones as `***`. */
  readonly outputVariables: Record<string, string>;
  /** Markdown that the step uploaded, with a copy that outlives the job. */
  readonly summaries: { name: string; path: string; markdown: string }[];
  readonly attachments: { type: string; name: string; path: string }[];
  /** Last value of `task.setprogress`. */
  percentComplete?: number;
  currentOperation?: string;
  /** Exit code of the last process that the step started. */
  exitCode?: number;
  /** Version of the Node binary that really ran. */
  nodeVersion?: string;
}
