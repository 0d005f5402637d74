import { TaskError } from '../../common/errors';
import type { DatabricksClient, RequestLimits } from './client';

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

export interface RunRequest {
  readonly jobId: string;
  readonly notebookParameters: Readonly<Record<string, string>>;
  readonly jobParameters: Readonly<Record<string, string>>;
  /** However often a request is sent with the same token, it starts one run. At most 64 characters. */
  readonly idempotencyToken: string;
}

interface WireJobSummary {
  job_id: string | number;
  creator_user_name?: string;
  created_time?: number;
  settings?: { name?: string };
}

interface WireTask {
  task_key?: string;
  notebook_task?: { notebook_path?: string; source?: string };
  for_each_task?: { task?: WireTask };
}

interface WireJob extends WireJobSummary {
  settings?: {
    name?: string;
    tasks?: WireTask[];
    parameters?: { name: string }[];
    git_source?: { git_url?: string; git_branch?: string; git_tag?: string; git_commit?: string };
  };
  next_page_token?: string;
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

/** A job with all its tasks and parameters, which come in pages of a hundred. */
export async function getJob(client: DatabricksClient, id: string): Promise<Job> {
  const notebooks: NotebookTask[] = [];
  const parameters = new Set<string>();
  let pageToken: string | undefined;
  let settings: WireJob['settings'];
  do {
    const page = await client.get<WireJob>(
      '/api/2.2/jobs/get',
      { job_id: id, page_token: pageToken },
      { action: `read job ${id}`, permission: "'Can View' on the job, if the job exists" },
    );
    settings = page.settings ?? {};
    for (const task of settings.tasks ?? []) notebooks.push(...notebookTasks(task, settings.git_source));
    for (const { name } of settings.parameters ?? []) parameters.add(name);
    pageToken = page.next_page_token || undefined;
  } while (pageToken);
  return { id, name: settings.name ?? '', notebooks, parameters: [...parameters] };
}

type GitSource = NonNullable<WireJob['settings']>['git_source'];

function notebookTasks(task: WireTask, git: GitSource): NotebookTask[] {
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
  const isGiven = (parameters: object) => Object.keys(parameters).length > 0;
  const body = {
    job_id: BigInt(request.jobId),
    idempotency_token: request.idempotencyToken,
    ...(isGiven(request.notebookParameters) && { notebook_params: request.notebookParameters }),
    ...(isGiven(request.jobParameters) && { job_parameters: request.jobParameters }),
  };
  const { run_id: runId } = await client.post<{ run_id?: string | number }>('/api/2.2/jobs/run-now', body, {
    action: `start job ${request.jobId}`,
    permission: "'Can Manage Run' on the job",
    repeatable: true,
    ...limits,
  });
  if (runId === undefined)
    throw new TaskError(`Databricks did not say which run of job ${request.jobId} it started.`);
  return String(runId);
}
