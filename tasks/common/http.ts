import type { Agent as HttpAgent } from 'node:http';
import { Readable } from 'node:stream';
import fetch, { type Headers, type Response } from 'node-fetch';
import type { NetworkSettings } from './agent';
import { IdleTimer, sleep, throwIfCancelled } from './cancel';
import { createAgent, explainConnectionError, isHopeless } from './connection';
import { describeError, TaskError } from './errors';
import type { Logger } from './log';
import { isRetryableStatus, type RetryPolicy, retryDelay } from './retry';

export interface HttpRequest {
  readonly method: 'GET' | 'HEAD' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  readonly url: string;
  readonly headers?: Record<string, string>;
  /** A function makes the body anew for each try, and its stream is sent without being held in memory. */
  readonly body?: string | Buffer | (() => Readable);
  /** Whether sending it twice does no harm; only then is it retried, or after a 429. Reading requests always may be. */
  readonly repeatable?: boolean;
  /** For requests that need more or less patience than the client has by default. */
  readonly retry?: RetryPolicy;
  /** Milliseconds without a byte, before the headers or in the body, after which a try is given up. */
  readonly idleTimeout?: number;
  readonly signal?: AbortSignal;
}

export interface HttpAnswer {
  readonly status: number;
  readonly headers: Headers;
  readonly body: Buffer;
}

/** No try ended with an answer: the host was not found, refused, hung, or could not be trusted. */
export class ConnectionError extends TaskError {}

export interface HttpClientOptions {
  readonly log: Logger;
  readonly signal: AbortSignal;
  readonly network: NetworkSettings;
  readonly userAgent: string;
  readonly retry?: RetryPolicy;
  readonly sleep?: typeof sleep;
}

const DEFAULT_RETRY: RetryPolicy = { maxTries: 5, forMilliseconds: 60_000 };
const DEFAULT_IDLE_TIMEOUT = 30_000;

/**
 * Sends HTTP requests the way every task must: through the agent's proxy and with its certificates, with timeouts,
 * and with retries that the log explains. Redirects are not followed: none of the services here redirects a caller
 * who is at the right address. Answers of any status are returned; only the lack of one is an error.
 */
export class HttpClient {
  private readonly agents = new Map<string, Promise<HttpAgent>>();

  constructor(private readonly options: HttpClientOptions) {}

  async send(request: HttpRequest): Promise<HttpAnswer> {
    const policy = request.retry ?? this.options.retry ?? DEFAULT_RETRY;
    const signal = request.signal ?? this.options.signal;
    const repeatable = request.repeatable ?? (request.method === 'GET' || request.method === 'HEAD');
    const start = Date.now();

    for (let tries = 1; ; tries++) {
      const outcome = await this.try(request, signal);
      // Who is turned away for asking too often has changed nothing. What is streamed is repeated by its sender.
      const isTurnedAway = !(outcome instanceof Error) && outcome.status === 429;
      const mayRepeat = repeatable || (isTurnedAway && typeof request.body !== 'function');
      const lastTry = !mayRepeat || tries >= policy.maxTries;
      if (outcome instanceof Error) {
        if (lastTry || isHopeless(outcome) || Date.now() - start >= policy.forMilliseconds) {
          throw connectionError(request, outcome, tries);
        }
      } else if (
        !isRetryableStatus(outcome.status) ||
        lastTry ||
        Date.now() - start >= policy.forMilliseconds
      ) {
        return outcome;
      }

      const wait = retryDelay(tries, outcome instanceof Error ? null : outcome.headers.get('retry-after'));
      const reason = outcome instanceof Error ? describeError(outcome) : `HTTP ${outcome.status}`;
      this.options.log.info(
        `${request.method} ${withoutQuery(request.url)}: ${reason}. Trying again in ${(wait / 1000).toFixed(1)} s.`,
      );
      await (this.options.sleep ?? sleep)(wait, signal);
    }
  }

  /** Closes idle connections, so that the process can end. */
  close(): void {
    for (const agent of this.agents.values()) void agent.then((one) => one.destroy());
  }

  private async try(request: HttpRequest, signal: AbortSignal): Promise<HttpAnswer | Error> {
    throwIfCancelled(signal);
    const idle = new IdleTimer(request.idleTimeout ?? DEFAULT_IDLE_TIMEOUT, signal);
    const agent = await this.agentFor(new URL(request.url));
    const body = typeof request.body === 'function' ? watched(request.body(), idle) : request.body;
    try {
      const response = await fetch(request.url, {
        method: request.method,
        headers: { 'User-Agent': this.options.userAgent, ...request.headers },
        redirect: 'manual',
        agent,
        signal: idle.signal as never,
        ...(body !== undefined && { body }),
      });
      const content = await readBody(response, idle);
      const { status, headers } = response;
      this.options.log.debug(
        `${request.method} ${withoutQuery(request.url)}: HTTP ${status}, ${content.length} bytes`,
      );
      return { status, headers, body: content };
    } catch (error) {
      throwIfCancelled(signal);
      if (idle.expired) return new Error(`no answer within ${idle.milliseconds / 1000} s`);
      return error instanceof Error ? error : new Error(String(error));
    } finally {
      idle.stop();
      // A server may answer before it has read everything: the rest is not sent.
      if (body instanceof Readable) body.destroy();
    }
  }

  private agentFor(url: URL): Promise<HttpAgent> {
    const key = `${url.protocol} ${this.options.network.proxyFor(url.href) ?? ''}`;
    let agent = this.agents.get(key);
    if (!agent) {
      agent = createAgent(url, this.options.network);
      this.agents.set(key, agent);
    }
    return agent;
  }
}

/** Passes a body on, and notes that it moves. */
function watched(body: Readable, idle: IdleTimer): Readable {
  async function* chunks() {
    for await (const chunk of body) {
      yield chunk;
      idle.touch();
    }
  }
  return Readable.from(chunks(), { objectMode: false });
}

async function readBody(response: Response, idle: IdleTimer): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of (response.body ?? []) as Readable) {
    idle.touch();
    chunks.push(chunk as Buffer);
  }
  return Buffer.concat(chunks);
}

/** Queries may carry signatures; the log needs only the path. */
function withoutQuery(url: string): string {
  return url.replace(/\?.*$/s, '');
}

function connectionError(request: HttpRequest, error: Error, tries: number): ConnectionError {
  const { host } = new URL(request.url);
  const after = tries > 1 ? ` after ${tries} tries` : '';
  return new ConnectionError(`No connection to ${host}${after}: ${explainConnectionError(error)}`, {
    cause: error,
  });
}
