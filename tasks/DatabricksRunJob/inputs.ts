import { randomUUID } from 'node:crypto';
import { resolve } from 'node:path';
import type { InputReader } from '../common/inputs';
import type { TaskContext } from '../common/task';
import type { JsonObject } from './databricks/json';
import { readDefinition } from './job-definition';
import { notebookProblem } from './notebook';
import { type Parameters, readParameters } from './parameters';
import { readSignIn, type SignIn } from './sign-in';
import { BUSY_POLICIES, type BusyPolicy, CANCEL_POLICIES, type CancelPolicy } from './start';

/** What to make of a run that succeeded although some of its tasks failed. */
export const PARTIAL_SUCCESS_POLICIES = ['warn', 'fail', 'succeed'] as const;
export type PartialSuccessPolicy = (typeof PARTIAL_SUCCESS_POLICIES)[number];

/** What the step is asked to do. */
export interface Inputs {
  readonly signIn: SignIn;
  /** An absolute path on the agent, of a file that can be imported. */
  readonly notebookFile: string;
  /** An absolute path in the workspace. */
  readonly notebookPath: string;
  /** An exact name, or a numeric id. */
  readonly job: string;
  /** Settings that the job is to have; undefined when it is taken as it is. */
  readonly jobDefinition: JsonObject | undefined;
  readonly parameters: Parameters;
  readonly waitForCompletion: boolean;
  /** 0 for no limit. */
  readonly timeoutMinutes: number;
  readonly onCancel: CancelPolicy;
  readonly whenBusy: BusyPolicy;
  readonly onPartialSuccess: PartialSuccessPolicy;
  /** How often a run may be repaired that failed by no fault of its own. */
  readonly repairAttempts: number;
  /** Whether the executed notebooks are kept with the pipeline's run. */
  readonly exportHtml: boolean;
  /** What tells this attempt of this step from every other step of every pipeline. */
  readonly stepIdentity: readonly string[];
}

/** The largest id: ids are signed 64-bit numbers. */
const MAX_ID = 2n ** 63n - 1n;

const DAY = 24 * 60;

/**
 * Reads and checks all inputs.
 *
 * @throws TaskError that names every input that is wrong
 */
export function readInputs({ inputs, variable }: Pick<TaskContext, 'inputs' | 'variable'>): Inputs {
  const path = (name: string) => givenPath(inputs.optional(name), variable);
  const signIn = readSignIn(inputs);
  const options = {
    notebookFile: readNotebookFile(inputs, path('notebookFile')),
    notebookPath: readNotebookPath(inputs),
    ...readJob(inputs, path('jobDefinition')),
    parameters: readParameters(inputs),
    waitForCompletion: inputs.boolean('waitForCompletion', true),
    timeoutMinutes: inputs.integer('timeoutMinutes', { min: 0, max: 30 * DAY }, 0),
    onCancel: inputs.choice('onCancel', CANCEL_POLICIES, 'cancelRun'),
    whenBusy: inputs.choice('whenBusy', BUSY_POLICIES, 'queue'),
    onPartialSuccess: inputs.choice('onPartialSuccess', PARTIAL_SUCCESS_POLICIES, 'warn'),
    repairAttempts: inputs.integer('repairAttempts', { min: 0, max: 10 }, 0),
    exportHtml: inputs.boolean('exportHtml', false),
  };
  inputs.check();
  return { signIn: signIn!, ...options, stepIdentity: identify(variable) };
}

/**
 * The path in an input of paths. Agents put the root of the sources in front of what they are given, so an input that
 * was left empty arrives as that root.
 */
function givenPath(path: string | undefined, variable: TaskContext['variable']): string | undefined {
  const roots = ['Build.SourcesDirectory', 'System.DefaultWorkingDirectory', 'System.ArtifactsDirectory']
    .map(variable)
    .filter((root) => root !== undefined);
  return path === undefined || roots.some((root) => resolve(root) === resolve(path))
    ? undefined
    : resolve(path);
}

function readNotebookFile(inputs: InputReader, file: string | undefined): string {
  if (file === undefined) return inputs.missing('notebookFile');
  const problem = notebookProblem(file);
  if (problem) inputs.reject('notebookFile', problem);
  return file;
}

function readNotebookPath(inputs: InputReader): string {
  const path = inputs.required('notebookPath');
  if (path && !path.startsWith('/')) {
    inputs.reject(
      'notebookPath',
      `is '${path}', but must begin at the workspace's root, such as '/live/${path}'.`,
    );
  } else if (path.endsWith('/')) {
    inputs.reject('notebookPath', `is '${path}', which is a folder. Add the notebook's name.`);
  }
  return path;
}

function readJob(inputs: InputReader, file: string | undefined): Pick<Inputs, 'job' | 'jobDefinition'> {
  const job = inputs.required('job');
  if (/^\d+$/.test(job) && BigInt(job) > MAX_ID) {
    inputs.reject('job', `is '${job}', a number too long for a job's id. Copy the id from the job's page.`);
  }
  if (!file || !job) return { job, jobDefinition: undefined };
  const definition = readDefinition(file, job);
  if (typeof definition !== 'string') return { job, jobDefinition: definition };
  inputs.reject('jobDefinition', definition);
  return { job, jobDefinition: undefined };
}

/** The variables that make up a step's identity, in builds and in releases. A rerun of failed jobs is an attempt. */
const IDENTITY_VARIABLES = [
  'System.CollectionId',
  'System.TeamProjectId',
  'System.PlanId',
  'Build.BuildId',
  'Release.ReleaseId',
  'Release.EnvironmentId',
  'Release.AttemptNumber',
  'System.StageName',
  'System.StageAttempt',
  'System.PhaseName',
  'System.PhaseAttempt',
  'System.JobId',
  'System.JobAttempt',
  'System.TaskInstanceId',
];

/** Outside a pipeline nothing tells one start from the next, so each is a step of its own. */
function identify(variable: (name: string) => string | undefined): string[] {
  const isPipeline =
    (variable('Build.BuildId') ?? variable('Release.ReleaseId')) && variable('System.TaskInstanceId');
  return isPipeline ? IDENTITY_VARIABLES.map((name) => variable(name) ?? '') : [randomUUID()];
}
