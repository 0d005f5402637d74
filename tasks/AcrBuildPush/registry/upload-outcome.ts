import { isHopeless } from '../../common/connection';
import { describeError } from '../../common/errors';
import { ConnectionError, type HttpAnswer } from '../../common/http';
import { isRetryableStatus } from '../../common/retry';

/** What became of a request: an answer of any status, or an error of the connection. */
export type Outcome = HttpAnswer | ConnectionError;

/** Whether a registry took bytes in, all of them or a part. */
export function isTaken(outcome: Outcome): outcome is HttpAnswer {
  return !(outcome instanceof Error) && outcome.status === 202;
}

/** The status of an answer that says so. */
export const STORED = 201;

/** Whether a registry made a blob of what it had. */
export function isStored(outcome: Outcome): boolean {
  return !(outcome instanceof Error) && outcome.status === STORED;
}

/** Whether a registry finds that the bytes are others than they should be. */
export function hasOtherBytes(outcome: Outcome): boolean {
  return !(outcome instanceof Error) && /DIGEST_INVALID/.test(outcome.body.toString('utf8'));
}

/** Whether going on may help: the line broke, the token ran out, the registry is busy, or lost count or all of it. */
export function mayMend(outcome: Outcome): boolean {
  if (outcome instanceof ConnectionError) return !isHopeless(outcome.cause as Error);
  return [202, 401].includes(outcome.status) || isRetryableStatus(outcome.status) || isLost(outcome);
}

/** Whether a registry does not know an upload, or how far it came: of several servers, one may not know it yet. */
export function isLost({ status, body }: HttpAnswer): boolean {
  return status === 404 || status === 416 || /BLOB_UPLOAD_(?:UNKNOWN|INVALID)/.test(body.toString('utf8'));
}

/** Why an upload broke off, as messages say it. */
export function reasonOf(outcome: Outcome): string {
  if (outcome instanceof Error) return describeError(outcome.cause);
  return outcome.status === 202 ? 'the registry took only a part' : `HTTP ${outcome.status}`;
}
