import { createHash, randomUUID } from 'node:crypto';
import type { JsonObject } from '../common/databricks/json';
import { AUTH_TYPES, RESOURCE_ID_VARIABLE, readSignIn, type SignIn } from '../common/databricks/sign-in';
import { givenPath } from '../common/files/given-path';
import { statOf } from '../common/files/paths';
import type { InputReader } from '../common/inputs';
import type { TaskContext } from '../common/task';
import { type Condition, readConditions } from './gate';
import { readDefinition } from './job-definition';
import { notebookProblem } from './notebook';
import { type Parameters, readParameters } from './parameters';

/** What to do with the run when the step is cancelled. */
export const CANCEL_POLICIES = ['cancelRun', 'leaveRunning'] as const;
export type CancelPolicy = (typeof CANCEL_POLICIES)[number];

/** What to do when the job has as many runs going on as it may have. */
export const BUSY_POLICIES = ['queue', 'fail'] as const;
export type BusyPolicy = (typeof BUSY_POLICIES)[number];

/** What to make of a run that succeeded although some of its tasks failed. */
export const PARTIAL_SUCCESS_POLICIES = ['warn', 'fail', 'succeed'] as const;
export type PartialSuccessPolicy = (typeof PARTIAL_SUCCESS_POLICIES)[number];

/** What a rerun of the pipeline's job makes of the run that an earlier attempt has started. */
export const RERUN_POLICIES = ['takeOver', 'startAnew'] as const;
export type RerunPolicy = (typeof RERUN_POLICIES)[number];

/** What the step is asked to do. */
export interface Inputs {
  readonly signIn: SignIn;
  /** An absolute path on the agent, of a file or folder that can be imported; undefined where nothing is imported. */
  readonly notebookFile: string | undefined;
  /** An absolute path in the workspace; given together with `notebookFile`. */
  readonly notebookPath: string | undefined;
  /** Where the step's own copy goes, which is run in place of what is at `notebookPath`; undefined without `isolate`. */
  readonly copyPath: string | undefined;
  /** What the paths of the copies of all attempts at the step begin with; `copyPath` itself where they share one. */
  readonly copiesPath: string | undefined;
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
  /** What the metrics that the notebook returns must be like. */
  readonly metricsGate: readonly Condition[];
  /** What tells this step from every other one of every pipeline: with `startAnew`, from its other attempts too. */
  readonly stepIdentity: readonly string[];
  /** From 1: how often the step's job has been begun. */
  readonly attempt: number;
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
  const authType = inputs.choice('authType', AUTH_TYPES, 'token');
  const signIn = readSignIn(inputs, authType, variable(RESOURCE_ID_VARIABLE));
  const notebook = readNotebook(inputs, path('notebookFile'));
  const isIsolated = inputs.boolean('isolate', false);
  const options = {
    ...notebook,
    ...readJob(inputs, path('jobDefinition')),
    parameters: readParameters(inputs),
    waitForCompletion: inputs.boolean('waitForCompletion', true),
    timeoutMinutes: inputs.integer('timeoutMinutes', { min: 0, max: 30 * DAY }, 0),
    onCancel: inputs.choice('onCancel', CANCEL_POLICIES, 'cancelRun'),
    whenBusy: inputs.choice('whenBusy', BUSY_POLICIES, 'queue'),
    onPartialSuccess: inputs.choice('onPartialSuccess', PARTIAL_SUCCESS_POLICIES, 'warn'),
    repairAttempts: inputs.integer('repairAttempts', { min: 0, max: 10 }, 0),
    exportHtml: inputs.boolean('exportHtml', false),
    metricsGate: readConditions(inputs),
  };
  const onRerun = inputs.choice('onRerun', RERUN_POLICIES, 'takeOver');
  if (options.metricsGate.length > 0 && !options.waitForCompletion) {
    inputs.reject('metricsGate', "needs the end of the run. Set input 'waitForCompletion' to true.");
  }
  if (isIsolated) checkIsolation(inputs, options);
  inputs.check();
  const { ofStep, ...identity } = identify(variable, onRerun);
  const copiesPath = isIsolated ? copiesPathOf(notebook, ofStep) : undefined;
  // An earlier attempt's run may still read its copy.
  const ownEnd = onRerun === 'startAnew' ? `-${shortHash(identity.stepIdentity)}` : '';
  const copyPath = copiesPath === undefined ? undefined : copiesPath + ownEnd;
  return { signIn: signIn!, ...options, copyPath, copiesPath, ...identity };
}

/** A copy has to stay for as long as its run goes on, and somebody has to remove it then. */
function checkIsolation(
  inputs: InputReader,
  options: Pick<Inputs, 'notebookFile' | 'waitForCompletion' | 'onCancel' | 'repairAttempts'>,
): void {
  if (options.notebookFile === undefined) {
    inputs.reject(
      'isolate',
      "is true, but without 'notebookFile' and 'notebookPath' there is nothing to copy.",
    );
  }
  if (!options.waitForCompletion) {
    inputs.reject(
      'isolate',
      "is true, but the copy can only be removed at the end of the run. Set input 'waitForCompletion' to true.",
    );
  }
  if (options.onCancel === 'leaveRunning') {
    inputs.reject(
      'isolate',
      "is true, but a run that goes on after the step still needs the copy. Set input 'onCancel' to cancelRun.",
    );
  }
  if (options.repairAttempts > 0) {
    inputs.reject(
      'isolate',
      "is true, but Databricks repairs a run by the job's settings, which name no copy. Leave input 'repairAttempts' empty.",
    );
  }
}

/** Below a folder; beside a notebook, since nothing can be below one, and so that its `%run ./helpers` works. */
function copiesPathOf(
  { notebookFile, notebookPath = '' }: Pick<Inputs, 'notebookFile' | 'notebookPath'>,
  identity: readonly string[],
): string {
  const isFolder = statOf(notebookFile ?? '')?.isDirectory() ?? false;
  return `${notebookPath}${isFolder ? '/' : '-'}isolated-${shortHash(identity)}`;
}

function shortHash(identity: readonly string[]): string {
  return createHash('sha256').update(JSON.stringify(identity)).digest('hex').slice(0, 16);
}

/** The two inputs go together; without them the job is run as it is. */
function readNotebook(
  inputs: InputReader,
  file: string | undefined,
): Pick<Inputs, 'notebookFile' | 'notebookPath'> {
  const path = inputs.optional('notebookPath');
  if (file === undefined && path === undefined) return { notebookFile: undefined, notebookPath: undefined };
  const why = 'a notebook is imported from one to the other; to run a job as it is, leave both empty';
  if (file === undefined) inputs.missing('notebookFile', why);
  if (path === undefined) inputs.missing('notebookPath', why);
  const problem = file && notebookProblem(file);
  if (problem) inputs.reject('notebookFile', problem);
  const isFolder = file !== undefined && (statOf(file)?.isDirectory() ?? false);
  if (path) checkPath(inputs, path, isFolder);
  return { notebookFile: file, notebookPath: isFolder ? path?.replace(/\/+$/, '') : path };
}

function checkPath(inputs: InputReader, path: string, isFolder: boolean): void {
  if (!path.startsWith('/')) {
    const remedy = /^(live|Shared|Users|Repos|Workspace)\//.test(path) ? `/${path}` : `/live/${path}`;
    inputs.reject(
      'notebookPath',
      `is '${path}', but must begin at the workspace's root, such as '${remedy}'.`,
    );
  } else if (isFolder && /^\/*(Workspace\/*)?$/.test(path)) {
    inputs.reject(
      'notebookPath',
      `is '${path}', the whole workspace. Give a folder of its own, such as '/live/train'.`,
    );
  } else if (!isFolder && path.endsWith('/')) {
    inputs.reject('notebookPath', `is '${path}', which is a folder. Add the notebook's name.`);
  }
}

function readJob(inputs: InputReader, file: string | undefined): Pick<Inputs, 'job' | 'jobDefinition'> {
  const job = inputs.required('job');
  if (/^\d+$/.test(job) && BigInt(job) > MAX_ID) {
    inputs.reject('job', `is '${job}', a number too long for a job's id. Copy the id from the job's page.`);
  }
  if (/^https?:\/\//i.test(job)) {
    const [, id] = /\bjobs?\/(\d+)/.exec(job) ?? [];
    inputs.reject(
      'job',
      `is '${job}', an address. Give the job's name, or its id${id === undefined ? ', the number on its page' : `, which is ${id}`}.`,
    );
  }
  if (!file || !job) return { job, jobDefinition: undefined };
  const definition = readDefinition(file, job);
  if (typeof definition !== 'string') return { job, jobDefinition: definition };
  inputs.reject('jobDefinition', definition);
  return { job, jobDefinition: undefined };
}

/**
 * The variables that tell a step from every other one, in builds and in releases, whatever its attempt. A build has one
 * plan for all attempts; the attempts of a release have one each.
 */
const STEP_VARIABLES = [
  'System.CollectionId',
  'System.TeamProjectId',
  'Build.BuildId',
  'Release.ReleaseId',
  'Release.EnvironmentId',
  'System.StageName',
  'System.PhaseName',
  'System.JobName',
  'System.JobPositionInPhase',
  'System.TaskInstanceName',
];

/** Those that change from one attempt to the next. A rerun of failed jobs is an attempt. */
const ATTEMPT_VARIABLES = [
  'System.JobId',
  'System.TaskInstanceId',
  'System.StageAttempt',
  'System.PhaseAttempt',
  'System.JobAttempt',
  'Release.AttemptNumber',
];

/**
 * Outside a pipeline nothing tells one start from the next, so each is a step of its own.
 *
 * @returns also the identity that all attempts share, whatever a rerun does with their runs
 */
function identify(
  variable: (name: string) => string | undefined,
  onRerun: RerunPolicy,
): Pick<Inputs, 'stepIdentity' | 'attempt'> & { readonly ofStep: readonly string[] } {
  const attempts = ATTEMPT_VARIABLES.filter((name) => name.includes('Attempt')).map((name) => variable(name));
  const attempt = Math.max(1, ...attempts.map((text) => Number(text) || 1));
  const isPipeline = variable('Build.BuildId') || variable('Release.ReleaseId');
  if (!isPipeline || !variable('System.TaskInstanceId')) {
    const stepIdentity = [randomUUID()];
    return { stepIdentity, ofStep: stepIdentity, attempt };
  }
  // Without a name of its own, a step is known by its id only, which belongs to the attempt.
  const isNamed = variable('System.TaskInstanceName') !== undefined;
  const names = (withAttempt: boolean) => [
    ...STEP_VARIABLES,
    ...(variable('Release.ReleaseId') === undefined ? ['System.PlanId'] : []),
    ...(withAttempt ? ATTEMPT_VARIABLES : []),
  ];
  const valuesOf = (withAttempt: boolean) => names(withAttempt).map((name) => variable(name) ?? '');
  return {
    stepIdentity: valuesOf(onRerun === 'startAnew' || !isNamed),
    ofStep: valuesOf(!isNamed),
    attempt,
  };
}
