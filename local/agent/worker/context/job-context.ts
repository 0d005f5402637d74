import { randomUUID } from 'node:crypto';
import type {
  AgentOptions,
  JobRecord,
  KeyVaults,
  PipelineRecord,
  ServiceConnection,
  StepRecord,
} from '../../types';
import type { TaskStore } from '../tasks/tasks';
import { isSecretParameter } from './environment';
import type { Folders } from './folders';
import type { JobVariable } from './job-variables';
import { SecretMasker } from './masking';
import { Variables } from './variables';

/** What the jobs of a run share. */
export interface Run {
  readonly options: AgentOptions;
  readonly record: PipelineRecord;
  readonly folders: Folders;
  readonly tasks: TaskStore;
  /** The agent process's own environment. */
  readonly environment: NodeJS.ProcessEnv;
  /** Aborted when the user cancels the run. */
  readonly canceled: AbortSignal;
}

/** What the steps of a job share. */
export interface JobContext {
  readonly variables: Variables;
  readonly masker: SecretMasker;
  /** Copies of the service connections, which `task.setendpoint` may change for the rest of the job. */
  readonly connections: ServiceConnection[];
  /** Folders that `task.prependpath` put before PATH, in the order they came. */
  readonly prependedPaths: string[];
  readonly environment: NodeJS.ProcessEnv;
  readonly folders: Folders;
  readonly tasks: TaskStore;
  readonly sources: string;
  /** Stands in for the agent's Node binaries. */
  readonly nodeProgram: string | undefined;
  /** Folders of other repositories, by what the command line calls them. */
  readonly repositories: Readonly<Record<string, string>>;
  /** Secrets of key vaults, by the vault's name. */
  readonly keyVaults: KeyVaults;
  /** Output variables as `<step>.<name>`. */
  readonly outputs: Map<string, { readonly value: string; readonly secret: boolean }>;
  readonly run: PipelineRecord;
  readonly record: JobRecord;
  readonly onLine: (line: string, step: StepRecord) => void;
  /** Aborted when the job is canceled, by the user or by its own time limit. */
  readonly canceled: AbortSignal;
}

/** The variable by which the job's processes are told from all others when it ends. */
export const PROCESS_MARK = 'VSTS_PROCESS_LOOKUP_ID';

/** Sets up a job's variables, and hides what is secret among them and in the service connections. */
export function createJobContext(
  start: JobVariable[],
  run: Run,
  record: JobRecord,
  canceled: AbortSignal,
): JobContext {
  const masker = new SecretMasker();
  const variables = new Variables(masker);
  const minimum = start.find(({ name }) => name.toUpperCase() === 'AZP_IGNORE_SECRETS_SHORTER_THAN')?.value;
  masker.minimumLength = Number(minimum ?? run.environment.AZP_IGNORE_SECRETS_SHORTER_THAN ?? 0);
  for (const { secret, value } of start) if (secret) masker.addVariable(value);
  for (const { name, value, secret, readOnly } of start) variables.set(name, value, { secret, readOnly });
  variables.set(PROCESS_MARK, `vsts_${randomUUID()}`);

  const connections = structuredClone(run.options.serviceConnections ?? []);
  for (const { parameters } of connections) {
    for (const [name, value] of Object.entries(parameters)) {
      if (value !== '' && isSecretParameter(name)) masker.add(value);
    }
  }
  return {
    variables,
    masker,
    connections,
    prependedPaths: [],
    environment: run.environment,
    folders: run.folders,
    tasks: run.tasks,
    sources: run.options.sources,
    nodeProgram: run.options.nodeProgram,
    repositories: run.options.repositories ?? {},
    keyVaults: run.options.keyVaults ?? {},
    outputs: new Map(),
    run: run.record,
    record,
    onLine: run.options.onLine ?? (() => {}),
    canceled,
  };
}

/** A setting of the agent: a variable of the job, or else of the agent's environment. */
export function setting(
  job: Pick<JobContext, 'variables' | 'environment'>,
  name: string,
): string | undefined {
  return job.variables.get(name) ?? job.environment[name];
}

/** A setting that is on or off, with the texts that the agent takes for yes and no. */
export function isOn(
  job: Pick<JobContext, 'variables' | 'environment'>,
  name: string,
  preset = false,
): boolean {
  const text = setting(job, name)?.toLowerCase() ?? '';
  if (['1', 'true', '$true'].includes(text)) return true;
  if (['0', 'false', '$false'].includes(text)) return false;
  return text === '' ? preset : false;
}
