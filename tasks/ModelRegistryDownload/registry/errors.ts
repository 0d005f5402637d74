import { explainConnectionError, isHopeless } from '../../common/connection';
import { describeError, TaskError } from '../../common/errors';
import { isRetryableStatus } from '../../common/retry';
import { formatDuration } from '../../common/text';

/** Where the registry is, as far as messages need to say. */
export interface RegistryAddress {
  readonly account: string;
  /** Host, and port where there is one, of the account's Blob endpoint. */
  readonly host: string;
  readonly container: string;
}

/** A blob is no longer the one that was listed. */
export class MovedError extends Error {
  override readonly name = 'MovedError';

  constructor(readonly blob: string) {
    super(`'${blob}' has changed in the registry since it was listed.`);
  }
}

/** An answer that did not come, that stopped, or that was not what was asked for. */
export class BrokenAnswerError extends Error {
  override readonly name = 'BrokenAnswerError';

  constructor(
    message: string,
    /** The system's code for it, such as `ECONNRESET`, where there is one. */
    readonly code?: string | undefined,
  ) {
    super(message);
  }
}

/** The service answered, and the answer is that it will not do what was asked. */
export class RestError extends Error {
  override readonly name = 'RestError';

  constructor(
    message: string,
    readonly statusCode: number,
    /** The service's own code for it, such as `BlobNotFound`; proxies have none. */
    readonly code: string | undefined,
    /** By names in lower case. */
    readonly headers: ReadonlyMap<string, string>,
  ) {
    super(message);
  }
}

/** Whether the service says that a blob was replaced or removed after it was listed. */
export function isMoved(error: unknown): boolean {
  return error instanceof RestError && (error.statusCode === 412 || error.code === 'BlobNotFound');
}

/** Whether the same request may do better a little later. */
export function isTransient(error: Error): boolean {
  if (error instanceof BrokenAnswerError) return !isHopeless(error);
  return error instanceof RestError && isRetryableStatus(error.statusCode);
}

/** Whether the account says that it is asked too much. */
export function isThrottled(error: Error): boolean {
  return error instanceof RestError && (error.statusCode === 503 || error.statusCode === 429);
}

/** The `Retry-After` header of an answer that became an error. */
export function retryAfter(error: Error): string | null {
  return (error instanceof RestError && error.headers.get('retry-after')) || null;
}

/** An error in a few words, for a line about a retry. */
export function reason(error: Error): string {
  if (error instanceof RestError) return [`HTTP ${error.statusCode}`, error.code].filter(Boolean).join(' ');
  return describeError(error);
}

/**
 * What an error of the service or of the connection to it means for the reader, and what to do about it. Other errors
 * come back as they are.
 */
export function explainRegistryError(error: unknown, address: RegistryAddress): unknown {
  if (!(error instanceof Error)) return error;
  if (error instanceof BrokenAnswerError)
    return new TaskError(noConnection(address, error), { cause: error });
  if (!(error instanceof RestError)) return error;
  const explain = EXPLANATIONS.get(isThrottled(error) ? 'ServerBusy' : (error.code ?? ''));
  const message = explain?.(address, error) ?? unknownAnswer(address, error);
  return new TaskError(message, { cause: error, details: [requestDetail(error)] });
}

function noConnection({ account, host }: RegistryAddress, error: BrokenAnswerError): string {
  if (error.code === 'ENOTFOUND') {
    return `There is no storage account '${account}', as no host has the name ${host}. Check 'storageAccount' for typing errors, 'blobEndpoint' where it is given, and the DNS of this agent.`;
  }
  return `No connection to ${host}: ${explainConnectionError(error)}`;
}

type Explanation = (address: RegistryAddress, error: RestError) => string;

const refusedKey: Explanation = ({ account }, error) => {
  const skew = clockSkew(error);
  return skew === undefined
    ? `Storage account '${account}' refused the key in 'storageKey'. Copy one of the account's current access keys; a key that was rotated is no longer valid.`
    : `Storage account '${account}' refused the request because the clock of this agent is ${formatDuration(skew)} off. Set the agent's clock: 15 minutes are the most that Azure accepts.`;
};

const refusedNetwork: Explanation = ({ account }) =>
  `The network rules of storage account '${account}' keep this agent out. Allow the agent's address or network in the account's firewall, or run the step on an agent inside that network.`;

/** Error codes of Blob storage, as its REST reference lists them, with what the reader can do about each. */
const EXPLANATIONS = new Map<string, Explanation>(
  Object.entries({
    AuthenticationFailed: refusedKey,
    // Azure keeps this code for the firewall; Azurite gives it for a wrong signature too.
    AuthorizationFailure: (address, error) =>
      /signature/i.test(error.message) ? refusedKey(address, error) : refusedNetwork(address, error),
    AuthorizationPermissionMismatch: ({ account }) =>
      `These credentials may not read blobs in storage account '${account}'. Give them the role Storage Blob Data Reader; Owner and Contributor do not include it.`,
    KeyBasedAuthenticationNotPermitted: ({ account }) =>
      `Storage account '${account}' does not accept account keys. Allow storage account key access in the account's configuration.`,
    AccountIsDisabled: ({ account }) =>
      `Storage account '${account}' is disabled. See in the Azure portal whether its subscription was suspended.`,
    AccountRequiresHttps: ({ account }) =>
      `Storage account '${account}' accepts only https. Begin 'blobEndpoint' with https://.`,
    ContainerNotFound: ({ account, container }) =>
      `Storage account '${account}' has no container '${container}'. Check 'modelName', and that the model was published to this account.`,
    ContainerBeingDeleted: ({ account, container }) =>
      `Container '${container}' of storage account '${account}' is being deleted. Publish the model again, once the deletion has ended.`,
    ContainerDisabled: ({ container }) => `Container '${container}' was disabled by its administrator.`,
    ResourceNotFound: ({ host, container }) =>
      `${host} knows nothing at the address of container '${container}'. Check 'blobEndpoint': where the account is a part of the path, as with Azurite, it ends with the account's name.`,
    InvalidResourceName: ({ container }) =>
      `'${container}' cannot be the name of a container. Check 'modelName' and 'blobEndpoint'.`,
    InvalidAuthenticationInfo: ({ host }) =>
      `${host} did not understand the credentials. Check that 'blobEndpoint' is the Blob endpoint of the account in 'storageAccount'.`,
    BlobArchived: () =>
      'A file of this version is in the archive tier and cannot be read. Rehydrate the version to the hot or cool tier first.',
    BlobBeingRehydrated: () =>
      'A file of this version is still coming back from the archive tier, which takes up to 15 hours. Run the step again after that.',
    ServerBusy: ({ account }) =>
      `Storage account '${account}' is too busy to answer, and remained so through all tries. Lower 'maxConcurrency', or run the step at another time.`,
  }),
);

function unknownAnswer({ host, container }: RegistryAddress, error: RestError): string {
  return `${host} answered ${reason(error)} about container '${container}'. Check 'storageAccount', 'modelName' and 'blobEndpoint', and whether a proxy stands in between.`;
}

function requestDetail(error: RestError): string {
  const id = error.headers.get('x-ms-request-id');
  return `${reason(error)}${id ? `, request ${id}` : ''}`;
}

/** Milliseconds between this machine's clock and the service's, when they are too many for a signature. */
function clockSkew(error: RestError): number | undefined {
  const date = Date.parse(error.headers.get('date') ?? '');
  const skew = Math.abs(Date.now() - date);
  return skew > 10 * 60_000 ? skew : undefined;
}
