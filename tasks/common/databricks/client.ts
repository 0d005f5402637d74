import type { Clock } from '../clock';
import { TaskError } from '../errors';
import { ConnectionError, type HttpAnswer, type HttpRequest } from '../http';
import type { AnswerKind } from '../limits';
import type { Logger } from '../log';
import type { SignInLimits } from '../renewal';
import { isRetryableStatus, Patience, type RetryPolicy } from '../retry';
import { faultIn, type Shape, type Shaped } from '../shape';
import { formatDuration } from '../text';
import { type TroubledRequest, Troubles } from '../trouble';
import { type WorkspaceAddress, workspaceHeaders } from './address';
import {
  type AccessNames,
  DatabricksError,
  errorFromAnswer,
  isSuccess,
  nonsenseError,
  refusesToken,
  retryAfterOf,
  SignInError,
} from './errors';
import { isObject, parseJson, writeJson } from './json';

/**
 * Gives a token that is good for the next request.
 *
 * @param refused the token that Databricks did not accept for the last one; it comes back where there is no other
 * @param limits of signing in, where that is needed
 */
export type TokenProvider = (refused?: string, limits?: SignInLimits) => Promise<string>;

/** What each request carries besides the token. */
export type RequestHeaders = (limits?: SignInLimits) => Promise<Record<string, string>>;

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

export interface Call<S extends Shape = Shape> extends RequestLimits {
  /** What is asked for, as messages go on from "could not": `find the job`. */
  readonly action: string;
  /** The permission that it takes, as messages go on from "give that user": `'Can View' on the job`. */
  readonly permission: string;
  /** What the answer is to be; any object where that does not matter. */
  readonly shape?: S;
  /** Whether sending it twice does no harm. Reading calls may always be sent again. */
  readonly repeatable?: boolean;
}

/** How long Databricks asks its clients to try again: ten minutes. */
export const PATIENCE: RetryPolicy = { forMilliseconds: 10 * 60_000 };

export interface DatabricksClientOptions {
  readonly workspace: WorkspaceAddress;
  readonly token: TokenProvider;
  readonly headers?: RequestHeaders | undefined;
  readonly access: AccessNames;
  readonly http: Transport;
  readonly log: Logger;
  readonly signal: AbortSignal;
  readonly clock: Clock;
}

/** What became of one try. */
interface Outcome<S> {
  readonly value: Shaped<S> | TaskError;
  readonly retryAfter: string | null;
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

  private readonly troubles: Troubles;

  constructor(private readonly options: DatabricksClientOptions) {
    this.troubles = new Troubles(options.log);
  }

  get origin(): string {
    return this.options.workspace.origin;
  }

  get<S extends Shape>(
    path: string,
    query: Record<string, string | undefined>,
    call: Call<S>,
  ): Promise<Shaped<S>> {
    const url = new URL(path, this.origin);
    for (const [name, value] of Object.entries(query)) {
      if (value !== undefined) url.searchParams.set(name, value);
    }
    return this.send({ method: 'GET', url: url.href }, { ...call, repeatable: true });
  }

  post<S extends Shape>(path: string, body: object, call: Call<S>): Promise<Shaped<S>> {
    const { href } = new URL(path, this.origin);
    return this.send({ method: 'POST', url: href, body: writeJson(body) }, call);
  }

  /**
   * Waits before a call is made again that failed, and that its caller alone can tell to be worth it.
   *
   * @returns whether there was time left to wait
   */
  async pause(patience: Patience, error: Error): Promise<boolean> {
    const wait = patience.next(0, retryAfterOf(error));
    if (wait === undefined) return false;
    if (patience.failures === 1) {
      this.options.log.info(
        `${error.message} Trying again for up to ${formatDuration(PATIENCE.forMilliseconds)}.`,
      );
    }
    await this.options.clock.sleep(wait, this.options.signal);
    return true;
  }

  /** What the status of an answer shows is tried again by the transport; here, what only its body shows, or signing in. */
  private async send<S extends Shape>(request: HttpRequest, call: Call<S>): Promise<Shaped<S>> {
    const { clock, signal } = this.options;
    const policy = call.retry ?? PATIENCE;
    const patience = new Patience(policy);
    let trouble: TroubledRequest | undefined;
    let isServed = false;
    let isRepeat = false;
    try {
      for (;;) {
        const begun = clock.now();
        const left = { forMilliseconds: Math.max(0, policy.forMilliseconds - patience.spent) };
        const outcome: Outcome<S> = await this.sendOnce<S>(request, { ...call, retry: left }, isRepeat);
        const { value, retryAfter } = outcome;
        isServed = !(value instanceof TaskError);
        if (!(value instanceof TaskError)) return value;
        const wait = this.mayMend(value, call) ? patience.next(clock.now() - begun, retryAfter) : undefined;
        if (wait === undefined) throw value;
        // Without a token nothing has been sent.
        isRepeat ||= !(value instanceof SignInError);
        if (trouble) trouble.fail();
        else {
          const what = value.message.replace(/\.$/, '');
          trouble = this.troubles.begin(new URL(this.origin).host, what, policy.forMilliseconds);
        }
        await clock.sleep(wait, call.signal ?? signal);
      }
    } finally {
      trouble?.end(isServed);
    }
  }

  private mayMend(error: TaskError, { repeatable = false }: Call): boolean {
    if (error instanceof SignInError) return true;
    return (
      repeatable &&
      error instanceof DatabricksError &&
      error.isTransient &&
      !isRetryableStatus(error.answer.status)
    );
  }

  /** A request that was turned away for its token has done nothing, so it is sent again with a new one. */
  private async sendOnce<S extends Shape>(
    request: HttpRequest,
    call: Call<S>,
    isRepeat: boolean,
  ): Promise<Outcome<S>> {
    const limits = call.retry && { retry: call.retry };
    try {
      const token = await this.options.token(undefined, limits);
      const more = await this.options.headers?.(limits);
      const signed = more ? { ...request, headers: more } : request;
      let answer = await this.sendWith(token, signed, call);
      if (refusesToken(answer)) {
        const renewed = await this.options.token(token, limits);
        if (renewed !== token) {
          this.options.log.info(
            'Databricks no longer accepts the access token in hand. Going on with a new one.',
          );
          answer = await this.sendWith(renewed, signed, call);
        }
      }
      const told = { ...answer, isRepeat: isRepeat || (answer.isRepeat ?? false) };
      return { value: this.read(told, request, call), retryAfter: answer.headers.get('retry-after') };
    } catch (error) {
      if (error instanceof SignInError) return { value: error, retryAfter: null };
      throw error;
    }
  }

  private async sendWith(token: string, request: HttpRequest, call: Call): Promise<HttpAnswer> {
    const { action, permission: _, shape: __, repeatable = false, ...limits } = call;
    const headers = {
      ...request.headers,
      Authorization: `Bearer ${token}`,
      ...workspaceHeaders(this.options.workspace),
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
  private read<S extends Shape>(
    answer: HttpAnswer,
    { method }: HttpRequest,
    { action, permission, shape }: Call<S>,
  ): Shaped<S> | DatabricksError {
    const { access } = this.options;
    const call = { origin: this.origin, access, action, permission };
    this.serviceTime = Date.parse(answer.headers.get('date') ?? '') || this.serviceTime;
    if (isSuccess(answer.status)) {
      const text = answer.body.toString('utf8');
      try {
        const value = parseJson(text || (method === 'POST' ? '{}' : ''));
        if (isObject(value)) {
          const fault = shape && faultIn(value, shape);
          return fault === undefined ? (value as Shaped<S>) : nonsenseError(answer, call, fault);
        }
      } catch {
        // The page of a proxy or of a login stands in place of the answer.
      }
    }
    return errorFromAnswer(answer, call);
  }
}
