import { tokenProvider } from '../common/databricks/auth';
import { EntraTokens } from '../common/entra';
import { TaskError } from '../common/errors';
import type { TaskContext } from '../common/task';
import type { BlobInputs, SignIn } from './blob-inputs';
import { openCatalog } from './catalog/container';
import { saysNotFound } from './catalog/errors';
import type { RegisteredModel } from './catalog/model-path';
import { Models, type RegisteredVersion } from './catalog/models';
import type { VersionWish } from './catalog/version-wish';
import { Workspace } from './catalog/workspace';
import type { CatalogInputs } from './catalog-inputs';
import type { Inputs } from './inputs';
import { openContainer } from './registry/client';
import type { ModelContainer } from './registry/container';
import { type RegistryCredential, STORAGE_SCOPE } from './registry/credential';
import type { Connection } from './registry/persist';
import type { CatalogSource, ModelSource } from './registry/source';
import { type Catalog, chooseRegistered } from './version/choose-registered';
import { type ChosenVersion, chooseVersion } from './version/choose-version';
import { listVersion, type ModelVersion, selectVersion } from './version/version';

/** The version that a step asks for, and where its files come from. */
export interface Choice {
  readonly version: ChosenVersion;
  readonly source: ModelSource;
}

/** Whether a version seems to be in its place already, as far as what is there tells. */
export type IsHeld = (version: ModelVersion, source: ModelSource) => boolean;

/** A model's registry, whichever it is. Nothing is asked of it before a version is to be chosen. */
export interface Registry {
  /** Where it is, for people. */
  readonly address: string;
  readonly container: ModelContainer;
  choose(isHeld: IsHeld): Promise<Choice>;
}

export function openRegistry(inputs: Inputs, task: TaskContext, connection: Connection): Registry {
  const { registry } = inputs;
  return registry.kind === 'blob'
    ? openBlobRegistry(registry, inputs, task, connection)
    : openCatalogRegistry(registry, inputs, task, connection);
}

function openBlobRegistry(
  { account, endpoint, signIn }: BlobInputs,
  inputs: Inputs,
  task: TaskContext,
  connection: Connection,
): Registry {
  const container = openContainer({
    account,
    credential: credentialOf(signIn, task),
    endpoint,
    container: inputs.model,
    network: task.network,
  });
  const { host } = new URL(endpoint);
  const sourceOf = (prefix: string) => ({ account, container: inputs.model, prefix, endpoint: host });
  return {
    address: endpoint,
    container,
    choose: (isHeld) => chooseFolder(container, inputs, sourceOf, isHeld, connection),
  };
}

/** A token of Microsoft Entra lasts about an hour, and a download may take longer: it is asked for anew each time. */
function credentialOf(signIn: SignIn, task: TaskContext): RegistryCredential {
  if (signIn.kind !== 'entra') return signIn;
  const tokens = new EntraTokens(signIn.connection, task);
  return { kind: 'entra', input: signIn.input, token: (refused) => tokens.token(STORAGE_SCOPE, refused) };
}

function openCatalogRegistry(
  { signIn, path: model, wish }: CatalogInputs,
  inputs: Inputs,
  task: TaskContext,
  connection: Connection,
): Registry {
  const { workspace: address, credential, access } = signIn;
  const token = tokenProvider(credential, address, task);
  const workspace = new Workspace({ address, token, network: task.network });
  const names = { origin: address.origin, access };
  const { host } = new URL(address.origin);
  const container = openCatalog({
    workspace,
    names,
    model,
    connection,
    network: task.network,
    log: task.log,
  });
  if (model.kind === 'volume') {
    const sourceOf = (prefix: string) =>
      ({ registryType: 'volume', host, path: `${model.root}${prefix}` }) as const;
    const choose = (isHeld: IsHeld) => chooseFolder(container, inputs, sourceOf, isHeld, connection);
    return { address: address.origin, container, choose };
  }
  const catalog: Catalog = {
    models: new Models(workspace, model, connection),
    model,
    host,
    isNotFound: (error) => saysNotFound(error, names),
  };
  return {
    address: address.origin,
    container,
    choose: () => chooseModelVersion(catalog, container, wish!, inputs, connection),
  };
}

/** Versions that are folders, and nothing else. */
async function chooseFolder(
  container: ModelContainer,
  inputs: Inputs,
  sourceOf: (prefix: string) => ModelSource,
  isHeld: IsHeld,
  connection: Connection,
): Promise<Choice> {
  const wish = {
    ...inputs,
    isHeld: (version: ModelVersion) => isHeld(version, sourceOf(version.prefix)),
  };
  const version = await chooseVersion(container, wish, connection);
  return { version, source: sourceOf(version.prefix) };
}

/** Versions that Unity Catalog keeps a book of: whether one is complete, it says itself. */
async function chooseModelVersion(
  catalog: Catalog,
  container: ModelContainer,
  wish: VersionWish,
  inputs: Inputs,
  connection: Connection,
): Promise<Choice> {
  const { version, why } = await chooseRegistered(catalog, wish, connection);
  const name = String(version.number);
  const listing = await listVersion(container, name, inputs, 'none', connection);
  if (listing.files.length === 0) {
    throw new TaskError(
      `Version ${name} of model '${catalog.model.name}' is registered, but holds no files in '${catalog.model.root}${name}'. Register the model again; or check that what you sign in as has ${catalog.model.permission}.`,
    );
  }
  return {
    version: { ...selectVersion(name, listing, inputs), why },
    source: sourceOf(version, catalog.model, catalog.host),
  };
}

function sourceOf(version: RegisteredVersion, model: RegisteredModel, host: string): CatalogSource {
  const { id, runId, runWorkspaceId, createdAt } = version;
  return {
    registryType: 'unityCatalog',
    host,
    model: model.name,
    versionId: id,
    runId,
    runWorkspaceId,
    createdAt,
  };
}
