import { CancelledError, describeError } from './errors';
import type { HttpRequest } from './http';
import type { Logger } from './log';
import { ONE_TRY } from './retry';
import { formatDuration } from './text';

/** An access token that ends. */
export interface Token {
  readonly value: string;
  /** Milliseconds since 1970. */
  readonly expires: number;
}

/** How much time signing in may take: an HTTP client's own patience where nothing is said. */
export type SignInLimits = Pick<HttpRequest, 'retry' | 'idleTimeout'>;

export interface RenewalOptions {
  /** Signs in. */
  fetch(limits: SignInLimits): Promise<Token>;
  /** Milliseconds before its end until which a token serves when it can't be renewed. */
  readonly serveUntil: number;
  readonly log: Logger;
  /** Milliseconds since 1970. */
  readonly now: () => number;
}

/** Milliseconds before its end at which a token is renewed: no request that begins with it outlives it. */
const RENEW_BEFORE = 5 * 60_000;

/** Nobody waits for a new token while the one in hand serves: one try, that soon over, and that long until the next. */
const SHORT_TRY: SignInLimits = { retry: ONE_TRY, idleTimeout: 5_000 };
const TRY_AGAIN_AFTER = 60_000;

/** An access token that is kept, and renewed in time, however long the step runs. */
export class RenewedToken {
  private inHand: Token | undefined;
  private pending: Promise<Token> | undefined;
  /** When the last try failed while there was a token that served. */
  private triedAt = Number.NEGATIVE_INFINITY;

  constructor(private readonly options: RenewalOptions) {}

  /**
   * A token that is good for the next request.
   *
   * @param refused a token that the service did not take though its time was not over, so that it is given no more
   * @param limits of signing in, where there is no token that serves
   * @throws what signing in throws, when there is no token that serves
   */
  async get(refused?: string, limits: SignInLimits = {}): Promise<string> {
    const { now, serveUntil, log } = this.options;
    if (this.inHand?.value === refused) this.inHand = undefined;
    const { inHand } = this;
    if (inHand && now() < inHand.expires - RENEW_BEFORE) return inHand.value;
    const serves = inHand !== undefined && now() < inHand.expires - serveUntil;
    if (!serves) return (await this.renew(limits)).value;
    if (now() < this.triedAt + TRY_AGAIN_AFTER) return inHand.value;
    this.triedAt = now();
    try {
      const { value } = await this.renew(SHORT_TRY);
      this.triedAt = Number.NEGATIVE_INFINITY;
      return value;
    } catch (error) {
      if (error instanceof CancelledError) throw error;
      const left = formatDuration(inHand.expires - serveUntil - now());
      log.info(
        `Going on with the access token in hand, which serves for another ${left}. ${describeError(error)}`,
      );
      return inHand.value;
    }
  }

  /** Those who ask at the same time wait for the same answer. */
  private renew(limits: SignInLimits): Promise<Token> {
    this.pending ??= this.options
      .fetch(limits)
      .then((token) => {
        this.options.log.maskSecret(token.value);
        this.inHand = token;
        return token;
      })
      .finally(() => {
        this.pending = undefined;
      });
    return this.pending;
  }
}
