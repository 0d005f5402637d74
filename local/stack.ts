import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { copyFile, mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { VariableGroups } from './agent/agent';
import { type Azurite, startAzurite } from './azurite';
import { startWorkspace, type Workspace } from './databricks/workspace';
import { type Registry, startRegistry } from './registry/registry';

/** The models whose pipelines, notebooks and data sets travel with this repository. */
export const MODELS = ['titanic', 'batcomputer'] as const;

export interface StackOptions {
  /** The repository: its data sets are put where the notebooks look for them. */
  readonly sources: string;
  /** A Python with the packages of local/requirements.txt. */
  readonly python: string;
  /** Keeps the registry's images from one start to the next. */
  readonly registryFolder: string;
  /** Of the models to train and to build. */
  readonly version: string;
}

/** Blob storage, a Databricks workspace and a container registry on loopback, set up as docs/set-up.md tells a person. */
export interface Stack {
  readonly blobStorage: Azurite;
  readonly workspace: Workspace;
  readonly registry: Registry;
  /** The groups `shared-variables` and `shared-secrets` as the pipelines want them. */
  readonly variableGroups: VariableGroups;
  stop(): Promise<void>;
}

/** Starts the stack. Everything but the images starts empty, on free ports, with passwords of its own. */
export async function startStack(options: StackOptions): Promise<Stack> {
  const started: { stop(): Promise<void> }[] = [];
  const folder = await mkdtemp(join(tmpdir(), 'stack-'));
  const stop = async () => {
    await Promise.all(started.map((part) => part.stop()));
    await rm(folder, { recursive: true, force: true });
  };
  try {
    const signer = generateKeyPairSync('ec', {
      namedCurve: 'P-256',
      privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
      publicKeyEncoding: { type: 'spki', format: 'pem' },
    });
    const acrName = 'localregistry';
    const acrPassword = randomBytes(16).toString('hex');
    const registry = await startRegistry({
      folder: options.registryFolder,
      username: acrName,
      password: acrPassword,
    });
    started.push(registry);
    const blobStorage = await startAzurite({ folder: join(folder, 'blobs') });
    started.push(blobStorage);
    const workspace = await startWorkspace({
      python: options.python,
      folder: join(folder, 'databricks'),
      secrets: { 'model-registry': { 'storage-key': blobStorage.key, 'signing-key': signer.privateKey } },
    });
    started.push(workspace);
    await setUpModels(workspace, options.sources);

    return {
      blobStorage,
      workspace,
      registry,
      variableGroups: {
        'shared-variables': {
          'acr-name': acrName,
          'acr-login-server': registry.loginServer,
          'blob-endpoint': blobStorage.blobEndpoint,
          'databricks-host': workspace.url,
          // In one line, as a group of variables holds it.
          'model-signing-key': signer.publicKey.trim().replaceAll('\n', '\\n'),
          'model-signing-secret': 'signing-key',
          'storage-account': blobStorage.account,
          version: options.version,
          // Where the deployments serve, which this machine does not ask for.
          'resource-group': 'local',
          location: 'local',
          'container-apps-environment': 'local',
          'serving-identity': 'local',
        },
        'shared-secrets': {
          'acr-password': { value: acrPassword, isSecret: true },
          'databricks-token': { value: workspace.token, isSecret: true },
          'storage-key': { value: blobStorage.key, isSecret: true },
        },
      },
      stop,
    };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** What a person does once for each model: upload its data set, and create the job that runs its notebook. */
async function setUpModels(workspace: Workspace, sources: string): Promise<void> {
  await mkdir(join(workspace.dbfs, 'datasets'), { recursive: true });
  for (const model of MODELS) {
    await copyFile(join(sources, 'data', `${model}.csv`), join(workspace.dbfs, 'datasets', `${model}.csv`));
    workspace.createJob({
      name: `train-${model}-model`,
      tasks: [
        {
          task_key: 'train',
          notebook_task: {
            notebook_path: `/Shared/live/scikit-${model}`,
            // Databricks puts the run in, for the model's record of how it came to be.
            base_parameters: {
              run_id: '{{job.run_id}}',
              run_url: '{{workspace.url}}/jobs/{{job.id}}/runs/{{job.run_id}}',
            },
          },
        },
      ],
    });
  }
}
