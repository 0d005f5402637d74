import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { copyFile, mkdir, mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { VariableGroups } from './agent/agent';
import { type Azurite, startAzurite } from './azurite';
import { startBlobGateway } from './blob-gateway';
import { startWorkspace, type Workspace } from './databricks/workspace';
import { type Identities, startIdentities } from './identities';
import { type KeyVault, startKeyVault } from './key-vault/key-vault';
import { type Registry, startRegistry } from './registry/registry';
import { type Stoppable, stopAll } from './stop';

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
  /** What the pipelines sign in with where they need no secret. */
  readonly identities: Identities;
  /** Holds the key with which they sign images. */
  readonly keyVault: KeyVault;
  /** The public key that belongs to it, PEM. */
  readonly imageKey: string;
  /** The groups `shared-variables` and `shared-secrets` as the pipelines want them. */
  readonly variableGroups: VariableGroups;
  stop(): Promise<void>;
}

/** Starts the stack. Everything but the images starts empty, on free ports, with passwords of its own. */
export async function startStack(options: StackOptions): Promise<Stack> {
  const started: Stoppable[] = [];
  const folder = await mkdtemp(join(tmpdir(), 'stack-'));
  const stop = async () => {
    await stopAll(started).finally(() => rm(folder, { recursive: true, force: true }));
  };
  try {
    const [signer, imageSigner] = [makeKey(), makeKey()];
    const acrName = 'localregistry';
    const acrPassword = randomBytes(16).toString('hex');
    const identities = await startIdentities();
    const { entra, pipelines, notebooks, tenantId } = identities;
    started.push(entra);
    const keyVault = await startKeyVault({
      keys: { images: { key: imageSigner.privateKey } },
      claims: entra.accessTokenClaims,
      mayUse: (application) => application === pipelines,
    });
    started.push(keyVault);
    const registry = await startRegistry({
      folder: options.registryFolder,
      username: acrName,
      password: acrPassword,
      identities: {
        tenantId,
        claims: entra.accessTokenClaims,
        rights: (application) => (application === pipelines ? ['pull', 'push'] : undefined),
      },
    });
    started.push(registry);
    const azurite = await startAzurite({ folder: join(folder, 'blobs') });
    started.push(azurite);
    const gateway = await startBlobGateway({
      storage: azurite,
      claims: entra.accessTokenClaims,
      rights: (application) =>
        application === notebooks.clientId ? 'write' : application === pipelines ? 'read' : undefined,
    });
    started.push(gateway);
    const blobStorage = { ...azurite, blobEndpoint: gateway.blobEndpoint };
    const token = randomBytes(16).toString('hex');
    const workspace = await startWorkspace({
      python: options.python,
      folder: join(folder, 'databricks'),
      token,
      isTokenValid: (candidate) => candidate === token || isForDatabricks(entra.accessTokenClaims(candidate)),
      secrets: { 'model-registry': { 'storage-key': azurite.key, 'signing-key': signer.privateKey } },
      credentials: {
        'model-registry': { ...notebooks, tokenUrl: `${entra.url}/${tenantId}/oauth2/v2.0/token` },
      },
    });
    started.push(workspace);
    await setUpModels(workspace, options.sources);

    return {
      blobStorage,
      workspace,
      registry,
      identities,
      keyVault,
      imageKey: imageSigner.publicKey,
      variableGroups: {
        'shared-variables': {
          'acr-name': acrName,
          'acr-login-server': registry.loginServer,
          'blob-endpoint': blobStorage.blobEndpoint,
          'databricks-host': workspace.url,
          // In one line, as a group of variables holds it.
          'model-signing-key': signer.publicKey.trim().replaceAll('\n', '\\n'),
          'model-signing-secret': 'signing-key',
          'image-signing-key': `${keyVault.url}/keys/images`,
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

function makeKey() {
  return generateKeyPairSync('ec', {
    namedCurve: 'P-256',
    privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
    publicKeyEncoding: { type: 'spki', format: 'pem' },
  });
}

/** The application that Azure Databricks is in Microsoft Entra. */
const DATABRICKS = '2ff814a6-3304-4ab8-85cb-cd0e6f879c1d';

function isForDatabricks(claims: { readonly aud: string } | undefined): boolean {
  return claims?.aud === DATABRICKS;
}

/** What a person does once for each model: upload its data set, and create the job that runs its notebook. */
async function setUpModels(workspace: Workspace, sources: string): Promise<void> {
  await mkdir(join(workspace.dbfs, 'datasets'), { recursive: true });
  for (const model of MODELS) {
    await copyFile(join(sources, 'data', `${model}.csv`), join(workspace.dbfs, 'datasets', `${model}.csv`));
    const job = join(sources, 'deploy', 'databricks', `train-${model}-model.json`);
    workspace.createJob(JSON.parse(await readFile(job, 'utf8')));
  }
}
