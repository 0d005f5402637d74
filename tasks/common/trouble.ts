import type { Logger } from './log';
import { formatDuration, plural } from './text';

/** A server, or several requests to it, that are being tried again. */
interface Trouble {
  readonly since: number;
  /** How many requests have failed and are not through yet. */
  requests: number;
  failures: number;
}

/** A request's part in a trouble: it has failed at least once, and is tried again. */
export interface TroubledRequest {
  /** Another try has failed. */
  fail(): void;
  /** The request is over; `served` where the server did what it was asked for. */
  end(served: boolean): void;
}

/**
 * Tells the reader once when a server begins to fail and once when it serves again, however many requests meet with that
 * and however often each is tried; the rest is for those who debug.
 */
export class Troubles {
  private readonly byHost = new Map<string, Trouble>();

  constructor(private readonly log: Logger) {}

  /**
   * A request has failed for the first time, and will be tried again.
   *
   * @param what the request and why it failed, as one line of the log begins with it
   * @param patience milliseconds for which it will be tried
   */
  begin(host: string, what: string, patience: number): TroubledRequest {
    let trouble = this.byHost.get(host);
    if (!trouble) {
      trouble = { since: performance.now(), requests: 0, failures: 0 };
      this.byHost.set(host, trouble);
      this.log.info(`${what}. Trying again for up to ${formatDuration(patience)}.`);
    }
    const current = trouble;
    current.requests += 1;
    current.failures += 1;
    return {
      fail: () => {
        current.failures += 1;
      },
      end: (served) => {
        current.requests -= 1;
        if (current.requests > 0) return;
        this.byHost.delete(host);
        if (!served) return;
        const failed = plural(current.failures, 'failed request');
        this.log.info(
          `${host} answers again, after ${failed} in ${formatDuration(performance.now() - current.since)}.`,
        );
      },
    };
  }
}
