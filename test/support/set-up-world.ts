import { randomBytes, randomUUID } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import type { AzProgram } from '../../local/azure/program';
import { type JsonObject, parseJson } from '../../local/databricks/json';
import { startWorkspace, type Workspace, type WorkspaceOptions } from '../../local/databricks/workspace';
import { type Finished, run } from '../../local/processes';
import { root } from '../../scripts/paths';
import { type AzureAccount, startAccount } from './azure-devops/az';
import { type AzureDevOps, startAzureDevOps } from './azure-devops/organization';
import type { OrganizationOptions } from './azure-devops/resources';

const DATABRICKS = '2ff814a6-3304-4ab8-85cb-cd0e6f879c1d';
const AZURE_DEVOPS = '499b84ac-1321-427f-aa17-267ca6975798';
const PROVIDERS = '/subscriptions/sub/resourceGroups/models/providers';

export interface WorldOptions {
  readonly workspace?: Partial<WorkspaceOptions>;
  readonly organization?: Partial<OrganizationOptions>;
  readonly outputs?: Record<string, string>;
}

/** One request that changes something, in whichever service. */
export interface Change {
  readonly service: 'databricks' | 'azure-devops';
  readonly line: string;
}

/** What `deploy/set-up` talks to: a subscription, a Databricks workspace and an organization of Azure DevOps. */
export interface World {
  readonly account: AzureAccount;
  readonly workspace: Workspace;
  readonly devOps: AzureDevOps;
  readonly clientId: string;
  /** The folder in which programs keep their state. */
  readonly state: string;
  /** The tokens that nobody must see. */
  readonly secrets: readonly string[];
  setUp(...options: string[]): Promise<Finished>;
  /** The requests so far that were to change something. */
  changes(): Change[];
  /** Asks the workspace as whoever set it up does. */
  ask(path: string): Promise<JsonObject>;
  stop(): Promise<void>;
}

export async function startWorld(options: WorldOptions = {}): Promise<World> {
  const folder = mkdtempSync(join(tmpdir(), 'set-up-'));
  const clientId = randomUUID();
  const secrets = [`dose${randomBytes(20).toString('hex')}`, `lamp${randomBytes(20).toString('hex')}`];
  const workspace = await startWorkspace({ folder, token: secrets[0]!, ...options.workspace });
  const devOps = await startAzureDevOps(
    {
      tenantId: 'tenant',
      project: 'models',
      repositories: { models: { defaultBranch: 'refs/heads/main' }, empty: {} },
      marketplace: ['model-pipelines.model-pipeline-tasks'],
      ...options.organization,
    },
    (token) => token === secrets[1],
  );
  const account: AzureAccount = {
    outputs: {
      acrName: 'modelsregistry',
      databricksHost: workspace.url,
      storageAccount: 'modelsstorage',
      servingIdentityId: `${PROVIDERS}/Microsoft.ManagedIdentity/userAssignedIdentities/models-serving`,
      pipelinesClientId: clientId,
      accessConnectorId: `${PROVIDERS}/Microsoft.Databricks/accessConnectors/models-notebooks`,
      environmentName: 'models-environment',
      vaultName: '',
      ...options.outputs,
    },
    clientId,
    credentials: [],
    roles: [],
    tokens: { [DATABRICKS]: secrets[0]!, [AZURE_DEVOPS]: secrets[1]! },
    commands: [],
  };
  const az: AzProgram = await startAccount(account);
  const env = {
    ...process.env,
    PATH: `${az.folder}${delimiter}${process.env.PATH}`,
    XDG_STATE_HOME: join(folder, 'state'),
    PYTHONDONTWRITEBYTECODE: '1',
    no_proxy: '127.0.0.1',
  };
  const isChange = ({ method }: { method: string }) => method !== 'GET' && method !== 'HEAD';
  return {
    account,
    workspace,
    devOps,
    clientId,
    state: join(folder, 'state'),
    secrets,
    setUp: (...args) =>
      run(
        'python3',
        [
          join(root, 'deploy/set-up'),
          '--organization',
          devOps.url,
          '--project',
          'models',
          '--patience',
          '5',
          ...args,
        ],
        { env },
      ),
    changes: () => [
      ...workspace.requests
        .filter(isChange)
        .map(({ method, path }) => ({ service: 'databricks' as const, line: `${method} ${path}` })),
      ...devOps.requests
        .filter(isChange)
        .map(({ method, path }) => ({ service: 'azure-devops' as const, line: `${method} ${path}` })),
    ],
    ask: async (path) => {
      const answer = await fetch(workspace.url + path, {
        headers: { Authorization: `Bearer ${secrets[0]}` },
      });
      return parseJson(await answer.text()) as JsonObject;
    },
    stop: async () => {
      await Promise.all([workspace.stop(), devOps.stop(), az.stop()]);
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
