import type { DatabricksClient, RequestLimits } from '../../common/databricks/client';
import type { JsonObject } from '../../common/databricks/json';
import { TaskError } from '../../common/errors';
import { pagesOf } from '../../common/paged-list';
import { ONE_TRY } from '../../common/retry';
import type { Shaped } from '../../common/shape';

/** A job as `jobs/list` shows it. Names are not unique. */
export interface JobSummary {
  readonly id: string;
  readonly name: string;
  readonly creator: string;
  /** Milliseconds since 1970; 0 where the service tells no time. */
  readonly createdAt: number;
}

export interface Job {
  readonly id: string;
  readonly name: string;
  readonly notebooks: readonly NotebookTask[];
  /** The tasks that run something else. */
  readonly otherTasks: readonly OtherTask[];
  /** The keys of the parameters that the job declares. */
  readonly parameters: readonly string[];
}

/** A task of a job that runs a notebook. */
export interface NotebookTask {
  readonly taskKey: string;
  readonly path: string;
  /** The repository that the notebook comes from; undefined when it comes from the workspace. */
  readonly git: string | undefined;
}

/** A task of a job that runs something else. */
export interface OtherTask {
  readonly taskKey: string;
  /** As settings call it: `spark_python_task`. */
  readonly kind: string;
  /** The Python file that it runs, where that is in the workspace. */
  readonly file: string | undefined;
}

/** Parameters as a run takes them. */
export interface RunParameters {
  readonly notebookParameters: Readonly<Record<string, string>>;
  readonly jobParameters: Readonly<Record<string, string>>;
}

export interface RunRequest extends RunParameters {
  readonly jobId: string;
  /** However often a request is sent with the same token, it starts one run. At most 64 characters. */
  readonly idempotencyToken: string;
  /** Whether the run waits for its turn when the job has as many runs as it may have; otherwise it is skipped. */
  readonly waitsForTurn: boolean;
}

const JOB_PAGE = {
  jobs: [{ job_id: 'id', creator_user_name: 'text', created_time: 'number', settings: { name: 'text' } }],
  next_page_token: 'text',
} as const;

const TASK = {
  task_key: 'text',
  notebook_task: { notebook_path: 'text', source: 'text' },
  spark_python_task: { python_file: 'text', source: 'text' },
} as const;

const GIT_SOURCE = { git_url: 'text', git_branch: 'text', git_tag: 'text', git_commit: 'text' } as const;

/** What is read of a job's settings, in an answer and in the file of a definition. */
export const SETTINGS = {
  name: 'text',
  // A task that runs another one for each of a list runs no such task in turn.
  tasks: [{ ...TASK, for_each_task: { task: TASK } }],
  parameters: [{ name: 'text' }],
  git_source: GIT_SOURCE,
} as const;

const SETTINGS_PAGE = { settings: SETTINGS, run_as_user_name: 'text', next_page_token: 'text' } as const;

type WireTask = Shaped<typeof TASK>;
type GitSource = Shaped<typeof GIT_SOURCE>;

/** All jobs that the token's user may see, or those of a name; to the service, upper and lower case are the same. */
export async function* listJobs(client: DatabricksClient, name?: string): AsyncGenerator<JobSummary> {
  const ask = (token: string | undefined) =>
    client.get(
      '/api/2.2/jobs/list',
      { limit: '100', name, page_token: token },
      { action: 'list the jobs', permission: "access to this workspace's jobs", shape: JOB_PAGE },
    );
  // A page may be empty and still not be the last.
  for await (const page of pagesOf('the jobs', ask, (page) => page.next_page_token)) {
    for (const job of page.jobs ?? []) {
      // What has no id can't be run.
      if (job.job_id === undefined || job.job_id === null) continue;
      yield {
        id: String(job.job_id),
        name: job.settings?.name ?? '',
        creator: job.creator_user_name ?? 'unknown',
        createdAt: job.created_time ?? 0,
      };
    }
  }
}

/** The lists that later pages go on with; they repeat all else. */
const PAGED_LISTS = new Set(['tasks', 'job_clusters', 'environments', 'parameters']);

/**
 * The settings of a job with all their lists, of which the service gives a hundred elements at once. Whom the job runs as
 * may be told beside them only, as a name that does not say what kind of identity it is.
 */
export async function getSettings(
  client: DatabricksClient,
  id: string,
): Promise<{ settings: JsonObject; runsAs: string | undefined }> {
  const settings: JsonObject = {};
  let runsAs: string | undefined;
  const ask = (token: string | undefined) =>
    client.get(
      '/api/2.2/jobs/get',
      { job_id: id, page_token: token },
      {
        action: `read job ${id}`,
        permission: "'Can View' on the job, if the job exists",
        shape: SETTINGS_PAGE,
      },
    );
  for await (const page of pagesOf(`the settings of job ${id}`, ask, (page) => page.next_page_token)) {
    for (const [name, value] of Object.entries((page.settings ?? {}) as JsonObject)) {
      const before = settings[name];
      const goesOn = PAGED_LISTS.has(name) && Array.isArray(before) && Array.isArray(value);
      settings[name] = goesOn ? [...before, ...value] : value;
    }
    runsAs = page.run_as_user_name ?? runsAs;
  }
  return { settings, runsAs };
}

/** What settings make of a job; they are as {@link SETTINGS} has it. */
export function readSettings(settings: JsonObject): Omit<Job, 'id'> {
  const { name, tasks, parameters, git_source } = settings as Shaped<typeof SETTINGS>;
  const runners = (tasks ?? []).map((task) => task.for_each_task?.task ?? task);
  return {
    name: name ?? '',
    notebooks: runners.flatMap((task) => notebookTasks(task, git_source)),
    otherTasks: runners.flatMap((task) => otherTasks(task, git_source)),
    parameters: (parameters ?? []).map((parameter) => parameter.name ?? ''),
  };
}

/** Creates a job and returns its id. Each request makes a job of its own, so none is repeated. */
export async function createJob(client: DatabricksClient, settings: JsonObject): Promise<string> {
  const { job_id: id } = await client.post('/api/2.2/jobs/create', settings, {
    action: `create job '${settings.name}'`,
    permission: 'permission to create jobs',
    shape: { job_id: 'id' } as const,
    // Its caller looks first whether the job is there, and has all the patience.
    retry: ONE_TRY,
  });
  if (id === undefined || id === null) {
    throw new TaskError(
      `Databricks did not say which id job '${settings.name}' has. Run the step again: if the job was created, it is found.`,
    );
  }
  return String(id);
}

/** Replaces settings of a job by their names, and removes others. */
export async function updateJob(
  client: DatabricksClient,
  id: string,
  changed: JsonObject,
  removed: readonly string[],
): Promise<void> {
  const body = {
    job_id: BigInt(id),
    new_settings: changed,
    ...(removed.length > 0 && { fields_to_remove: removed }),
  };
  await client.post('/api/2.2/jobs/update', body, {
    action: `update job ${id}`,
    permission: "'Can Manage' on the job",
    repeatable: true,
  });
}

function otherTasks(task: WireTask, git: GitSource | null | undefined): OtherTask[] {
  if (task.notebook_task) return [];
  const kind = Object.keys(task).find((name) => /^[a-z_]+_task$/.test(name)) ?? 'nothing that is known here';
  const file = task.spark_python_task?.python_file ?? undefined;
  const isInGit = (task.spark_python_task?.source ?? usualSource(git)) === 'GIT';
  return [{ taskKey: task.task_key ?? '', kind, file: isInGit ? undefined : file }];
}

function notebookTasks(task: WireTask, git: GitSource | null | undefined): NotebookTask[] {
  const path = task.notebook_task?.notebook_path ?? undefined;
  if (path === undefined) return [];
  const isInGit = (task.notebook_task?.source ?? usualSource(git)) === 'GIT';
  return [{ taskKey: task.task_key ?? '', path, git: isInGit ? describeGit(git) : undefined }];
}

/** Where a task's file is that does not say it. */
function usualSource(git: GitSource | null | undefined): string {
  return git ? 'GIT' : 'WORKSPACE';
}

function describeGit(git: GitSource | null | undefined): string {
  const reference = git?.git_branch ?? git?.git_tag ?? git?.git_commit;
  return `${git?.git_url ?? 'its git repository'}${reference ? ` at ${reference}` : ''}`;
}

/** Starts a run and returns its id. */
export async function runNow(
  client: DatabricksClient,
  request: RunRequest,
  limits: RequestLimits = {},
): Promise<string> {
  const body = {
    job_id: BigInt(request.jobId),
    idempotency_token: request.idempotencyToken,
    queue: { enabled: request.waitsForTurn },
    ...wireParameters(request),
  };
  const { run_id: runId } = await client.post('/api/2.2/jobs/run-now', body, {
    action: `start job ${request.jobId}`,
    permission: "'Can Manage Run' on the job",
    shape: { run_id: 'id' } as const,
    repeatable: true,
    ...limits,
  });
  if (runId === undefined || runId === null) {
    throw new TaskError(
      `Databricks did not say which run of job ${request.jobId} it started. See on the job's page whether one goes on, then run the step again.`,
    );
  }
  return String(runId);
}

/**
 * Starts a one-time run, which belongs to no job, and returns its id.
 *
 * @param settings as `runs/submit` takes them, with an `idempotency_token`
 */
export async function submitRun(
  client: DatabricksClient,
  settings: JsonObject,
  limits: RequestLimits = {},
): Promise<string> {
  const { run_id: runId } = await client.post('/api/2.2/jobs/runs/submit', settings, {
    action: 'start a one-time run',
    permission: "permission to use the job's compute, and to run as whom the job names",
    shape: { run_id: 'id' } as const,
    repeatable: true,
    ...limits,
  });
  if (runId === undefined || runId === null) {
    throw new TaskError(
      'Databricks did not say which one-time run it started. See under Job runs whether one goes on, then run the step again.',
    );
  }
  return String(runId);
}

/** The two kinds of parameters as the service takes them: one that is empty is left out. */
export function wireParameters({ notebookParameters, jobParameters }: RunParameters): object {
  const isGiven = (parameters: object) => Object.keys(parameters).length > 0;
  return {
    ...(isGiven(notebookParameters) && { notebook_params: notebookParameters }),
    ...(isGiven(jobParameters) && { job_parameters: jobParameters }),
  };
}
