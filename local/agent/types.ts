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

/** A service connection as a project's settings hold it; YAML names it by `name` or by `id`. */
export interface ServiceConnection {
  /** GUID. */
  id: string;
  name: string;
  /** The endpoint type's name, for example `azurerm`. */
  type: string;
  url: string;
  /** The authorization scheme, for example `Token` or `ServicePrincipal`. */
  scheme: string;
  /** The authorization's parameters; all but a few well-known ones are secret. */
  parameters: Record<string, string>;
  data?: Record<string, string>;
}

export interface AgentOptions {
  /** Path of the packed extension whose tasks the pipeline may use. */
  vsix: string;
  /** The folder that `checkout: self` brings, and that templates are read from. */
  sources: string;
  /** The agent's root: `_work`, `_diag` and `externals` live below it. One run at a time may use it. */
  workFolder: string;
  variableGroups?: VariableGroups;
  /** Queue-time variables; they win over those of the YAML. */
  variables?: Record<string, string>;
  /** Values for the parameters that the pipeline itself declares. */
  parameters?: Record<string, unknown>;
  serviceConnections?: ServiceConnection[];
  /** The agent process's own environment; `process.env` by default. */
  environment?: NodeJS.ProcessEnv;
  /** `System.JobAttempt` and `System.StageAttempt`, 1 by default; above 1 the last run's build id is kept. */
  attempt?: number;
  /** `Build.BuildId`; by default one more than the last run's. */
  buildId?: number;
  /** `System.CollectionUri`: the organization's address. */
  collectionUri?: string;
  /** `System.AccessToken`, a secret. */
  accessToken?: string;
  /** `System.OidcRequestUri`, where tasks ask for a federated token; by default the job's own in the collection. */
  oidcRequestUri?: string;
  /** Runs every handler on this one of the agent's Node versions. */
  nodeVersion?: 20 | 24;
  /** Names of tasks whose steps are not run, for machines that lack what they need; the log says so. */
  leaveOut?: string[];
  /** Receives masked log lines as they come. */
  onLine?: (line: string, step: StepRecord) => void;
  /** Aborting it is what the Cancel button does. */
  signal?: AbortSignal;
}

export interface PipelineRecord {
  name: string;
  /** Path of the YAML file below the sources. */
  file: string;
  /** Unique in all runs; names the folder of the run's logs. */
  runId: string;
  buildId: number;
  buildNumber: string;
  result: TaskResult;
  startTime: number;
  finishTime: number;
  /** Non-secret variables at the end of the last job, masked. */
  variables: Record<string, string>;
  jobs: JobRecord[];
  /** Names that `artifact.upload` gave, with the folders that hold copies. */
  artifacts: { name: string; path: string }[];
  tags: string[];
  /** Folder of the run's logs, attachments, artifacts and `timeline.json`. */
  folder: string;
}

export interface JobRecord {
  name: string;
  displayName: string;
  result: TaskResult;
  startTime: number;
  finishTime: number;
  /** The agent's own first step: what it prepared and with which settings. */
  initialize?: StepRecord;
  /** Checkout, the steps of the YAML and their pre-job and post-job parts, in the order they ran. */
  steps: StepRecord[];
  /** The agent's own last step: what it cleaned up. */
  finalize?: StepRecord;
  /** Output variables as `<step>.<name>`. */
  outputVariables: Record<string, string>;
}

export interface Issue {
  type: 'error' | 'warning';
  message: string;
}

export interface StepRecord {
  /** The step's reference name: the YAML's `name`, or the one the server derives from the task. */
  name?: string;
  displayName: string;
  /** Which task ran, for example `AcrBuildPush@1.0.0`. */
  task?: string;
  result: TaskResult;
  startTime: number;
  finishTime: number;
  /** Masked lines without timestamps. */
  log: string[];
  /** The log with timestamps. */
  logFile: string;
  /** The first ten errors and the first ten warnings. */
  issues: Issue[];
  /** Output variables by their plain names; secret ones as `***`. */
  outputVariables: Record<string, string>;
  /** Markdown that the step uploaded, with a copy that outlives the job. */
  summaries: { name: string; path: string; markdown: string }[];
  attachments: { type: string; name: string; path: string }[];
  /** Last value of `task.setprogress`. */
  percentComplete?: number;
  currentOperation?: string;
  /** Exit code of the last process that the step started. */
  exitCode?: number;
  /** Version of the Node binary that really ran. */
  nodeVersion?: string;
}
