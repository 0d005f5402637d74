import type { Api, ApiRequest } from '../api';
import type { Clock } from '../clock';
import { invalid } from '../errors';
import { flag, integer, list, object, optionalText } from '../fields';
import { newId, readId } from '../ids';
import type { JsonObject } from '../json';
import { firstToken, pageFrom, pageOf } from '../paging';
import type { Permissions } from '../permissions';
import type { Scenario } from './scenario';
import { type JobSettings, readSettings } from './settings';
import { asSingleTask, asTasks, withoutTaskMembers } from './single-task';
import { change } from './update';

/** Databricks gives at most so many elements of an array of a job or run at once. */
export const LONGEST_ARRAY = 100;

export interface Job {
  readonly id: bigint;
  readonly created: number;
  readonly creator: string;
  settings: JobSettings;
  /** Whether it was made by version 2.0 of the API, whose jobs have one task and no name for it. */
  isSingleTask: boolean;
  /** What runs do instead of running their notebooks. */
  readonly scenario?: Scenario;
}

export interface JobsOptions {
  readonly clock: Clock;
  readonly permissions: Permissions;
  /** Whether lists begin with a page that is empty and yet not the last. */
  readonly emptyPages: boolean;
  /** Of jobs that are given none. */
  readonly scenario?: Scenario | undefined;
}

interface CreateOptions {
  readonly queueByDefault: boolean;
  readonly creator: string;
  readonly scenario?: Scenario | undefined;
}

/** The jobs of a workspace. */
export class Jobs {
  private readonly jobs = new Map<bigint, Job>();

  constructor(private readonly options: JobsOptions) {}

  create(sent: JsonObject, options: CreateOptions): Job {
    const job = this.makeOnce(sent, options);
    const allowed = list(sent, 'access_control_list');
    this.options.permissions.begin('jobs', String(job.id), job.creator, allowed);
    this.jobs.set(job.id, job);
    return job;
  }

  /** A job for one run, which no list shows. */
  makeOnce(sent: JsonObject, { queueByDefault, creator, scenario }: CreateOptions): Job {
    const { settings, isSingle } = asTasks(sent);
    const plays = scenario ?? this.options.scenario;
    return {
      id: newId(),
      created: this.options.clock.now(),
      creator,
      settings: readSettings(settings, queueByDefault),
      isSingleTask: isSingle,
      ...(plays && { scenario: plays }),
    };
  }

  find(id: bigint): Job {
    const job = this.jobs.get(id);
    // Real workspaces answer 400 here, not 404.
    if (!job) throw invalid(`Job ${id} does not exist.`);
    return job;
  }

  has(id: bigint): boolean {
    return this.jobs.has(id);
  }

  get api(): Api {
    return {
      versions: ['2.0', '2.1', '2.2'],
      routes: {
        'POST /jobs/create': ({ fields, version, user }) => ({
          job_id: this.create(version === '2.0' ? fields : withoutTaskMembers(fields), {
            queueByDefault: version === '2.2',
            creator: user,
          }).id,
        }),
        'GET /jobs/list': (request) => this.list(request),
        'GET /jobs/get': (request) => this.get(request),
        'POST /jobs/update': (request) => this.update(request),
        'POST /jobs/reset': (request) => this.reset(request),
        'POST /jobs/delete': ({ fields }) => this.delete(fields),
      },
    };
  }

  private list({ fields, version }: ApiRequest): JsonObject {
    const newestFirst = [...this.jobs.values()].reverse();
    if (version === '2.0') {
      return newestFirst.length > 0 ? { jobs: newestFirst.map((job) => describe(job, version)) } : {};
    }
    const limit = integer(fields, 'limit', 20);
    if (limit < 1 || limit > 100) throw invalid(`Limit must be between 1 and 100, but was ${limit}.`);
    const name = optionalText(fields, 'name')?.toLowerCase();
    const found = newestFirst.filter((job) => name === undefined || job.settings.name.toLowerCase() === name);
    const token = optionalText(fields, 'page_token');
    if (this.options.emptyPages && !token) return { next_page_token: firstToken() };
    const page = pageFrom(found, limit, fields);
    const jobs = page.items.map((job) =>
      describe(job, version, flag(fields, 'expand_tasks') ? {} : { tasks: undefined }),
    );
    return {
      ...(jobs.length > 0 && { jobs }),
      ...(page.next && { next_page_token: page.next }),
      ...(page.previous && { prev_page_token: page.previous }),
      ...(version === '2.1' && { has_more: page.next !== undefined }),
    };
  }

  private get({ fields, version }: ApiRequest): JsonObject {
    const job = this.find(readId(fields.job_id, 'job_id'));
    if (version === '2.0') return describe(job, version);
    const token = optionalText(fields, 'page_token');
    const tasks = pageOf(list(job.settings.json, 'tasks'), LONGEST_ARRAY, token);
    const parameters = pageOf(list(job.settings.json, 'parameters'), LONGEST_ARRAY, token);
    const next = tasks.next ?? parameters.next;
    return {
      ...describe(job, version, {
        ...(job.settings.json.tasks && { tasks: tasks.items }),
        ...(job.settings.json.parameters && { parameters: parameters.items }),
      }),
      ...(next && { next_page_token: next }),
    };
  }

  private update({ fields, version }: ApiRequest): undefined {
    const job = this.find(readId(fields.job_id, 'job_id'));
    const sent = object(fields, 'new_settings') ?? {};
    const toRemove = list(fields, 'fields_to_remove');
    if (version === '2.0' && job.isSingleTask) {
      this.replace(job, change(asSingleTask(job.settings.json), sent, toRemove));
      return;
    }
    const { isSingleTask } = job;
    const changes = version === '2.0' ? sent : withoutTaskMembers(sent);
    this.replace(job, change(job.settings.json, changes, toRemove));
    job.isSingleTask = isSingleTask && !changes.tasks;
  }

  private reset({ fields, version }: ApiRequest): undefined {
    const job = this.find(readId(fields.job_id, 'job_id'));
    const sent = object(fields, 'new_settings') ?? {};
    // Left out, the identity of the runs stays: the one setting that a reset keeps.
    const { run_as } = job.settings.json;
    this.replace(job, {
      ...(run_as && { run_as }),
      ...(version === '2.0' ? sent : withoutTaskMembers(sent)),
    });
  }

  private replace(job: Job, sent: JsonObject): void {
    const { settings, isSingle } = asTasks(sent);
    job.settings = readSettings(settings, job.settings.queue);
    job.isSingleTask = isSingle;
  }

  private delete(fields: JsonObject): JsonObject {
    this.jobs.delete(this.find(readId(fields.job_id, 'job_id')).id);
    return {};
  }
}

function describe(job: Job, version: string, changed: JsonObject = {}): JsonObject {
  const { json } = job.settings;
  const runAs = Object.values(object(json, 'run_as') ?? {})[0] ?? job.creator;
  const isFlat = version === '2.0' && job.isSingleTask;
  return {
    job_id: job.id,
    creator_user_name: job.creator,
    run_as_user_name: runAs,
    created_time: job.created,
    settings: isFlat ? asSingleTask(json) : { ...json, ...changed },
  };
}
