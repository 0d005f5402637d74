import type { InputReader } from '../common/inputs';
import type { Logger } from '../common/log';
import { type AzureServiceConnection, readAzureConnection } from '../common/service-connection';
import type { TaskContext } from '../common/task';
import { looksLikeConnectionString, parseConnectionString } from './registry/connection-string';
import { parseSharedAccessSignature, type RegistryCredential, secretsOf } from './registry/credential';

/** By what the registry is opened: a secret that is one in itself, or a connection that can ask for one. */
export type SignIn =
  | Exclude<RegistryCredential, { kind: 'entra' }>
  | { readonly kind: 'entra'; readonly input: string; readonly connection: AzureServiceConnection };

/** Which storage account, and how it is opened. */
export interface BlobInputs {
  readonly kind: 'blob';
  readonly account: string;
  /** The account's Blob endpoint, without a slash at its end. */
  readonly endpoint: string;
  readonly signIn: SignIn;
}

const AUTH_TYPES = [
  'accountKey',
  'sasToken',
  'connectionString',
  'azureServiceConnection',
  'anonymous',
] as const;

/** What hosts of storage accounts end with, by the names that service connections have for clouds. */
const STORAGE_HOSTS: Readonly<Record<string, string>> = {
  AzureCloud: 'core.windows.net',
  AzureUSGovernment: 'core.usgovcloudapi.net',
  AzureChinaCloud: 'core.chinacloudapi.cn',
};

/** Reads the inputs of the group Registry. Mistakes are with the reader, and what comes back then is of no use. */
export function readBlobInputs({ inputs, log }: TaskContext): BlobInputs {
  const authType = inputs.choice('authType', AUTH_TYPES, 'accountKey');
  if (authType === 'connectionString') return readFromConnectionString(inputs, log);

  const account = readAccount(inputs);
  const why = `'authType' is ${authType}`;
  let signIn: SignIn;
  let suffix = STORAGE_HOSTS.AzureCloud!;
  if (authType === 'accountKey') {
    signIn = { kind: 'accountKey', input: 'storageKey', key: readKey(inputs, why) };
  } else if (authType === 'anonymous') {
    signIn = { kind: 'anonymous', input: 'authType' };
  } else if (authType === 'sasToken') {
    signIn = readSharedAccessSignature(inputs, log, 'sasToken', inputs.requiredSecret('sasToken', why));
  } else {
    const connection = readAzureConnection(inputs, 'azureServiceConnection', why);
    signIn = { kind: 'entra', input: 'azureServiceConnection', connection: connection! };
    suffix = STORAGE_HOSTS[connection?.cloud ?? ''] ?? suffix;
  }
  const endpoint = readEndpoint(inputs, account, log) ?? `https://${account}.blob.${suffix}`;
  if (signIn.kind === 'entra') refusePlainHttp(inputs, endpoint);
  return { kind: 'blob', account, endpoint, signIn };
}

function readFromConnectionString(inputs: InputReader, log: Logger): BlobInputs {
  const input = 'connectionString';
  const text = inputs.requiredSecret(input, "'authType' is connectionString");
  const parsed = parseConnectionString(text);
  const nothing: SignIn = { kind: 'accountKey', input, key: '' };
  if (!parsed) {
    if (text) {
      inputs.reject(
        input,
        'is not the connection string of a storage account. Copy one from Access keys of the account; it begins with DefaultEndpointsProtocol= or BlobEndpoint=.',
      );
    }
    return { kind: 'blob', account: '', endpoint: '', signIn: nothing };
  }
  const { account, key, sharedAccessSignature } = parsed;
  const named = inputs.optional('storageAccount');
  if (named && named !== account) {
    inputs.reject(
      'storageAccount',
      `is '${named}', but 'connectionString' is for '${account}'. Leave it out.`,
    );
  }
  const endpoint =
    readEndpoint(inputs, account, log) ?? checkEndpoint(inputs, input, parsed.endpoint, account, log);
  if (key) {
    log.maskSecret(key);
    return {
      kind: 'blob',
      account,
      endpoint,
      signIn: { kind: 'accountKey', input, key: checkKey(inputs, input, key) },
    };
  }
  if (!sharedAccessSignature) {
    inputs.reject(
      input,
      'holds neither AccountKey nor SharedAccessSignature. Copy the whole string from Access keys of the storage account.',
    );
    return { kind: 'blob', account, endpoint, signIn: nothing };
  }
  return {
    kind: 'blob',
    account,
    endpoint,
    signIn: readSharedAccessSignature(inputs, log, input, sharedAccessSignature),
  };
}

function readAccount(inputs: InputReader): string {
  const account = inputs.required('storageAccount');
  if (account && !/^[a-z0-9]{3,24}$/.test(account)) {
    inputs.reject(
      'storageAccount',
      `is '${account}', but a storage account's name is 3 to 24 lower-case letters and digits. Give the name alone; an address goes into 'blobEndpoint'.`,
    );
  }
  return account;
}

function readKey(inputs: InputReader, why: string): string {
  return checkKey(inputs, 'storageKey', inputs.requiredSecret('storageKey', why));
}

function checkKey(inputs: InputReader, input: string, key: string): string {
  if (input === 'storageKey' && looksLikeConnectionString(key)) {
    inputs.reject(
      input,
      "is not an account key, but a connection string. Put it into 'connectionString', and set 'authType' to connectionString.",
    );
  } else if (key && !/^[A-Za-z0-9+/]+={0,2}$/.test(key)) {
    const what = input === 'storageKey' ? 'is not' : 'does not hold';
    inputs.reject(
      input,
      `${what} an account key, which is one line of Base64. Copy one from Access keys of the storage account; for a connection string or a SAS token choose another 'authType'.`,
    );
  }
  return key;
}

function readSharedAccessSignature(inputs: InputReader, log: Logger, input: string, text: string): SignIn {
  const nothing: SignIn = { kind: 'sas', input, token: '', starts: undefined, expires: undefined };
  if (!text) return nothing;
  if (/^https?:/i.test(text)) {
    inputs.reject(input, 'is an address. Give only what follows the question mark in it.');
    return nothing;
  }
  if (input === 'sasToken' && looksLikeConnectionString(text)) {
    inputs.reject(
      input,
      "is a connection string. Put it into 'connectionString', and set 'authType' to connectionString.",
    );
    return nothing;
  }
  const signature = parseSharedAccessSignature(text, input);
  if ('fault' in signature) {
    inputs.reject(input, `holds a shared access signature that ${signature.fault}.`);
    return nothing;
  }
  for (const secret of secretsOf(signature)) log.maskSecret(secret);
  return signature;
}

function readEndpoint(inputs: InputReader, account: string, log: Logger): string | undefined {
  const text = inputs.optional('blobEndpoint');
  return text === undefined ? undefined : checkEndpoint(inputs, 'blobEndpoint', text, account, log);
}

/** @param text an address, in an input or in a connection string that is one */
function checkEndpoint(
  inputs: InputReader,
  input: string,
  text: string,
  account: string,
  log: Logger,
): string {
  const fault = faultOfEndpoint(text, account);
  if (fault !== undefined)
    inputs.reject(input, input === 'blobEndpoint' ? fault : `holds a BlobEndpoint that ${fault}`);
  else if (/^https?:\/\/[^./]+-secondary\./i.test(text)) {
    const what = input === 'blobEndpoint' ? `'${input}' is` : `'${input}' leads to`;
    log.warning(
      `${what} the account's secondary endpoint: versions come there some minutes after they were published, and one that is on its way may look complete. Take the primary one where you can.`,
    );
  }
  return text.replace(/\/+$/, '');
}

/** Endpoints of an account besides that of its Blob service, by the part of the host that tells them. */
const OTHER_ENDPOINTS: Readonly<Record<string, string>> = {
  dfs: 'the Data Lake endpoint of the account. Give its Blob endpoint, which has the same data',
  file: 'the endpoint of the account for file shares. Give its Blob endpoint',
  queue: 'the endpoint of the account for queues. Give its Blob endpoint',
  table: 'the endpoint of the account for tables. Give its Blob endpoint',
  web: "the address of the account's static website. Give its Blob endpoint",
};

/** Why an address is not that of a Blob service, going on from what holds it; undefined where it may be. */
function faultOfEndpoint(text: string, account: string): string | undefined {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (!url || !/^https?:$/.test(url.protocol) || !url.hostname) {
    return `is '${text}', but must be an address such as https://${account || 'account'}.blob.core.windows.net.`;
  }
  const { protocol, hostname, origin, pathname, search, hash, username, password } = url;
  if (search || hash || username || password) {
    return "holds more than an address. Leave out the query, and any user or password; a SAS token goes into 'sasToken'.";
  }
  const [, service = ''] = /\.(dfs|file|queue|table|web)\.(core|storage)\./.exec(hostname) ?? [];
  const other = OTHER_ENDPOINTS[service];
  if (other) {
    const host = hostname.replace(/(\.z\d+)?\.web\.core\./, '.blob.core.').replace(`.${service}.`, '.blob.');
    return `is '${text}', ${other}: ${protocol}//${host}.`;
  }
  if (/\.privatelink\./.test(hostname)) {
    return `is '${text}', a name that is for DNS alone and that no certificate is for. Give ${protocol}//${hostname.replace('.privatelink.', '.')}, which leads to the private endpoint inside its network.`;
  }
  if (/\.blob\.(core|storage)\./.test(hostname) && pathname !== '/') {
    return `is '${text}', which goes on after the account's address. Give ${origin}; the container goes into 'modelName', and folders above the versions into 'pathPrefix'.`;
  }
  return undefined;
}

/** Whoever sees an access token can use it, unlike the signature of an account key. */
function refusePlainHttp(inputs: InputReader, endpoint: string): void {
  const url = URL.canParse(endpoint) ? new URL(endpoint) : undefined;
  if (url?.protocol !== 'http:' || /^(localhost|127(\.\d+){3}|\[::1\])$/.test(url.hostname)) return;
  inputs.reject(
    'blobEndpoint',
    'begins with http://, over which the access token of a service connection would go in the clear. Begin it with https://.',
  );
}
