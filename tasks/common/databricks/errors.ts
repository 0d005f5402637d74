import { TaskError } from '../errors';
import { explainBy, type Signature } from '../explain';
import { ConnectionError } from '../http';
import { isRetryableStatus } from '../retry';
import { readErrorBody } from './error-body';

/** What of an answer tells what went wrong. */
export interface RefusingAnswer {
  readonly status: number;
  readonly headers: { get(name: string): string | null };
  readonly body: Buffer;
  /** Whether an earlier try of the same request failed that may have been heard all the same. */
  readonly isRepeat?: boolean;
}

/** Databricks answered, but not with what was asked for. */
export class DatabricksError extends TaskError {
  constructor(
    message: string,
    readonly answer: {
      readonly status: number;
      /** The service's name for the error, such as `RESOURCE_DOES_NOT_EXIST`; empty when it gave none. */
      readonly code: string;
      /** The service's own words. */
      readonly reason: string;
      /** Whether a web page came in place of an answer of the API. */
      readonly isPage: boolean;
      /** What the service says further, by the names it gives, such as `existing_type`. */
      readonly metadata: Readonly<Record<string, string>>;
      /** How long the service asks to wait, as its `Retry-After` header says it. */
      readonly retryAfter: string | null;
      /** Whether an earlier try of the same request failed that may have been heard all the same. */
      readonly isRepeat: boolean;
    },
    /** Whether the same request may do better a little later. */
    readonly isTransient: boolean,
  ) {
    super(message);
  }
}

/** An answer of Databricks, or of somebody in its place, is not what it is to be. */
export class NonsenseError extends DatabricksError {
  constructor(
    message: string,
    /** What is wrong with it: `'tasks' is a text, where a list should be`. */
    readonly fault: string,
    answer: Pick<DatabricksError['answer'], 'status' | 'retryAfter' | 'isRepeat'>,
  ) {
    super(message, { ...answer, code: '', reason: fault, isPage: false, metadata: {} }, true);
  }
}

/** Signing in failed after it had worked before. */
export class SignInError extends TaskError {
  constructor(cause: TaskError) {
    super(cause.message, { details: cause.details, cause });
  }
}

/** Whether a status says that what was asked for is done. */
export function isSuccess(status: number): boolean {
  return status >= 200 && status < 300;
}

/**
 * Whether an error says that a job, run or object is not there. A 404 says so whatever its code is, but for the web page
 * of a proxy and for an API that is not there at all; for jobs and runs the service answers 400 as often.
 */
export function isNotFound(error: unknown): boolean {
  if (!(error instanceof DatabricksError)) return false;
  const { status, code, reason, isPage } = error.answer;
  if (status === 404) return !isPage && code !== 'ENDPOINT_NOT_FOUND';
  return (
    code === 'RESOURCE_DOES_NOT_EXIST' ||
    (code === 'INVALID_PARAMETER_VALUE' && /does(n't| not) exist/i.test(reason))
  );
}

/** Said of a run, with its id or without one. Of clusters, policies and jobs that were deleted the service says so, too. */
const DELETED_RUN = /\brun:?(?: (?:with )?(?:id:? )?['"]?[\d*]+['"]?)? (?:has|was)(?: been)? deleted\b/i;

/** Whether an error says that a run was there, and was deleted. */
export function isDeleted(error: unknown): boolean {
  return error instanceof DatabricksError && DELETED_RUN.test(error.answer.reason);
}

/** Whether Databricks itself says, by a code of its own, that a run is not there: what stands in between may answer 404, too. */
export function saysGone(error: unknown): boolean {
  if (isDeleted(error)) return true;
  return error instanceof DatabricksError && error.answer.code !== '' && isNotFound(error);
}

/** What an answer that is no success says, in its own words. */
export function reasonOf({ body }: Pick<RefusingAnswer, 'body'>): string {
  return readErrorBody(body.toString('utf8')).reason;
}

/** Whether an answer says that the token is not accepted, so that another one may be. */
export function refusesToken(answer: Pick<RefusingAnswer, 'status' | 'body'>): boolean {
  return answer.status === 401 || (answer.status === 403 && BAD_TOKEN.test(reasonOf(answer)));
}

/** How long the service asks to wait, as its `Retry-After` header says it; null where it does not. */
export function retryAfterOf(error: unknown): string | null {
  return error instanceof DatabricksError ? error.answer.retryAfter : null;
}

/** Whether what was asked for may have been done, although Databricks refused it: an earlier try may have been heard. */
export function mayHaveBeenDone(error: unknown): boolean {
  return error instanceof DatabricksError && error.answer.isRepeat && !isDeleted(error);
}

/** Whether Databricks could not be asked at all, or was not able to answer for the moment. */
export function isOutage(error: unknown): boolean {
  if (error instanceof ConnectionError || error instanceof SignInError) return true;
  return error instanceof DatabricksError && error.isTransient;
}

/** Causes that pass by themselves but may come with a status that does not say so; the SDKs go by these words too. */
const PASSING_CODES = /^(COULD_NOT_ACQUIRE_LOCK|TEMPORARILY_UNAVAILABLE|REQUEST_LIMIT_EXCEEDED)$/;
const PASSING_WORDS =
  /timed out after |deadline exceeded|ClusterNotReadyException|worker environment|try again later|token bucket/i;

const EXPIRED = /(token|credential)s?\b.*\b(has |is )?expired/i;
/** The reason comes with its secrets hidden, and a secret can be any word of it. */
const BAD_TOKEN = /invalid access (?:token|\*{3})|token is expir|token.*\bexpired/i;

/** Refusals that have nothing to do with what the token's user may do, and who can lift them. */
const REFUSALS: readonly Signature<{ readonly origin: string }>[] = [
  {
    pattern: /(?:source )?IP address:? (\S+) is blocked|blocked by Databricks IP ACL|IP access list/i,
    explain: ([, address], { origin }) =>
      `The IP access list of ${origin} does not let this agent in${address ? `, whose address is ${address}` : ''}. ` +
      'Have an administrator of the workspace allow that address, or run the step on a self-hosted agent whose ' +
      'address is allowed: those of Microsoft-hosted agents change.',
  },
  {
    pattern: /unauthorized network access|public access is not allowed|private[- ]link/i,
    explain: (_, { origin }) =>
      `The workspace at ${origin} takes no requests from the public network. Run the step on a self-hosted agent that ` +
      "is connected to the workspace's private network (Private Link), or have an administrator admit this agent's network.",
  },
  {
    pattern: /personal access tokens? (?:are|is) (?:not enabled|disabled)|tokens? (?:are|is) disabled/i,
    explain: (_, { origin }) =>
      `The workspace at ${origin} takes no personal access tokens. Choose another way to sign in with input 'authType', such ` +
      'as servicePrincipal or federation, or have an administrator turn personal access tokens on.',
  },
];

/**
 * Why a workspace turned a request away, where neither the identity nor its permissions are the reason; undefined where
 * they may be.
 */
export function explainNetworkRefusal(status: number, reason: string, origin: string): string | undefined {
  if (status !== 401 && status !== 403) return undefined;
  const sentence = explainBy(REFUSALS, reason, { origin });
  return sentence && `${sentence} (HTTP ${status}: ${reason.replace(/\.$/, '')})`;
}

export interface FailedCall {
  readonly origin: string;
  /** What was asked for, as it goes on from "could not": `find the job`. */
  readonly action: string;
  /** The permission that it takes, as it goes on from "give that user". */
  readonly permission: string;
  readonly access: AccessNames;
}

/** Where the step has its way into the workspace from, as messages go on from "Check that". */
export interface AccessNames {
  /** `input 'databricksHost'` */
  readonly host: string;
  /** `input 'databricksToken' holds a token of …` */
  readonly token: string;
}

/** The error that an answer stands for, with a remedy. */
export function errorFromAnswer(answer: RefusingAnswer, call: FailedCall): DatabricksError {
  const { status } = answer;
  const body = answer.body.toString('utf8');
  const { code, reason, metadata } = readErrorBody(body);
  const isPage = isSuccess(status) || body.trimStart().startsWith('<');
  const isRefusal = (status >= 300 && status < 400) || [401, 403, 404].includes(status);
  const isTransient =
    isRetryableStatus(status) ||
    (isPage && !isRefusal) ||
    PASSING_CODES.test(code) ||
    PASSING_WORDS.test(reason);
  const message = explain({
    ...call,
    status,
    code,
    reason,
    isPage,
    location: answer.headers.get('location'),
  });
  const retryAfter = answer.headers.get('retry-after');
  const told = { status, code, reason, isPage, metadata, retryAfter, isRepeat: answer.isRepeat ?? false };
  return new DatabricksError(message, told, isTransient);
}

/**
 * The error that a success stands for whose content is not what it should be: somebody else may have answered, and the
 * service may do better a little later.
 *
 * @param fault from the check of its shape
 */
export function nonsenseError(
  answer: RefusingAnswer,
  { origin, action, access }: FailedCall,
  fault: string,
): NonsenseError {
  const message =
    `${origin} was asked to ${action}, and its answer makes no sense: ${fault}. Check that ` +
    `${access.host} is the address of a workspace, and whether a proxy stands in between.`;
  const { status, headers, isRepeat = false } = answer;
  return new NonsenseError(message, fault, { status, retryAfter: headers.get('retry-after'), isRepeat });
}

interface Explained extends FailedCall {
  readonly status: number;
  readonly code: string;
  readonly reason: string;
  readonly isPage: boolean;
  readonly location: string | null;
}

function explain(failed: Explained): string {
  const { origin, action, permission, access, status, code, reason, isPage, location } = failed;
  // Some answers give the status for their code.
  const name = code === String(status) ? '' : code;
  const answer = `HTTP ${status}${name && ` ${name}`}${reason && `: ${reason.replace(/\.$/, '')}`}`;
  const refusal = explainNetworkRefusal(status, reason, origin);
  if (refusal) return refusal;
  if (EXPIRED.test(reason)) {
    return `The token has expired (${answer}). Make a new one, and check that ${access.token}.`;
  }
  if (status === 401 || BAD_TOKEN.test(reason)) {
    return (
      `Databricks does not accept the token (${answer}). Check that ${access.token}, and that it has neither expired ` +
      'nor been revoked.'
    );
  }
  if (status === 403) {
    return `The token's user may not ${action} (${answer}). In Databricks, give that user ${permission}.`;
  }
  if (status >= 300 && status < 400) return explainRedirect(origin, location, access.host);
  if (isPage && !isRetryableStatus(status)) {
    return (
      `${origin} answered with a web page when asked to ${action} (${answer}). Check that ${access.host} ` +
      'is the address of a workspace, and whether a proxy stands in between.'
    );
  }
  if (status === 413) {
    return `Databricks could not ${action} (${answer}): the request is too large. Clear the outputs of the notebook, or move data out of it.`;
  }
  if (/bad target/i.test(reason)) {
    return `${origin} does not know the API that it takes to ${action} (${answer}). Check that ${access.host} is the address of a workspace of today's Databricks.`;
  }
  return `Databricks could not ${action} (${answer}).`;
}

/**
 * Why a host answers with the address of another place.
 *
 * @param host where the workspace's address comes from, as messages go on from "Check"
 */
export function explainRedirect(origin: string, location: string | null, host: string): string {
  return /private-link/i.test(location ?? '')
    ? `The workspace at ${origin} is behind Private Link and turned this agent away. Run the step on an agent ` +
        "that is connected to the workspace's private network."
    : `${origin} redirected to ${withoutQuery(location, origin)} instead of answering, so it is not the address ` +
        `of a workspace. Check ${host}.`;
}

function withoutQuery(location: string | null, origin: string): string {
  if (!location || !URL.canParse(location, origin)) return 'another place';
  const url = new URL(location, origin);
  return `${url.origin}${url.pathname}`;
}
