import { ConnectionError, type HttpAnswer, type HttpRequest } from '../../common/http';
import type { AnswerKind } from '../../common/limits';
import type { Logger } from '../../common/log';
import { isRetryableStatus, Patience, type RetryPolicy, retryDelay } from '../../common/retry';
import type { Clock } from '../clock';
import { type AccessNames, DatabricksError, errorFromAnswer, isSuccess, retryAfterOf } from './errors';
import { parseJson, writeJson } from './json';

/**
 * Gives a token that is good for the next request.
 *
 * @param refused the token that Databricks did not accept for the last one; it comes back where there is no other
 */
export type TokenProvider = (refused?: string) => Promise<string>;

/** What sends the requests: the step's HTTP client. */
export interface Transport {
  send(request: HttpRequest): Promise<HttpAnswer>;
}

/** Limits of one call that differ from the transport's own. */
export interface RequestLimits {
  readonly retry?: RetryPolicy;
  readonly idleTimeout?: number;
  readonly answer?: AnswerKind;
  readonly signal?: AbortSignal;
}

export interface Call extends RequestLimits {
  /** What is asked for, as messages go on from "could not": `find the job`. */
  readonly action: string;
  /** The permission that it takes, as messages go on from "give that user": `'Can View' on the job`. */
  readonly permission: string;
  /** Whether sending it twice does no harm. Reading calls may always be sent again. */
  readonly repeatable?: boolean;
}

export interface DatabricksClientOptions {
  readonly origin: string;
  readonly token: TokenProvider;
  readonly access: AccessNames;
  readonly http: Transport;
  readonly log: Logger;
  readonly signal: AbortSignal;
  readonly clock: Clock;
}

/**
 * Calls Databricks' REST API. Ids come as strings and go as bigints. Every method throws a DatabricksError for any
 * answer but success, and a ConnectionError when there was none.
 */
export class DatabricksClient {
  /**
   * The service's clock when it last told the time, in milliseconds since 1970: what the times in its answers compare
   * with, since this machine's clock may be wrong. 0 as long as the service has not told.
   */
  serviceTime = 0;

  constructor(private readonly options: DatabricksClientOptions) {}

  get origin(): string {
    return this.options.origin;
  }

  get<T>(path: string, query: Record<string, string | undefined>, call: Call): Promise<T> {
    const url = new URL(path, this.options.origin);
    for (const [name, value] of Object.entries(query)) {
      if (value !== undefined) url.searchParams.set(name, value);
    }
    return this.send<T>({ method: 'GET', url: url.href }, { ...call, repeatable: true });
  }

  post<T>(path: string, body: object, call: Call): Promise<T> {
    const { href } = new URL(path, this.options.origin);
    return this.send<T>({ method: 'POST', url: href, body: writeJson(body) }, call);
  }

  /** Waits before a call is made again that failed, and that its caller alone can tell to be worth it. */
  async pause(tries: number, error: unknown): Promise<void> {
    await this.options.clock.sleep(retryDelay(tries, retryAfterOf(error)), this.options.signal);
  }

  private async send<T>(request: HttpRequest, call: Call): Promise<T> {
    // For a call whose failure shows in the body only; what the status shows is tried again by the transport.
    const patience = new Patience(call.retry);
    for (;;) {
      const begun = this.options.clock.now();
      const answer = await this.sendOnce(request, call);
      const value = this.read<T>(answer, request, call);
      if (!(value instanceof DatabricksError)) return value;
      if (!call.repeatable || !value.isTransient || isRetryableStatus(answer.status)) throw value;
      const wait = patience.next(this.options.clock.now() - begun, answer.headers.get('retry-after'));
      if (wait === undefined) throw value;
      this.options.log.info(`${value.message} Trying again in ${(wait / 1000).toFixed(1)} s.`);
      await this.options.clock.sleep(wait, call.signal ?? this.options.signal);
    }
  }

  /** A request that was turned away for its token has done nothing, so it is sent again with a new one. */
  private async sendOnce(request: HttpRequest, call: Call): Promise<HttpAnswer> {
    const token = await this.options.token();
    const answer = await this.sendWith(token, request, call);
    if (answer.status !== 401) return answer;
    const renewed = await this.options.token(token);
    if (renewed === token) return answer;
    this.options.log.info('Databricks no longer accepts the access token in hand. Going on with a new one.');
    return this.sendWith(renewed, request, call);
  }

  private async sendWith(token: string, request: HttpRequest, call: Call): Promise<HttpAnswer> {
    const { action, permission: _, repeatable = false, ...limits } = call;
    const headers = {
      Authorization: `Bearer ${token}`,
      ...(request.body !== undefined && { 'Content-Type': 'application/json' }),
    };
    try {
      return await this.options.http.send({ ...request, headers, repeatable, ...limits });
    } catch (error) {
      if (!(error instanceof ConnectionError)) throw error;
      throw new ConnectionError(
        `Databricks could not be asked to ${action}. ${error.message} The host is that of ${this.options.access.host}.`,
        { cause: error.cause },
      );
    }
  }

  /** What a success holds, otherwise the error. Calls that change something may be answered with nothing. */
  private read<T>(
    answer: HttpAnswer,
    { method }: HttpRequest,
    { action, permission }: Call,
  ): T | DatabricksError {
    this.serviceTime = Date.parse(answer.headers.get('date') ?? '') || this.serviceTime;
    if (isSuccess(answer.status)) {
      const text = answer.body.toString('utf8');
      try {
        return parseJson(text || (method === 'POST' ? '{}' : '')) as T;
      } catch {
        // The page of a proxy or of a login stands in place of the answer.
      }
    }
    const { origin, access } = this.options;
    return errorFromAnswer(answer, { origin, access, action, permission });
  }
}
