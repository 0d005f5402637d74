import type { DatabricksClient, RequestLimits } from '../../common/databricks/client';
import type { JsonObject, WireId } from '../../common/databricks/json';
import { TaskError } from '../../common/errors';
import { ONE_TRY } from '../../common/retry';

/** A job as `jobs/list` shows it. Names are not unique. */
export interface JobSummary {
  readonly id: string;
  readonly name: string;
  readonly creator: string;
  /** Milliseconds since 1970. */
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

interface WireJobSummary {
  job_id: WireId;
  creator_user_name?: string;
  created_time?: number;
  settings?: { name?: string };
}

interface WireTask {
  task_key?: string;
  notebook_task?: { notebook_path?: string; source?: string };
  spark_python_task?: { python_file?: string; source?: string };
  for_each_task?: { task?: WireTask };
}

interface WireSettings {
  name?: string;
  tasks?: WireTask[];
  parameters?: { name: string }[];
  git_source?: GitSource;
}

interface GitSource {
  git_url?: string;
  git_branch?: string;
  git_tag?: string;
  git_commit?: string;
}

/** All jobs that the token's user may see, or those of a name, upper and lower case being one to the service. */
export async function* listJobs(client: DatabricksClient, name?: string): AsyncGenerator<JobSummary> {
  let pageToken: string | undefined;
  do {
    const query = { limit: '100', name, page_token: pageToken };
    // A page may be empty and still not be the last.
    const page = await client.get<{ jobs?: WireJobSummary[]; next_page_token?: string }>(
      '/api/2.2/jobs/list',
      query,
      { action: 'list the jobs', permission: "access to this workspace's jobs" },
    );
    for (const job of page.jobs ?? []) {
      yield {
        id: String(job.job_id),
        name: job.settings?.name ?? '',
        creator: job.creator_user_name ?? 'unknown',
        createdAt: job.created_time ?? 0,
      };
    }
    pageToken = page.next_page_token || undefined;
  } while (pageToken);
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
  let pageToken: string | undefined;
  do {
    const page = await client.get<{
      settings?: JsonObject;
      run_as_user_name?: string;
      next_page_token?: string;
    }>(
      '/api/2.2/jobs/get',
      { job_id: id, page_token: pageToken },
      { action: `read job ${id}`, permission: "'Can View' on the job, if the job exists" },
    );
    for (const [name, value] of Object.entries(page.settings ?? {})) {
      const before = settings[name];
      const goesOn = PAGED_LISTS.has(name) && Array.isArray(before) && Array.isArray(value);
      settings[name] = goesOn ? [...before, ...value] : value;
    }
    runsAs = page.run_as_user_name ?? runsAs;
    pageToken = page.next_page_token || undefined;
  } while (pageToken);
  return { settings, runsAs };
}

/** What settings make of a job. */
export function readSettings(settings: JsonObject): Omit<Job, 'id'> {
  const { name, tasks, parameters, git_source } = settings as WireSettings;
  return {
    name: name ?? '',
    notebooks: (tasks ?? []).flatMap((task) => notebookTasks(task, git_source)),
    otherTasks: (tasks ?? []).flatMap((task) => otherTasks(task, git_source)),
    parameters: (parameters ?? []).map((parameter) => parameter.name),
  };
}

/** Creates a job and returns its id. Each request makes a job of its own, so none is repeated. */
export async function createJob(client: DatabricksClient, settings: JsonObject): Promise<string> {
  const { job_id: id } = await client.post<{ job_id?: WireId }>('/api/2.2/jobs/create', settings, {
    action: `create job '${settings.name}'`,
    permission: 'permission to create jobs',
    // Its caller looks first whether the job is there, and has all the patience.
    retry: ONE_TRY,
  });
  if (id === undefined) throw new TaskError(`Databricks did not say which id job '${settings.name}' has.`);
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

function otherTasks(task: WireTask, git: GitSource | undefined): OtherTask[] {
  if (task.for_each_task?.task) return otherTasks(task.for_each_task.task, git);
  if (task.notebook_task) return [];
  const kind = Object.keys(task).find((name) => /^[a-z_]+_task$/.test(name)) ?? 'nothing that is known here';
  const { python_file, source = git ? 'GIT' : 'WORKSPACE' } = task.spark_python_task ?? {};
  return [{ taskKey: task.task_key ?? '', kind, file: source === 'GIT' ? undefined : python_file }];
}

function notebookTasks(task: WireTask, git: GitSource | undefined): NotebookTask[] {
  if (task.for_each_task?.task) return notebookTasks(task.for_each_task.task, git);
  const { notebook_path: path, source = git ? 'GIT' : 'WORKSPACE' } = task.notebook_task ?? {};
  if (path === undefined) return [];
  return [{ taskKey: task.task_key ?? '', path, git: source === 'GIT' ? describeGit(git) : undefined }];
}

function describeGit(git: GitSource = {}): string {
  const reference = git.git_branch ?? git.git_tag ?? git.git_commit;
  return `${git.git_url ?? 'its git repository'}${reference ? ` at ${reference}` : ''}`;
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
  const { run_id: runId } = await client.post<{ run_id?: WireId }>('/api/2.2/jobs/run-now', body, {
    action: `start job ${request.jobId}`,
    permission: "'Can Manage Run' on the job",
    repeatable: true,
    ...limits,
  });
  if (runId === undefined)
    throw new TaskError(`Databricks did not say which run of job ${request.jobId} it started.`);
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
