import type { ServiceConnection } from './agent';
import type { InputReader } from './inputs';

/** A service connection to Azure: whom to sign in as, where, and by what proof. Addresses have no slash at the end. */
export interface AzureServiceConnection {
  /** The input that names it. */
  readonly input: string;
  readonly id: string;
  readonly tenantId: string;
  /** Of the application or managed identity; empty for a machine's only identity. */
  readonly clientId: string;
  readonly subscriptionId: string | undefined;
  /** `AzureCloud`, `AzureUSGovernment`, `AzureChinaCloud`, or the name of another. */
  readonly cloud: string;
  /** Where to sign in, such as `https://login.microsoftonline.com`. */
  readonly authorityUrl: string;
  /** Such as `https://management.azure.com`. */
  readonly resourceManagerUrl: string;
  readonly credential: AzureCredential;
}

export type AzureCredential =
  | { readonly kind: 'secret'; readonly secret: string }
  /** A certificate and its private key. */
  | { readonly kind: 'certificate'; readonly pem: string }
  /** Azure DevOps vouches for the connection. */
  | { readonly kind: 'federation' }
  /** Azure vouches for the agent's machine. */
  | { readonly kind: 'managedIdentity' };

/** A connection of the type that this extension brings: a workspace's address, and one of three ways to sign in there. */
export interface DatabricksConnection {
  readonly id: string;
  readonly url: string;
  readonly credential:
    | { readonly kind: 'token'; readonly token: string }
    | { readonly kind: 'servicePrincipal'; readonly clientId: string; readonly clientSecret: string }
    /** Azure DevOps vouches for the connection; without an application where the policy is one of the account. */
    | { readonly kind: 'federation'; readonly clientId: string | undefined };
}

/** A connection to a container registry: a user and password, or, to one in Azure, an identity there. */
export type RegistryConnection =
  | { readonly registry: string; readonly username: string; readonly password: string }
  | { readonly registry: string; readonly azure: AzureServiceConnection };

const CLOUDS: Readonly<Record<string, { authority: string; resourceManager: string }>> = {
  AzureCloud: {
    authority: 'https://login.microsoftonline.com',
    resourceManager: 'https://management.azure.com',
  },
  AzureUSGovernment: {
    authority: 'https://login.microsoftonline.us',
    resourceManager: 'https://management.usgovcloudapi.net',
  },
  AzureChinaCloud: {
    authority: 'https://login.chinacloudapi.cn',
    resourceManager: 'https://management.chinacloudapi.cn',
  },
};

/** The connection to Azure that an input names; undefined after a mistake, which the reader then has. */
export function readAzureConnection(
  inputs: InputReader,
  input: string,
  why = '',
): AzureServiceConnection | undefined {
  const connection = inputs.connection(input, why);
  return connection && toAzure(inputs, input, connection);
}

/** The connection to Databricks, of this extension's own type, that an input names. */
export function readDatabricksConnection(
  inputs: InputReader,
  input: string,
  why = '',
): DatabricksConnection | undefined {
  const connection = inputs.connection(input, why);
  if (!connection) return undefined;
  const { id, url } = connection;
  const credential = toDatabricksCredential(connection);
  if (credential && url) return { id, url, credential };
  inputs.reject(
    input,
    'names a service connection that lacks an address, or a way to sign in to Databricks. Edit the connection, which must be of type Databricks workspace.',
  );
  return undefined;
}

function toDatabricksCredential({
  scheme,
  parameters,
}: ServiceConnection): DatabricksConnection['credential'] | undefined {
  const { apitoken: token, username: clientId, password: clientSecret, clientid } = parameters;
  switch (scheme.toLowerCase()) {
    case 'token':
      return token ? { kind: 'token', token } : undefined;
    case 'usernamepassword':
      return clientId && clientSecret ? { kind: 'servicePrincipal', clientId, clientSecret } : undefined;
    case 'none':
      return { kind: 'federation', clientId: clientid || undefined };
    default:
      return undefined;
  }
}

/** The Docker Registry connection that an input names. */
export function readRegistryConnection(
  inputs: InputReader,
  input: string,
  why = '',
): RegistryConnection | undefined {
  const connection = inputs.connection(input, why);
  if (!connection) return undefined;
  const { parameters } = connection;
  if (connection.data('registrytype') === 'ACR') {
    const azure = toAzure(inputs, input, connection);
    const registry = parameters.loginserver?.toLowerCase() ?? '';
    if (azure?.credential.kind !== 'secret') return azure && { registry, azure };
    // A registry takes an application's id and secret for a user and password.
    return { registry, username: azure.clientId, password: azure.credential.secret };
  }
  const { registry, username, password } = parameters;
  if (registry && username && password) return { registry, username, password };
  inputs.reject(
    input,
    'names a service connection without a registry, user or password. Edit the connection, which must be of type Docker Registry.',
  );
  return undefined;
}

function toAzure(
  inputs: InputReader,
  input: string,
  connection: ServiceConnection,
): AzureServiceConnection | undefined {
  const { id, parameters } = connection;
  const cloud = connection.data('environment') ?? 'AzureCloud';
  const reject = (problem: string) => inputs.reject(input, `names a service connection ${problem}`);

  const credential = toCredential(connection);
  if (!credential) {
    const scheme = connection.scheme || 'none';
    reject(
      `that signs in by '${scheme}'. Use one of type Azure Resource Manager that signs in by workload identity federation, a secret, a certificate, or a managed identity.`,
    );
    return undefined;
  }
  const authorityUrl = authorityOf(connection, cloud);
  if (!authorityUrl) {
    reject(`to the cloud '${cloud}'. Use one to ${Object.keys(CLOUDS).join(', ')}.`);
    return undefined;
  }
  const isMachine = credential.kind === 'managedIdentity';
  const clientId = (isMachine ? connection.data('msiclientId') : parameters.serviceprincipalid) ?? '';
  const { tenantid: tenantId = '' } = parameters;
  if (!isMachine && !(tenantId && clientId)) {
    reject('that lacks a tenant or an application. Edit the connection, or make a new one.');
    return undefined;
  }
  return {
    input,
    id,
    tenantId,
    clientId,
    subscriptionId: connection.data('subscriptionid'),
    cloud,
    authorityUrl,
    resourceManagerUrl: withoutSlash(connection.url) || (CLOUDS[cloud]?.resourceManager ?? ''),
    credential,
  };
}

function toCredential({ scheme, parameters }: ServiceConnection): AzureCredential | undefined {
  switch (scheme.toLowerCase()) {
    case 'workloadidentityfederation':
      return { kind: 'federation' };
    case 'managedserviceidentity':
      return { kind: 'managedIdentity' };
    case 'serviceprincipal': {
      const { serviceprincipalcertificate: pem, serviceprincipalkey: secret } = parameters;
      if (parameters.authenticationtype?.toLowerCase() === 'spncertificate') {
        return pem ? { kind: 'certificate', pem } : undefined;
      }
      return secret ? { kind: 'secret', secret } : undefined;
    }
    default:
      return undefined;
  }
}

/** Connections may still hold Azure's login host of old, which has no tokens of today's kind. */
function authorityOf(connection: ServiceConnection, cloud: string): string | undefined {
  const own = connection.data('activeDirectoryAuthority') ?? connection.data('environmentAuthorityUrl');
  return own && !own.includes('//login.windows.net') ? withoutSlash(own) : CLOUDS[cloud]?.authority;
}

function withoutSlash(url: string): string {
  return url.replace(/\/+$/, '');
}
