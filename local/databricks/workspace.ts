import { randomBytes } from 'node:crypto';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { stopAll } from '../stop';
import { SignIn, type SignInOptions } from './access';
import { CloudStorage } from './catalog/cloud-storage';
import { FilesApi } from './catalog/files-api';
import { mlflowApi, modelsApi } from './catalog/models-api';
import { Securables } from './catalog/securables';
import { CatalogStore } from './catalog/store';
import { type Clock, systemClock } from './clock';
import { dbfsApi } from './dbfs';
import { WorkspaceFiles } from './files/tree';
import { Jobs } from './jobs/jobs';
import type { Scenario } from './jobs/scenario';
import type { JsonObject } from './json';
import { Permissions } from './permissions';
import { ClusterPolicies } from './policies';
import { RunsApi } from './runs/api';
import type { PageUrl } from './runs/describe';
import { RunEngine, type Timing } from './runs/engine';
import { notebookWork } from './runs/notebook';
import { scenarioWork } from './runs/scenario';
import { Scim } from './scim';
import { Secrets, type SecretValues, type ServiceCredentials } from './secrets';
import { type Fault, type RecordedRequest, startServer } from './server';

/** Who asks with the workspace's own token, and made what no request made. */
const USER = 'data.scientist@example.com';

const WORKSPACE_ID = '4081234567890123';

/** Long enough to be seen by a client that polls, short enough not to be waited for. */
const DEFAULT_TIMING: Timing = { pending: 200, terminating: 100, cancel: 100 };

export interface WorkspaceOptions {
  /** Holds the DBFS root, and the working folders of notebooks while they run. All else lives in memory. */
  readonly folder: string;
  /** The Python that runs notebooks; not needed where every job has a scenario. */
  readonly python?: string;
  /** The access token that is accepted; one is made up when there is none. */
  readonly token?: string;
  /** Decides about tokens, where one that stays valid is not enough. */
  readonly isTokenValid?: (token: string) => boolean;
  /** Who may sign in besides, and gets tokens that expire. */
  readonly signIn?: SignInOptions;
  /** Whether an expired token is called that; otherwise (default) it is refused like any wrong one. */
  readonly namesExpiredTokens?: boolean;
  /** The account of a unified host: it signs in, and every request must name the workspace. */
  readonly unifiedAccountId?: string;
  readonly secrets?: SecretValues;
  /** The service credentials that notebooks may use. */
  readonly credentials?: ServiceCredentials;
  /** Takes what notebooks print, line by line. */
  readonly log?: (line: string) => void;
  readonly clock?: Clock;
  readonly timing?: Partial<Timing>;
  /** What a run whose task failed looks like: INTERNAL_ERROR on serverless compute (default), else TERMINATED. */
  readonly compute?: 'serverless' | 'classic';
  /** Lists of jobs begin with a page that is empty but names another, as the service's may. */
  readonly emptyPages?: boolean;
  /** What the runs of jobs do that requests create; without it they run their notebooks. */
  readonly scenario?: Scenario;
  /** What happens to parameters that a job does not declare is not documented: they are taken (default) or refused. */
  readonly refusesUndeclaredParameters?: boolean;
  /** How repairs number attempts is not documented: they count on (default) or anew. */
  readonly repairsCountAnew?: boolean;
  /** Whether a metastore of Unity Catalog is assigned to it; it is, by default. */
  readonly hasMetastore?: boolean;
  /** How much Unity Catalog puts on a page, where that is less than its own limits. */
  readonly catalogPages?: { readonly versions?: number; readonly entries?: number };
  /** The form of `run_page_url`: today's (default), or the one with `#job/`, which the service still gives out. */
  readonly pageUrls?: 'modern' | 'legacy';
}

/** A Databricks workspace on loopback: its REST API, and jobs that really run their notebooks. */
export interface Workspace {
  readonly url: string;
  /** Its id, as requests to a unified host name it. */
  readonly id: string;
  readonly token: string;
  /** The folder that notebooks see as /dbfs. */
  readonly dbfs: string;
  /** Every request so far, with the status of its answer. */
  readonly requests: readonly RecordedRequest[];
  /** The models of Unity Catalog, and the files in its volumes. */
  readonly catalog: CatalogStore;
  /** Where those files lie, for whoever has a link. */
  readonly storage: CloudStorage;
  /** Whether there are links to it. */
  givesLinks: boolean;
  /** Creates a job as version 2.2 of the API does, and returns its id. With a scenario, it runs that, not notebooks. */
  createJob(settings: JsonObject, scenario?: Scenario): string;
  /** From now on asks this about each request first: what it returns happens instead of the answer. */
  intercept(decide: (request: RecordedRequest) => Fault | undefined): void;
  /** Stops serving and ends every run; resolves when nothing is left running. */
  stop(): Promise<void>;
}

export async function startWorkspace(options: WorkspaceOptions): Promise<Workspace> {
  const clock = options.clock ?? systemClock;
  const token = options.token ?? `dapi${randomBytes(16).toString('hex')}`;
  const dbfs = join(options.folder, 'dbfs');
  await mkdir(dbfs, { recursive: true });

  const files = new WorkspaceFiles(clock);
  const secrets = new Secrets(options.secrets ?? {});
  const scim = new Scim();
  const policies = new ClusterPolicies(() => clock.now());
  const permissions: Permissions = new Permissions((kind, id) => {
    switch (kind) {
      case 'jobs':
        return /^\d+$/.test(id) && jobs.has(BigInt(id));
      case 'cluster-policies':
        return policies.has(id);
      default:
        return files.has(kind === 'directories' ? 'DIRECTORY' : 'NOTEBOOK', id);
    }
  });
  const jobs = new Jobs({
    clock,
    permissions,
    emptyPages: options.emptyPages ?? false,
    scenario: options.scenario,
  });
  const runNotebook = notebookWork({
    python: options.python,
    dbfs,
    folder: join(options.folder, 'runs'),
    files,
    secrets,
    credentials: options.credentials ?? {},
    log: options.log ?? (() => {}),
  });
  const runScenario = scenarioWork(clock);
  const engine = new RunEngine({
    clock,
    timing: { ...DEFAULT_TIMING, ...options.timing },
    compute: options.compute ?? 'serverless',
    repairsCountAnew: options.repairsCountAnew ?? false,
    workspace: () => ({ id: WORKSPACE_ID, url: server.url }),
    work: (task, run, signal) => (run.job.scenario ? runScenario : runNotebook)(task, run, signal),
  });

  let intercept: (request: RecordedRequest) => Fault | undefined = () => undefined;
  const pageUrl: PageUrl = (run, task) => {
    const id = (task ?? run).id;
    return options.pageUrls === 'legacy'
      ? `${server.url}/?o=${WORKSPACE_ID}#job/${run.job.id}/run/${id}`
      : `${server.url}/jobs/${run.job.id}/runs/${id}?o=${WORKSPACE_ID}`;
  };
  const catalog = new CatalogStore(clock);
  const storage = new CloudStorage(catalog);
  const securables = new Securables(catalog, {
    workspaceId: WORKSPACE_ID,
    hasMetastore: options.hasMetastore ?? true,
    knows: (principal) => !isApplicationId(principal) || scim.knows(principal),
    now: () => clock.now(),
  });
  await storage.start();
  let givesLinks = true;
  const { entries, versions } = options.catalogPages ?? {};
  const catalogPages = {
    emptyPages: options.emptyPages ?? false,
    ...(versions !== undefined && { versionsPage: versions }),
  };
  const signIn = new SignIn(options.signIn ?? { servicePrincipals: [] }, clock);
  const runs = new RunsApi(engine, jobs, pageUrl, options.refusesUndeclaredParameters ?? false);
  const server = await startServer({
    apis: [
      files.api,
      jobs.api,
      runs.api,
      permissions.api,
      secrets.api,
      dbfsApi(dbfs),
      scim.api,
      policies.api,
      securables.api,
      modelsApi(catalog, catalogPages),
      mlflowApi(catalog),
    ],
    files: new FilesApi(catalog, storage, securables, { entriesPage: entries, givesLinks: () => givesLinks }),
    host: { workspaceId: WORKSPACE_ID, unifiedAccountId: options.unifiedAccountId },
    judgeToken: (candidate) =>
      (options.isTokenValid?.(candidate) ?? candidate === token)
        ? { state: 'valid', user: USER }
        : signIn.judge(candidate),
    namesExpiredTokens: options.namesExpiredTokens ?? false,
    signIn,
    intercept: (request) => intercept(request),
  });

  return {
    url: server.url,
    id: WORKSPACE_ID,
    token,
    dbfs,
    requests: server.requests,
    catalog,
    storage,
    get givesLinks() {
      return givesLinks;
    },
    set givesLinks(gives) {
      givesLinks = gives;
    },
    createJob: (settings, scenario) =>
      String(jobs.create(settings, { queueByDefault: true, creator: USER, scenario }).id),
    intercept(decide) {
      intercept = decide;
    },
    stop: () => stopAll([server, storage, engine]),
  };
}

/** Service principals go by the GUIDs of their applications, people by their addresses. */
function isApplicationId(principal: string): boolean {
  return /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i.test(principal);
}
