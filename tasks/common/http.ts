import type { Agent as HttpAgent } from 'node:http';
import { Readable } from 'node:stream';
import type { Headers, Response } from 'node-fetch';
import { IdleTimer, sleep, throwIfCancelled } from './cancel';
import { createAgent, explainNoAnswer, isHopeless, reasonOf } from './connection';
import { TaskError } from './errors';
import { ANSWER_LIMITS, type AnswerKind, type AnswerLimits } from './limits';
import type { Logger } from './log';
import type { NetworkSettings } from './network';
import { DEFAULT_RETRY, isRetryableStatus, Patience, type RetryPolicy } from './retry';
import { formatBytes, formatDuration } from './text';
import { type TroubledRequest, Troubles } from './trouble';

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
  /** What is asked for, by which the size and the time of the answer are limited; `usual` by default. */
  readonly answer?: AnswerKind;
  readonly signal?: AbortSignal;
}

export interface HttpAnswer {
  readonly status: number;
  readonly headers: Headers;
  /** The beginning of it, where a refusal is long. */
  readonly body: Buffer;
  /** Whether an earlier try of the same request failed that may have been heard all the same. */
  readonly isRepeat?: boolean;
}

/** No try ended with a usable answer: the host was not found, refused, hung, could not be trusted, or answered nonsense. */
export class ConnectionError extends TaskError {}

export interface HttpClientOptions {
  readonly log: Logger;
  readonly signal: AbortSignal;
  readonly network: NetworkSettings;
  readonly userAgent: string;
  readonly retry?: RetryPolicy;
  readonly sleep?: typeof sleep;
}

const DEFAULT_IDLE_TIMEOUT = 30_000;

/** The status for who asks too often, and has changed nothing. */
const TURNED_AWAY = 429;

/**
 * Sends HTTP requests the way every task must: through the agent's proxy and with its certificates, with timeouts,
 * and with retries that the log explains. Redirects are not followed: none of the services here redirects a caller
 * who is at the right address. Answers of any status are returned; only the lack of one is an error.
 */
export class HttpClient {
  private readonly agents = new Map<string, HttpAgent>();
  private readonly troubles: Troubles;

  constructor(private readonly options: HttpClientOptions) {
    this.troubles = new Troubles(options.log);
  }

  async send(request: HttpRequest): Promise<HttpAnswer> {
    const policy = request.retry ?? this.options.retry ?? DEFAULT_RETRY;
    const signal = request.signal ?? this.options.signal;
    const patience = new Patience(policy);
    let trouble: TroubledRequest | undefined;
    let served = false;
    let isRepeat = false;
    try {
      for (;;) {
        const begun = performance.now();
        const outcome = await this.try(request, signal);
        const retryAfter = outcome instanceof Error ? null : outcome.headers.get('retry-after');
        const wait = mayMend(outcome, request)
          ? patience.next(performance.now() - begun, retryAfter)
          : undefined;
        if (wait === undefined) {
          if (outcome instanceof Error) throw connectionError(request, outcome, patience);
          served = !isRetryableStatus(outcome.status);
          if (trouble && !served) this.options.log.info(`${describe(request, outcome)}${after(patience)}.`);
          return { ...outcome, isRepeat };
        }

        isRepeat ||= outcome instanceof Error || outcome.status !== TURNED_AWAY;
        const what = describe(request, outcome);
        if (trouble) trouble.fail();
        else trouble = this.troubles.begin(new URL(request.url).host, what, policy.forMilliseconds);
        this.options.log.debug(`${what}. Trying again in ${(wait / 1000).toFixed(1)} s.`);
        await (this.options.sleep ?? sleep)(wait, signal);
      }
    } finally {
      trouble?.end(served);
    }
  }

  /** Closes idle connections, so that the process can end. */
  close(): void {
    for (const agent of this.agents.values()) agent.destroy();
  }

  private async try(request: HttpRequest, signal: AbortSignal): Promise<HttpAnswer | Error> {
    // Loaded when it is needed: a step that only has mistakes in its inputs ends without it, and no step waits for it to begin.
    const { fetch } = await import('./fetch');
    // Where a signal is aborted already, node-fetch breaks off a body that nobody listens to, which ends the process.
    throwIfCancelled(signal);
    const idle = new IdleTimer(request.idleTimeout ?? DEFAULT_IDLE_TIMEOUT, signal);
    const agent = this.agentFor(new URL(request.url));
    const body = typeof request.body === 'function' ? watched(request.body(), idle) : request.body;
    let response: Response | undefined;
    try {
      response = await fetch(request.url, {
        method: request.method,
        headers: { 'User-Agent': this.options.userAgent, ...request.headers },
        redirect: 'manual',
        agent,
        signal: idle.signal as never,
        ...(body !== undefined && { body }),
      });
      const { status, headers } = response;
      const content =
        status < 300
          ? await readBody(response, idle, ANSWER_LIMITS[request.answer ?? 'usual'])
          : await readRefusal(response, idle);
      this.options.log.debug(
        `${request.method} ${withoutQuery(request.url)}: HTTP ${status}, ${content.length} bytes`,
      );
      return { status, headers, body: content };
    } catch (error) {
      throwIfCancelled(signal);
      return failureOf(error, response !== undefined, idle);
    } finally {
      idle.stop();
      // A server may answer before it has read everything: the rest is not sent.
      if (body instanceof Readable) body.destroy();
    }
  }

  private agentFor(url: URL): HttpAgent {
    const key = `${url.protocol} ${this.options.network.proxyFor(url.href)?.url ?? ''}`;
    let agent = this.agents.get(key);
    if (!agent) {
      agent = createAgent(url, this.options.network);
      this.agents.set(key, agent);
    }
    return agent;
  }
}

/** Bytes of a body that must go before each silence is over: a server that takes a byte now and then holds no step. */
const LEAST_SENT = 16 * 1024;

/** Passes a body on, and notes that it moves. */
function watched(body: Readable, idle: IdleTimer): Readable {
  async function* chunks() {
    let sent = 0;
    for await (const chunk of body) {
      yield chunk;
      sent += (chunk as Buffer).length;
      if (sent < LEAST_SENT) continue;
      sent = 0;
      idle.touch();
    }
    idle.touch();
  }
  return Readable.from(chunks(), { objectMode: false });
}

/** An answer came that is of no use. */
class AnswerError extends Error {
  constructor(
    message: string,
    readonly code: string | undefined,
  ) {
    super(message);
  }
}

/** An answer that is too much, or takes too long to come. */
class LimitError extends AnswerError {
  constructor(
    message: string,
    readonly read: Buffer,
    code: 'ERR_TOO_LARGE' | 'ERR_TOO_SLOW',
  ) {
    super(message, code);
  }
}

/** Codes of what Node can't read as HTTP. */
const NOT_HTTP = /^HPE_/;

/** @param isAnswered whether an answer had begun to come */
function failureOf(error: unknown, isAnswered: boolean, idle: IdleTimer): Error {
  if (error instanceof AnswerError) return error;
  if (idle.expired) {
    const pause = `${idle.milliseconds / 1000} s`;
    if (!isAnswered) return new Error(`no answer within ${pause}`);
    return new AnswerError(`the answer stopped, and nothing came for ${pause}`, undefined);
  }
  const failure: NodeJS.ErrnoException = error instanceof Error ? error : new Error(String(error));
  const { code } = failure;
  return isAnswered || NOT_HTTP.test(code ?? '') ? new AnswerError(reasonOf(failure), code) : failure;
}

/** @throws LimitError */
async function readBody(response: Response, idle: IdleTimer, limits: AnswerLimits): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  const begun = performance.now();
  for await (const chunk of (response.body ?? []) as Readable) {
    idle.touch();
    chunks.push(chunk as Buffer);
    bytes += chunk.length;
    if (bytes > limits.bytes) {
      const most = formatBytes(limits.bytes);
      throw new LimitError(`the answer is larger than ${most}`, Buffer.concat(chunks), 'ERR_TOO_LARGE');
    }
    if (performance.now() - begun > limits.milliseconds) {
      const longest = formatDuration(limits.milliseconds);
      throw new LimitError(`the answer did not end within ${longest}`, Buffer.concat(chunks), 'ERR_TOO_SLOW');
    }
  }
  return Buffer.concat(chunks);
}

/** The beginning of an answer that is a refusal: its status has said what counts. */
async function readRefusal(response: Response, idle: IdleTimer): Promise<Buffer> {
  try {
    return await readBody(response, idle, ANSWER_LIMITS.refusal);
  } catch (error) {
    if (error instanceof LimitError) return error.read.subarray(0, ANSWER_LIMITS.refusal.bytes);
    throw error;
  }
}

/** Whether the same request may do better a little later, and does no harm then. */
function mayMend(outcome: HttpAnswer | Error, { method, body, repeatable }: HttpRequest): boolean {
  const isRepeatable = repeatable ?? (method === 'GET' || method === 'HEAD');
  if (outcome instanceof Error) return isRepeatable && !isHopeless(outcome);
  // What is streamed is repeated by its sender.
  const isTurnedAway = outcome.status === TURNED_AWAY && typeof body !== 'function';
  return isRetryableStatus(outcome.status) && (isRepeatable || isTurnedAway);
}

/** A request and what became of it. Queries may carry signatures; the log needs only the path. */
function describe({ method, url }: HttpRequest, outcome: HttpAnswer | Error): string {
  const reason = outcome instanceof Error ? reasonOf(outcome) : `HTTP ${outcome.status}`;
  return `${method} ${withoutQuery(url)}: ${reason}`;
}

function withoutQuery(url: string): string {
  return url.replace(/\?.*$/s, '');
}

/** Goes on from what failed. */
function after({ failures, spent }: Patience): string {
  return failures > 1 ? ` after ${failures} tries in ${formatDuration(spent)}` : '';
}

function connectionError(request: HttpRequest, error: Error, patience: Patience): ConnectionError {
  const { host } = new URL(request.url);
  const message = explainNoAnswer(host, error, error instanceof AnswerError, after(patience));
  return new ConnectionError(message, { cause: error });
}
