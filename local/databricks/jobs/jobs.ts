import type { Clock } from '../clock';
import { invalid } from '../errors';
import { flag, integer, list, object, optionalText } from '../fields';
import { newId, readId } from '../ids';
import type { Json, JsonObject } from '../json';
import { firstToken, pageOf } from '../paging';
import type { Api, ApiRequest } from '../server';
import type { Scenario } from './scenario';
import { type JobSettings, readSettings } from './settings';

/** Who owns everything in this workspace. */
export const USER = 'data.scientist@example.com';

/** Databricks gives at most so many elements of an array of a job or run at once. */
export const LONGEST_ARRAY = 100;

export interface Job {
  readonly id: bigint;
  readonly created: number;
  settings: JobSettings;
  /** What runs do instead of running their notebooks. */
  readonly scenario?: Scenario;
}

/** The jobs of a workspace. */
export class Jobs {
  private readonly jobs = new Map<bigint, Job>();

  /**
   * @param emptyPages whether lists begin with a page that is empty and yet not the last
   * @param scenario of jobs that are given none
   */
  constructor(
    private readonly clock: Clock,
    private readonly emptyPages = false,
    private readonly scenario?: Scenario,
  ) {}

  create(settings: JsonObject, options: { queueByDefault: boolean; scenario?: Scenario }): Job {
    const scenario = options.scenario ?? this.scenario;
    const job: Job = {
      id: newId(),
      created: this.clock.now(),
      settings: readSettings(settings, options.queueByDefault),
      ...(scenario && { scenario }),
    };
    this.jobs.set(job.id, job);
    return job;
  }

  find(id: bigint): Job {
    const job = this.jobs.get(id);
    // Real workspaces answer 400 here, not 404.
    if (!job) throw invalid(`Job ${id} does not exist.`);
    return job;
  }

  get api(): Api {
    return {
      versions: ['2.1', '2.2'],
      routes: {
        'POST /jobs/create': ({ fields, version }) => ({
          job_id: this.create(fields, { queueByDefault: version === '2.2' }).id,
        }),
        'GET /jobs/list': (request) => this.list(request),
        'GET /jobs/get': ({ fields }) => this.get(fields),
        'POST /jobs/update': ({ fields }) => this.update(fields),
        'POST /jobs/reset': ({ fields }) => this.reset(fields),
        'POST /jobs/delete': ({ fields }) => this.delete(fields),
      },
    };
  }

  private list({ fields, version }: ApiRequest): JsonObject {
    const limit = integer(fields, 'limit', 20);
    if (limit < 1 || limit > 100) throw invalid(`Limit must be between 1 and 100, but was ${limit}.`);
    const name = optionalText(fields, 'name')?.toLowerCase();
    const newestFirst = [...this.jobs.values()].reverse();
    const found = newestFirst.filter((job) => name === undefined || job.settings.name.toLowerCase() === name);
    const token = optionalText(fields, 'page_token');
    if (this.emptyPages && !token) return { next_page_token: firstToken() };
    const page = pageOf(found, limit, token);
    const jobs = page.items.map((job) =>
      describe(job, flag(fields, 'expand_tasks') ? {} : { tasks: undefined }),
    );
    return {
      ...(jobs.length > 0 && { jobs }),
      ...(page.next && { next_page_token: page.next }),
      ...(page.previous && { prev_page_token: page.previous }),
      ...(version === '2.1' && { has_more: page.next !== undefined }),
    };
  }

  private get(fields: JsonObject): JsonObject {
    const job = this.find(readId(fields.job_id, 'job_id'));
    const token = optionalText(fields, 'page_token');
    const tasks = pageOf(list(job.settings.json, 'tasks'), LONGEST_ARRAY, token);
    const parameters = pageOf(list(job.settings.json, 'parameters'), LONGEST_ARRAY, token);
    const next = tasks.next ?? parameters.next;
    return {
      ...describe(job, {
        tasks: tasks.items,
        ...(job.settings.json.parameters && { parameters: parameters.items }),
      }),
      ...(next && { next_page_token: next }),
    };
  }

  private update(fields: JsonObject): undefined {
    const job = this.find(readId(fields.job_id, 'job_id'));
    const changes = object(fields, 'new_settings') ?? {};
    const merged = { ...job.settings.json, ...changes };
    merged.tasks = mergeTasks(list(job.settings.json, 'tasks'), list(changes, 'tasks'));
    for (const name of list(fields, 'fields_to_remove')) delete merged[String(name)];
    job.settings = readSettings(merged, job.settings.queue);
  }

  private reset(fields: JsonObject): undefined {
    const job = this.find(readId(fields.job_id, 'job_id'));
    job.settings = readSettings(object(fields, 'new_settings') ?? {}, job.settings.queue);
  }

  private delete(fields: JsonObject): JsonObject {
    this.jobs.delete(this.find(readId(fields.job_id, 'job_id')).id);
    return {};
  }
}

/** Tasks are replaced one by one, by key; what an update does not name stays. */
function mergeTasks(tasks: readonly Json[], changed: readonly Json[]): Json[] {
  const keyOf = (task: Json) => (task as JsonObject).task_key;
  const kept = tasks.filter((task) => !changed.some((other) => keyOf(other) === keyOf(task)));
  return [...kept, ...changed];
}

function describe(job: Job, changed: JsonObject): JsonObject {
  return {
    job_id: job.id,
    creator_user_name: USER,
    run_as_user_name: USER,
    created_time: job.created,
    settings: { ...job.settings.json, ...changed },
  };
}
