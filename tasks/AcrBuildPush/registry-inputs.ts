import type { InputReader } from '../common/inputs';
import { type RegistryConnection, readAzureConnection } from '../common/service-connection';
import type { Identity } from './registry/credentials';
import {
  acrNameProblem,
  loginServerOf,
  loginServerProblem,
  normalizeLoginServer,
  registryNameOf,
  repositoryProblem,
} from './registry/names';

/* The inputs that say where the image goes, and as whom the step goes there. */

export const AUTH_TYPES = ['adminPassword', 'azureServiceConnection', 'dockerRegistryConnection'] as const;
type AuthType = (typeof AUTH_TYPES)[number];

/** The registry, by its address, its name, or the connection to it. */
export function readServer(
  inputs: InputReader,
  connection: RegistryConnection | undefined,
): { loginServer: string; registryName: string | undefined } {
  const acrName = inputs.optional('acrName');
  const connected = connection && normalizeLoginServer(connection.registry);
  const loginServer = readLoginServer(inputs, acrName, inputs.optional('loginServer'), connected);
  if (connected && loginServer && connected !== loginServer) {
    inputs.reject(
      'dockerRegistryConnection',
      `names a connection to ${connected}, but the image goes to ${loginServer}. Use a connection to that registry, or leave 'acrName' and 'loginServer' empty.`,
    );
  }
  const registryName = registryNameOf(loginServer) ?? (acrName && registryNameOf(loginServerOf(acrName)));
  return { loginServer, registryName };
}

/** Whether the registry is given by its name, whose address may have a hash that only Azure knows. */
export function isNameAlone(inputs: InputReader): boolean {
  const acrName = inputs.optional('acrName');
  return acrName !== undefined && !/[.:-]/.test(acrName) && !inputs.optional('loginServer');
}

function readLoginServer(
  inputs: InputReader,
  acrName: string | undefined,
  override: string | undefined,
  connected: string | undefined,
): string {
  if (override) {
    const loginServer = normalizeLoginServer(override);
    const problem = loginServerProblem(loginServer);
    if (problem) inputs.reject('loginServer', problem);
    return loginServer;
  }
  if (acrName) {
    const problem = acrNameProblem(acrName);
    if (problem) inputs.reject('acrName', problem);
    return loginServerOf(acrName);
  }
  if (!connected) {
    // One of the two that holds a variable which is not there is not missing.
    const isKnown = ['acrName', 'loginServer', 'dockerRegistryConnection'].some((name) =>
      inputs.isWrong(name),
    );
    if (!isKnown)
      inputs.reject(
        'acrName',
        "is missing. Give the registry's name, or its address in input 'loginServer'.",
      );
    return '';
  }
  const problem = loginServerProblem(connected);
  if (problem) inputs.reject('dockerRegistryConnection', `names a connection whose registry ${problem}`);
  return connected;
}

interface Sender {
  readonly authType: AuthType;
  readonly loginServer: string;
  readonly registryName: string | undefined;
  readonly push: boolean;
  readonly connection: RegistryConnection | undefined;
}

/** As whom the step works in the registry. */
export function readIdentity(inputs: InputReader, sender: Sender): Identity | undefined {
  switch (sender.authType) {
    case 'adminPassword':
      return readAdmin(inputs, sender);
    case 'azureServiceConnection': {
      const connection = readAzureConnection(inputs, 'azureServiceConnection', "'authType' asks for it");
      return connection && { kind: 'azure', connection };
    }
    case 'dockerRegistryConnection': {
      const { connection } = sender;
      if (!connection) return undefined;
      if ('azure' in connection) return { kind: 'azure', connection: connection.azure };
      const { username, password } = connection;
      return { kind: 'password', username, password, input: 'dockerRegistryConnection' };
    }
  }
}

/** Without a push, credentials serve only for base images in the registry, and may be left out. */
function readAdmin(inputs: InputReader, { loginServer, registryName, push }: Sender): Identity | undefined {
  const username = inputs.optional('acrUsername') ?? registryName;
  const password = push
    ? inputs.requiredSecret('acrPassword', 'needed to push', username)
    : inputs.optionalSecret('acrPassword', username);
  if (!password) return undefined;
  if (!username && loginServer && !loginServerProblem(loginServer)) {
    inputs.reject('acrUsername', `is missing. Give the user of ${loginServer}, which is not in Azure.`);
  }
  return { kind: 'password', username: username ?? '', password, input: 'acrPassword' };
}

/** The repository in lower case, as registries want it. */
export function readRepository(inputs: InputReader, loginServer: string): string {
  const repository = inputs.required('repository').toLowerCase();
  const problem = repository && repositoryProblem(repository, loginServer);
  if (problem) inputs.reject('repository', problem);
  return repository;
}
