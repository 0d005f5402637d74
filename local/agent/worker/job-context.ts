import type { JobRecord, PipelineRecord, ServiceConnection, StepRecord } from '../types';
import type { Folders } from './folders';
import type { SecretMasker } from './masking';
import type { TaskStore } from './tasks';
import type { Variables } from './variables';

/** What the steps of a job share. */
export interface JobContext {
  variables: Variables;
  masker: SecretMasker;
  /** Copies of the service connections, which `task.setendpoint` may change for the rest of the job. */
  connections: ServiceConnection[];
  /** Folders that `task.prependpath` put before PATH, in the order they came. */
  prependedPaths: string[];
  /** The agent process's own environment. */
  environment: NodeJS.ProcessEnv;
  folders: Folders;
  tasks: TaskStore;
  sources: string;
  run: PipelineRecord;
  record: JobRecord;
  onLine: (line: string, step: StepRecord) => void;
  /** Aborted when the job is cancelled, by the user or by its own time limit. */
  canceled: AbortSignal;
}

/** A setting of the agent: a variable of the job, or else of the agent's environment. */
export function setting(
  job: Pick<JobContext, 'variables' | 'environment'>,
  name: string,
): string | undefined {
  return job.variables.get(name) ?? job.environment[name];
}

/** A setting that is on or off, with the texts that the agent takes for yes. */
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
