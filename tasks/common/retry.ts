/** Answers that say "not now" rather than "no". */
const RETRYABLE_STATUSES = new Set([408, 429, 500, 502, 503, 504]);

/** Whether a request that had this answer may do better a little later. */
export function isRetryableStatus(status: number): boolean {
  return RETRYABLE_STATUSES.has(status);
}

/** How long a request is tried again: a service that is back within this time fails no step. */
export interface RetryPolicy {
  readonly forMilliseconds: number;
}

export const DEFAULT_RETRY: RetryPolicy = { forMilliseconds: 5 * 60_000 };

/** For those who have a better way than to ask again. */
export const ONE_TRY: RetryPolicy = { forMilliseconds: 0 };

const FIRST_DELAY = 500;
const LONGEST_DELAY = 30_000;

/** What is left of the time for which one request is tried. */
export class Patience {
  /** Tries in a row that have failed. */
  failures = 0;
  /** Milliseconds of those tries, and of the waits between them. */
  spent = 0;

  constructor(private readonly policy: RetryPolicy = DEFAULT_RETRY) {}

  /**
   * Notes a try that failed.
   *
   * @param took its milliseconds
   * @param retryAfter the `Retry-After` header of its answer
   * @returns milliseconds to wait before the next one; undefined when the time is over. The last try comes at its end
   */
  next(took: number, retryAfter: string | null = null): number | undefined {
    this.failures += 1;
    this.spent += took;
    const left = this.policy.forMilliseconds - this.spent;
    if (left <= 0) return undefined;
    const wait = Math.min(retryDelay(this.failures, retryAfter, left), left);
    this.spent += wait;
    return wait;
  }

  /** Begins anew: the request got on. */
  renew(): void {
    this.failures = 0;
    this.spent = 0;
  }
}

/**
 * Milliseconds to wait before the next try. It doubles from half a second to thirty, with jitter, so that agents that
 * failed together do not come back together. A server may ask for more than that, never for less; where it asks for more
 * than there is patience, waiting would be in vain, so its wish does not count.
 *
 * @param failures how many tries in a row have failed
 * @param retryAfter the `Retry-After` header: seconds, or a date
 * @param left milliseconds of patience
 */
export function retryDelay(
  failures: number,
  retryAfter: string | null,
  left = DEFAULT_RETRY.forMilliseconds,
  now = Date.now(),
  random = Math.random(),
): number {
  const longest = Math.min(FIRST_DELAY * 2 ** (failures - 1), LONGEST_DELAY);
  const own = longest / 2 + (longest / 2) * random;
  const asked = parseRetryAfter(retryAfter, now);
  return asked > own && asked <= left ? asked : own;
}

/** @returns milliseconds; 0 for what is neither seconds nor a date, or past */
function parseRetryAfter(header: string | null, now: number): number {
  const seconds = Number(header);
  const wait = Number.isNaN(seconds) ? Date.parse(header ?? '') - now : seconds * 1000;
  return wait > 0 ? wait : 0;
}
