import { isHopeless } from '../../common/connection';
import { describeError } from '../../common/errors';
import { isRetryableStatus } from '../../common/retry';

/** A blob is no longer the one that was listed. */
export class MovedError extends Error {
  override readonly name = 'MovedError';

  /** @param isGone whether the registry says that there is none */
  constructor(
    readonly blob: string,
    readonly isGone = false,
  ) {
    super(
      `'${blob}' ${isGone ? 'is no longer in the registry, though it was listed' : 'has changed in the registry since it was listed'}.`,
    );
  }
}

/** An answer that did not come, that stopped, or that was not what was asked for. */
export class BrokenAnswerError extends Error {
  override readonly name = 'BrokenAnswerError';

  constructor(
    message: string,
    /** The system's code for it, such as `ECONNRESET`, where there is one. */
    readonly code?: string | undefined,
    /** Whether an answer had begun to come: then the registry can be reached. */
    readonly isAnswered = true,
  ) {
    super(message);
  }
}

/** What came is not what the registry holds, and will not be another time either: something on the way makes it another. */
export class AlteredError extends Error {
  override readonly name = 'AlteredError';

  /** @param how as the end of a sentence */
  constructor(
    readonly blob: string,
    readonly how: string,
  ) {
    super(`'${blob}' is altered on its way: ${how}`);
  }
}

/** Whether an answer says that it is a page for people, and does not come from the service. */
export function isPage(headers: ReadonlyMap<string, string>): boolean {
  const type = headers.get('content-type') ?? '';
  return /^(text\/html|application\/xhtml\+xml)\b/i.test(type) && !headers.has('x-ms-request-id');
}

/** Something else than the registry answered, with a page for people. */
export class PageError extends Error {
  override readonly name = 'PageError';
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
    /** The beginning of what it says. */
    readonly body = '',
  ) {
    super(message);
  }
}

/**
 * Errors of sockets, TLS and HTTP alike: what each is, their code tells.
 *
 * @param isAnswered whether an answer had begun to come
 */
export function brokenBy(error: Error, isAnswered: boolean): BrokenAnswerError {
  const { code } = error as NodeJS.ErrnoException;
  const isReset = error.message === 'aborted' || error.message === 'socket hang up';
  const message = isReset ? 'the connection broke' : error.message || String(code);
  return new BrokenAnswerError(message, code, isAnswered);
}

/** ETags have quotes in headers, and none in the listings of Azure. */
export function bareEtag(etag: string): string {
  return etag.replace(/^"|"$/g, '');
}

/** What it means for a file when the service says that its blob was replaced or removed; other errors stay. */
export function asMoved(error: unknown, file: string): unknown {
  if (!(error instanceof RestError)) return error;
  if (error.statusCode === 412) return new MovedError(file);
  const isGone =
    error.code === 'BlobNotFound' || (error.code === undefined && isGoneStatus(error.statusCode));
  return isGone ? new MovedError(file, true) : error;
}

/** What web servers in front of the registry, which know none of its codes, say of what they do not find. */
function isGoneStatus(status: number): boolean {
  return status === 404 || status === 410;
}

/** Whether the same request may do better a little later. */
export function isTransient(error: Error): boolean {
  if (error instanceof BrokenAnswerError) return !isHopeless(error);
  return error instanceof RestError && isRetryableStatus(error.statusCode);
}

/** Whether the account says that it is asked too much; a server of it that was asked too much may say that it timed out. */
export function isThrottled(error: Error): boolean {
  if (!(error instanceof RestError)) return false;
  return error.statusCode === 503 || error.statusCode === 429 || error.code === 'OperationTimedOut';
}

/** Whether the service says that the step may not do this. */
export function isRefusal(error: Error): boolean {
  return error instanceof RestError && (error.statusCode === 401 || error.statusCode === 403);
}

/** Whether nothing listens at an address. */
export function isRefusedConnection(error: Error): boolean {
  return error instanceof BrokenAnswerError && error.code === 'ECONNREFUSED';
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
