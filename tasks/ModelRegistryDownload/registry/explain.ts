import { explainNoAnswer } from '../../common/connection';
import { TaskError } from '../../common/errors';
import { bound } from '../../common/foreign-text';
import { formatDuration } from '../../common/text';
import type { RegistryCredential, SharedAccessSignature } from './credential';
import {
  AlteredError,
  BrokenAnswerError,
  isPage,
  isThrottled,
  isTransient,
  PageError,
  RestError,
  reason,
} from './errors';

/** Where the registry is, as far as messages need to say. */
export interface RegistryAddress {
  readonly account: string;
  /** Host, and port where there is one, of the account's Blob endpoint. */
  readonly host: string;
  readonly container: string;
  readonly signIn: RegistryCredential;
}

/**
 * What an error of the service or of the connection to it means for the reader, and what to do about it. Other errors
 * come back as they are.
 */
export function explainRegistryError(error: unknown, address: RegistryAddress): unknown {
  if (!(error instanceof Error)) return error;
  if (error instanceof BrokenAnswerError) return new TaskError(noAnswer(address, error), { cause: error });
  if (error instanceof AlteredError) return new TaskError(altered(address, error), { cause: error });
  if (error instanceof PageError) return new TaskError(webPage(address), { cause: error });
  if (!(error instanceof RestError)) return error;
  const explain = isThrottled(error) ? EXPLANATIONS.get('ServerBusy') : explanationOf(error.code ?? '');
  const message = explain?.(address, error) ?? unknownAnswer(address, error);
  return new TaskError(message, { cause: error, details: [requestDetail(error)] });
}

function altered({ host }: RegistryAddress, { blob, how }: AlteredError): string {
  return `What ${host} sends of '${blob}' is not what the registry holds: ${how}. Something on the way, such as a CDN that unzips or keeps copies, or a proxy that scans, makes it another. Take the address of the account itself as 'blobEndpoint', or have that left out for the registry.`;
}

function webPage({ host }: RegistryAddress): string {
  return `A web page answered in place of ${host}: a network that wants people to sign in, a proxy's notice, or a website at that address. Let the agent reach the registry without it, and check 'blobEndpoint' where it is given.`;
}

function noAnswer(address: RegistryAddress, error: BrokenAnswerError): string {
  const { account, host } = address;
  if (error.code === 'ENOTFOUND') {
    return `There is no storage account '${account}', as no host has the name ${host}. Check '${accountInput(address)}' for typing errors, 'blobEndpoint' where it is given, and the DNS of this agent.`;
  }
  if (error.code === 'ECONNREFUSED') {
    return `No connection to ${host}: the connection was refused, as nothing listens there. Check '${endpointInput(address)}'${/^(localhost|127\.|\[::1\])/.test(host) ? ', and that the emulator runs on this agent' : ''}.`;
  }
  return explainNoAnswer(host, error, error.isAnswered);
}

/** The input that says where the registry is. */
function endpointInput(address: RegistryAddress): string {
  const { account, host, signIn } = address;
  if (signIn.input === 'connectionString') return signIn.input;
  return host.startsWith(`${account}.`) ? 'storageAccount' : 'blobEndpoint';
}

/** The input that says which account it is. */
function accountInput({ signIn }: RegistryAddress): string {
  return signIn.input === 'connectionString' ? signIn.input : 'storageAccount';
}

type Explanation = (address: RegistryAddress, error: RestError) => string;

const needsSignIn: Explanation = ({ account, container }) =>
  `Container '${container}' of storage account '${account}' cannot be read without signing in. Set 'authType' to how the step should sign in; or, where the model may be public, give the container public access at the level Container, which the account must allow.`;

const refusedSignIn: Explanation = (address, error) => {
  const { account, signIn } = address;
  switch (signIn.kind) {
    case 'anonymous':
      return needsSignIn(address, error);
    case 'accountKey': {
      // Only these requests are signed with the agent's time.
      const skew = clockSkew(error);
      if (skew !== undefined) {
        return `Storage account '${account}' refused the request because the clock of this agent is ${formatDuration(skew)} off. Set the agent's clock: 15 minutes are the most that Azure accepts.`;
      }
      return `Storage account '${account}' refused the key in '${signIn.input}'. Copy one of the account's current access keys; a key that was rotated is no longer valid.`;
    }
    case 'sas':
      return `Storage account '${account}' refused the shared access signature in '${signIn.input}': ${faultOfSignature(signIn, serviceTime(error))}`;
    case 'entra':
      return `Storage account '${account}' refused the access token of the service connection in '${signIn.input}'. Check that the connection and the account belong to the same Microsoft Entra tenant.`;
  }
};

function faultOfSignature({ starts, expires }: SharedAccessSignature, now: number): string {
  if (expires && expires.getTime() <= now) {
    return `it expired at ${expires.toISOString()}. Make a new one, and update the variable that holds it.`;
  }
  if (starts && starts.getTime() > now) {
    return `it begins to be valid at ${starts.toISOString()}. Run the step after that, or make one without a start.`;
  }
  return 'it is for another account or container, was cut while it was copied, or is signed with a key that was rotated. Make a new one.';
}

/** It may be signed in to, and yet may not read. */
const missingPermission: Explanation = (address, error) => {
  const { account, container, signIn } = address;
  if (signIn.kind === 'anonymous') return needsSignIn(address, error);
  if (signIn.kind === 'sas') {
    return `The shared access signature in '${signIn.input}' may not list and read container '${container}' of storage account '${account}'. Make one with the permissions Read and List for the container.`;
  }
  return `What '${signIn.input}' signs in as may not read blobs in storage account '${account}'. Give it the role Storage Blob Data Reader on the account or the container; Owner and Contributor do not include it, and a new role takes up to ten minutes to count.`;
};

const wrongScope: Explanation = ({ account, signIn }) =>
  `The shared access signature in '${signIn.input}' does not cover listing and reading a container of storage account '${account}'. Make one for the Blob service, with the resource types Container and Object and the permissions Read and List.`;

const refusedNetwork: Explanation = ({ account, signIn }) => {
  const also =
    signIn.kind === 'sas'
      ? ` If it is not the network, the shared access signature in '${signIn.input}' does not allow to list and read.`
      : '';
  return `The network rules of storage account '${account}' keep this agent out. Allow the agent's address or network in the account's firewall, or run the step on an agent inside that network.${also}`;
};

const lostKey: Explanation = ({ account }) =>
  `Storage account '${account}' cannot reach the customer-managed key in Key Vault that its data is encrypted with. Ask the owner of the account to restore the key: it may be disabled, expired or deleted, or the account has lost its access to the vault.`;

/** Error codes of Blob storage, as its REST reference lists them, with what the reader can do about each. */
const EXPLANATIONS = new Map<string, Explanation>(
  Object.entries({
    AuthenticationFailed: refusedSignIn,
    // Azure keeps this code for the firewall; Azurite gives it for a wrong signature too.
    AuthorizationFailure: (address, error) =>
      /signature/i.test(error.message) ? refusedSignIn(address, error) : refusedNetwork(address, error),
    AuthorizationPermissionMismatch: missingPermission,
    AuthorizationResourceTypeMismatch: wrongScope,
    AuthorizationServiceMismatch: wrongScope,
    AuthorizationProtocolMismatch: ({ signIn }) =>
      `The shared access signature in '${signIn.input}' is for https alone. Begin 'blobEndpoint' with https://.`,
    AuthorizationSourceIPMismatch: ({ signIn }) =>
      `The shared access signature in '${signIn.input}' is not for the address of this agent. Make one without a range of addresses (sip), or run the step on an agent inside it.`,
    KeyBasedAuthenticationNotPermitted: ({ account }) =>
      `Storage account '${account}' accepts no account keys, nor shared access signatures made with them. Set 'authType' to azureServiceConnection, or allow storage account key access in the account's configuration.`,
    AccountIsDisabled: ({ account }) =>
      `Storage account '${account}' is disabled. See in the Azure portal whether its subscription was suspended.`,
    AccountRequiresHttps: ({ account }) =>
      `Storage account '${account}' accepts only https. Begin 'blobEndpoint' with https://.`,
    ContainerNotFound: ({ account, container }) =>
      `Storage account '${account}' has no container '${container}'. Check 'modelName', and that the model was published to this account.`,
    ContainerBeingDeleted: ({ account, container }) =>
      `Container '${container}' of storage account '${account}' is being deleted. Publish the model again, once the deletion has ended.`,
    ContainerDisabled: ({ container }) => `Container '${container}' was disabled by its administrator.`,
    NoAuthenticationInformation: needsSignIn,
    PublicAccessNotPermitted: needsSignIn,
    // What a container that is not public answers to who does not sign in.
    ResourceNotFound: ({ account, host, container, signIn }) =>
      signIn.kind === 'anonymous'
        ? `Storage account '${account}' has no container '${container}' that can be read without signing in. Check 'modelName'; if the container is not public, set 'authType' to how the step should sign in.`
        : `${host} knows nothing at the address of container '${container}'. Check 'blobEndpoint': where the account is a part of the path, as with Azurite, it ends with the account's name.`,
    InvalidResourceName: ({ container }) =>
      `'${container}' cannot be the name of a container. Check 'modelName' and 'blobEndpoint'.`,
    InvalidAuthenticationInfo: (address, error) =>
      address.signIn.kind === 'entra'
        ? refusedSignIn(address, error)
        : `${address.host} did not understand the credentials. Check that 'blobEndpoint' is the Blob endpoint of the account in '${accountInput(address)}'.`,
    LocationRestricted: ({ account }) =>
      `Storage account '${account}' may not be used from where this agent is. Run the step on an agent in a region that the account's policies allow.`,
    BlobUsesCustomerSpecifiedEncryption: () =>
      'A file of this version is encrypted with a key that its publisher sends with each request, and the registry keeps no copy of such keys. Publish the version without a customer-provided key; keys in Key Vault that the account itself uses are no hindrance.',
    BlobArchived: () =>
      'A file of this version is in the archive tier and cannot be read. Rehydrate the version to the hot or cool tier first.',
    BlobBeingRehydrated: () =>
      'A file of this version is still coming back from the archive tier, which takes up to 15 hours. Run the step again after that.',
    ServerBusy: ({ account }) =>
      `Storage account '${account}' is too busy to answer, and remained so through all tries. Lower 'maxConcurrency', or run the step at another time.`,
  }),
);

/** There are many codes about the keys that an account is encrypted with, and ever more. */
function explanationOf(code: string): Explanation | undefined {
  return EXPLANATIONS.get(code) ?? (/^KeyVault/.test(code) ? lostKey : undefined);
}

/** Characters of what the service itself says that a message shows. */
const MOST_SAID = 300;

function unknownAnswer(address: RegistryAddress, error: RestError): string {
  const { host, container } = address;
  const isElsewhere = error.statusCode >= 300 && error.statusCode < 400;
  if (isElsewhere || error.statusCode === 511 || (isPage(error.headers) && !isTransient(error)))
    return webPage(address);
  // The lines after the first have the request's id and time.
  const [said = ''] = error.message.trim().split(/\r?\n/);
  const about = `${reason(error)} about container '${container}'${said ? `: ${bound(said, MOST_SAID).replace(/[.:]*$/, '')}` : ''}.`;
  return isTransient(error)
    ? `${host} answered ${about} It did so through all tries: see whether Azure reports trouble with the account, or a proxy stands in between, and run the step again later.`
    : `${host} answered ${about} Check '${accountInput(address)}', 'modelName' and 'blobEndpoint', and whether a proxy stands in between.`;
}

function requestDetail(error: RestError): string {
  const id = error.headers.get('x-ms-request-id');
  return `${reason(error)}${id ? `, request ${id}` : ''}`;
}

/** What the service's clock said; this machine's time where it did not say. */
function serviceTime(error: RestError): number {
  const date = Date.parse(error.headers.get('date') ?? '');
  return Number.isNaN(date) ? Date.now() : date;
}

/** Milliseconds that a signature's time may be off, less what an answer may take to come. */
const MOST_SKEW = 14 * 60_000;

/** Milliseconds between this machine's clock and the service's, when they are too many for a signature. */
function clockSkew(error: RestError): number | undefined {
  const skew = Math.abs(Date.now() - serviceTime(error));
  return skew > MOST_SKEW ? skew : undefined;
}
