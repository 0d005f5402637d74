import type { InputReader } from '../inputs';
import {
  type DatabricksConnection,
  readAzureConnection,
  readDatabricksConnection,
} from '../service-connection';
import { addressProblem, parseWorkspaceAddress, type WorkspaceAddress } from './address';
import type { Credential } from './auth';
import type { AccessNames } from './errors';

/** The ways into a workspace. */
export const AUTH_TYPES = [
  'token',
  'databricksConnection',
  'azureServiceConnection',
  'servicePrincipal',
  'federation',
] as const;
export type AuthType = (typeof AUTH_TYPES)[number];

/** Where the workspace is, and how the step proves who it is. */
export interface SignIn {
  readonly workspace: WorkspaceAddress;
  readonly credential: Credential;
  readonly access: AccessNames;
}

/** The variable by which Databricks' own clients are told the workspace's id in Azure. */
export const RESOURCE_ID_VARIABLE = 'DATABRICKS_AZURE_RESOURCE_ID';

const RESOURCE_ID =
  /^\/subscriptions\/[^/]+\/resourceGroups\/[^/]+\/providers\/Microsoft\.Databricks\/workspaces\/[^/]+$/i;

/**
 * Reads the inputs that an `authType` takes. Undefined after a mistake, which the reader then has.
 *
 * @param resourceId the value of {@link RESOURCE_ID_VARIABLE}, where the pipeline has such a variable
 */
export function readSignIn(inputs: InputReader, authType: AuthType, resourceId?: string): SignIn | undefined {
  if (authType === 'databricksConnection') return readOwnConnection(inputs);
  const workspace = readHost(inputs, `with authType '${authType}'`);
  const credential = readCredential(inputs, authType, resourceId);
  if (!workspace || !credential) return undefined;
  const access = { host: "input 'databricksHost'", token: tokenOf(authType, workspace.origin) };
  return { workspace, credential, access };
}

function readOwnConnection(inputs: InputReader): SignIn | undefined {
  const input = 'databricksConnection';
  const connection = readDatabricksConnection(inputs, input, `with authType '${input}'`);
  if (!connection) return undefined;
  const problem = addressProblem(connection.url);
  if (problem) {
    inputs.reject(input, `names a service connection whose address ${problem}`);
    return undefined;
  }
  const workspace = parseWorkspaceAddress(connection.url);
  const access = {
    host: `the address of the service connection of input '${input}'`,
    token: `the service connection of input '${input}' ${proofOf(connection)} ${workspace.origin}`,
  };
  const { id, credential } = connection;
  if (credential.kind !== 'federation') return { workspace, credential, access };
  return { workspace, credential: { ...credential, serviceConnectionId: id }, access };
}

function proofOf({ credential }: DatabricksConnection): string {
  return credential.kind === 'token' ? 'holds a token of' : 'names a service principal of';
}

function readHost(inputs: InputReader, why: string): WorkspaceAddress | undefined {
  const host = inputs.required('databricksHost', why);
  if (!host) return undefined;
  const problem = addressProblem(host);
  if (!problem) return parseWorkspaceAddress(host);
  inputs.reject('databricksHost', problem);
  return undefined;
}

function readCredential(
  inputs: InputReader,
  authType: Exclude<AuthType, 'databricksConnection'>,
  resourceId: string | undefined,
): Credential | undefined {
  const why = `with authType '${authType}'`;
  switch (authType) {
    case 'token': {
      const token = inputs.requiredSecret('databricksToken', why);
      return token ? { kind: 'token', token } : undefined;
    }
    case 'azureServiceConnection': {
      const connection = readAzureConnection(inputs, 'azureServiceConnection', why);
      if (resourceId !== undefined && !RESOURCE_ID.test(resourceId)) {
        inputs.reject(
          'azureServiceConnection',
          `goes with the variable ${RESOURCE_ID_VARIABLE}, but that is '${resourceId}', which is no id of a workspace in Azure. It ` +
            'is in the properties of the workspace in the Azure portal: /subscriptions/.../workspaces/name.',
        );
      }
      return connection && { kind: 'entra', connection, resourceId };
    }
    case 'servicePrincipal': {
      const clientId = inputs.required('clientId', why);
      const clientSecret = inputs.requiredSecret('clientSecret', why, clientId || undefined);
      return clientId && clientSecret ? { kind: 'servicePrincipal', clientId, clientSecret } : undefined;
    }
    case 'federation':
      return {
        kind: 'federation',
        clientId: inputs.optional('clientId'),
        serviceConnectionId: inputs.optional('azureServiceConnection'),
      };
  }
}

function tokenOf(authType: Exclude<AuthType, 'databricksConnection'>, origin: string): string {
  switch (authType) {
    case 'token':
      return `input 'databricksToken' holds a token of ${origin}`;
    case 'azureServiceConnection':
      return `the identity of the service connection of input 'azureServiceConnection' is a service principal of ${origin}`;
    case 'servicePrincipal':
    case 'federation':
      return `the service principal of input 'clientId' belongs to ${origin}`;
  }
}
