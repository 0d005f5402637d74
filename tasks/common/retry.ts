/** Answers that say "not now" rather than "no". */
const RETRYABLE_STATUSES = new Set([408, 429, 500, 502, 503, 504]);

/** Whether a request that had this answer may do better a little later. */
export function isRetryableStatus(status: number): boolean {
  return RETRYABLE_STATUSES.has(status);
}

/** How long a request is retried: at most so many tries within so many milliseconds. */
export interface RetryPolicy {
  readonly maxTries: number;
  readonly forMilliseconds: number;
}

const FIRST_DELAY = 500;
const LONGEST_DELAY = 30_000;

/**
 * Milliseconds to wait before the next try. A wait that the server asked for is kept (up to two minutes, so that no
 * server can park an agent); otherwise it doubles from half a second to thirty, with jitter, so that agents that
 * failed together do not come back together.
 *
 * @param tries how many tries have failed
 * @param retryAfter the `Retry-After` header: seconds, or a date
 */
export function retryDelay(
  tries: number,
  retryAfter: string | null,
  now = Date.now(),
  random = Math.random(),
): number {
  const asked = parseRetryAfter(retryAfter, now);
  if (asked !== undefined) return Math.min(asked, 120_000);
  const longest = Math.min(FIRST_DELAY * 2 ** (tries - 1), LONGEST_DELAY);
  return longest / 2 + (longest / 2) * random;
}

function parseRetryAfter(header: string | null, now: number): number | undefined {
  if (!header) return undefined;
  const seconds = Number(header);
  if (Number.isFinite(seconds)) return Math.max(0, seconds * 1000);
  const date = Date.parse(header);
  return Number.isNaN(date) ? undefined : Math.max(0, date - now);
}
