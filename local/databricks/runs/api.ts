import type { Api, ApiRequest } from '../api';
import { invalid } from '../errors';
import { flag, integer, list, object, optionalText } from '../fields';
import { readId } from '../ids';
import type { Jobs } from '../jobs/jobs';
import type { Json, JsonObject } from '../json';
import { pageFrom } from '../paging';
import { describeHead, describeRun, describeTask, type PageUrl } from './describe';
import type { RunEngine } from './engine';
import { isSuccess } from './outcome';
import { renderNotebookPage } from './page';
import { checkDeclared, readParameters } from './parameters';
import { isOver, latestAttempts, type Run, type TaskRun } from './run';
import { select } from './select';
import { settingsToRun } from './submit';

/** `runs/get-output` gives the first 5 MB of a notebook's exit value. */
const LONGEST_RESULT = 5 * 1024 * 1024;
const LONGEST_TOKEN = 64;

const PARAMETER_FIELDS = [
  'notebook_params',
  'python_params',
  'jar_params',
  'python_named_params',
  'sql_params',
];

/** The part of the Jobs API that is about runs. */
export class RunsApi {
  /** Idempotency tokens of all time: a token never starts a second run. */
  private readonly runsByToken = new Map<string, Run>();

  constructor(
    private readonly engine: RunEngine,
    private readonly jobs: Jobs,
    private readonly pageUrl: PageUrl,
    private readonly refusesUndeclared: boolean,
  ) {}

  get api(): Api {
    return {
      versions: ['2.0', '2.1', '2.2'],
      routes: {
        'POST /jobs/run-now': (request) => this.runNow(request),
        'POST /jobs/runs/submit': (request) => this.submit(request),
        'POST /jobs/runs/delete': ({ fields }) => this.delete(fields),
        'GET /jobs/runs/list': (request) => this.list(request),
        'GET /jobs/runs/get': (request) => this.get(request),
        'GET /jobs/runs/get-output': ({ fields }) => this.getOutput(fields),
        'GET /jobs/runs/export': ({ fields }) => this.export(fields),
        'POST /jobs/runs/cancel': ({ fields }) => this.cancel(fields),
        'POST /jobs/runs/cancel-all': ({ fields }) => this.cancelAll(fields),
        'POST /jobs/runs/repair': ({ fields }) => this.repair(fields),
      },
    };
  }

  private runNow({ fields, user }: ApiRequest): JsonObject {
    const job = this.jobs.find(readId(fields.job_id, 'job_id'));
    const parameters = readParameters(fields);
    if (this.refusesUndeclared) checkDeclared(parameters, job.settings.parameters);
    const only = list(fields, 'only').map(String);
    const selected = only.length > 0 ? select(job.settings.tasks, only) : undefined;
    const queue = object(fields, 'queue');
    const run = this.once(fields, () =>
      this.engine.start({
        job,
        type: 'JOB_RUN',
        creator: user,
        parameters,
        overriding: pick(fields, PARAMETER_FIELDS),
        only: selected,
        queue: queue ? flag(queue, 'enabled') : job.settings.queue,
      }),
    );
    return { run_id: run.id, number_in_job: run.id };
  }

  private submit({ fields, version, user }: ApiRequest): JsonObject {
    const run = this.once(fields, () =>
      this.engine.start({
        job: this.jobs.makeOnce(settingsToRun(fields, version), {
          queueByDefault: true,
          creator: user,
        }),
        type: 'SUBMIT_RUN',
        creator: user,
        parameters: { notebook: {}, job: {} },
        overriding: {},
        queue: true,
      }),
    );
    return { run_id: run.id };
  }

  /** Starts a run, unless its token has already started one. */
  private once(fields: JsonObject, start: () => Run): Run {
    const token = optionalText(fields, 'idempotency_token');
    if (!token) return start();
    if (token.length > LONGEST_TOKEN) {
      throw invalid(
        `The idempotency_token has ${token.length} characters; at most ${LONGEST_TOKEN} are allowed.`,
      );
    }
    const run = this.runsByToken.get(token) ?? start();
    this.runsByToken.set(token, run);
    if (!this.engine.has(run)) {
      throw invalid(`The run ${run.id} of the idempotency_token '${token}' has been deleted.`);
    }
    return run;
  }

  private delete(fields: JsonObject): JsonObject {
    this.engine.delete(this.find(fields.run_id).run);
    return {};
  }

  private list({ fields, version }: ApiRequest): JsonObject {
    const most = version === '2.0' ? 1000 : 25;
    const limit = integer(fields, 'limit', 20);
    if (limit < 1 || limit > most) throw invalid(`Limit must be between 1 and ${most}, but was ${limit}.`);
    const type = optionalText(fields, 'run_type');
    const jobId = fields.job_id === undefined ? undefined : readId(fields.job_id, 'job_id');
    const found = this.engine
      .list()
      .filter((run) => jobId === undefined || run.job.id === jobId)
      .filter((run) => !type || run.type === type)
      .filter((run) => !flag(fields, 'active_only') || !isOver(run))
      .filter((run) => !flag(fields, 'completed_only') || isOver(run));
    const page = pageFrom(found, limit, fields);
    return {
      ...(page.items.length > 0 && {
        runs: page.items.map((run) =>
          flag(fields, 'expand_tasks')
            ? describeRun(run, this.pageUrl, { version })
            : describeHead(run, this.pageUrl, version),
        ),
      }),
      ...(page.next && version !== '2.0' && { next_page_token: page.next }),
      ...(page.previous && version !== '2.0' && { prev_page_token: page.previous }),
      ...(version !== '2.2' && { has_more: page.next !== undefined }),
    };
  }

  private get({ fields, version }: ApiRequest): JsonObject {
    const { run, task } = this.find(fields.run_id);
    if (task) return { job_id: run.job.id, run_name: task.key, ...describeTask(task, run, this.pageUrl) };
    const pageToken = optionalText(fields, 'page_token');
    return describeRun(run, this.pageUrl, {
      version,
      ...(pageToken && { pageToken }),
      history: flag(fields, 'include_history'),
    });
  }

  private getOutput(fields: JsonObject): JsonObject {
    const { run, task } = this.findTask(fields.run_id);
    const { exitValue, error, errorTrace, other } = task.outcome?.output ?? {};
    const result = exitValue === undefined ? undefined : Buffer.from(exitValue);
    return {
      metadata: { job_id: run.job.id, run_name: run.settings.name, ...describeTask(task, run, this.pageUrl) },
      ...(task.outcome &&
        task.settings.json.notebook_task && {
          notebook_output: {
            ...(result && { result: result.subarray(0, LONGEST_RESULT).toString() }),
            truncated: (result?.length ?? 0) > LONGEST_RESULT,
          },
        }),
      error,
      error_trace: errorTrace,
      ...other,
    };
  }

  private export(fields: JsonObject): JsonObject {
    const { task } = this.findTask(fields.run_id);
    const path = task.settings.notebookPath;
    if (!path) throw invalid('Only runs of notebooks can be exported as HTML.');
    const name = path.slice(path.lastIndexOf('/') + 1);
    return {
      views: [{ name, type: 'NOTEBOOK', content: renderNotebookPage(name, task.outcome?.output ?? {}) }],
    };
  }

  private cancel(fields: JsonObject): undefined {
    const { run, task } = this.find(fields.run_id);
    this.engine.cancel(run, task);
  }

  /** Cancels the runs of a job; without one, all queued runs of the workspace. */
  private cancelAll(fields: JsonObject): undefined {
    const jobId = fields.job_id === undefined ? undefined : readId(fields.job_id, 'job_id');
    if (jobId === undefined && !flag(fields, 'all_queued_runs'))
      throw invalid('Missing required field: job_id');
    for (const run of this.engine.list().filter((candidate) => !isOver(candidate))) {
      if (jobId === undefined ? run.state === 'QUEUED' : run.job.id === jobId) this.engine.cancel(run);
    }
  }

  private repair(fields: JsonObject): JsonObject {
    const { run } = this.find(fields.run_id);
    const latest = run.repairs.at(-1);
    if (
      latest &&
      (fields.latest_repair_id === undefined ||
        readId(fields.latest_repair_id, 'latest_repair_id') !== latest.id)
    ) {
      throw invalid(`latest_repair_id must be ${latest.id}, the id of the run's latest repair.`);
    }
    const unsuccessful = latestAttempts(run).filter((task) => !isSuccess(task.outcome));
    const keys = flag(fields, 'rerun_all_failed_tasks')
      ? unsuccessful.map((task) => task.key)
      : list(fields, 'rerun_tasks').map(String);
    return { repair_id: this.engine.repair(run, new Set(keys)) };
  }

  /** The run, or the run of a task, with an id. */
  private find(value: Json | undefined): { run: Run; task?: TaskRun } {
    const id = readId(value, 'run_id');
    for (const run of this.engine.list()) {
      if (run.id === id) return { run };
      const task = run.tasks.find((candidate) => candidate.id === id);
      if (task) return { run, task };
    }
    throw invalid(`Run ${id} does not exist.`);
  }

  /** Output is a task's; a run of one task may stand for it. */
  private findTask(value: Json | undefined): { run: Run; task: TaskRun } {
    const { run, task } = this.find(value);
    if (task) return { run, task };
    const [only, ...others] = latestAttempts(run);
    if (only && others.length === 0) return { run, task: only };
    throw invalid(
      'Retrieving the output of runs with multiple tasks is not supported. Please retrieve the output of each individual task run instead.',
    );
  }
}

function pick(fields: JsonObject, names: readonly string[]): JsonObject {
  return Object.fromEntries(names.filter((name) => name in fields).map((name) => [name, fields[name]]));
}
