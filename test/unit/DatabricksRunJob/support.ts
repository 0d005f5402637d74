import { Headers } from 'node-fetch';
import { throwIfCancelled } from '../../../tasks/common/cancel';
import type { Clock } from '../../../tasks/common/clock';
import {
  DatabricksClient,
  type TokenProvider,
  type Transport,
} from '../../../tasks/common/databricks/client';
import { CancelledError } from '../../../tasks/common/errors';
import type { HttpAnswer, HttpRequest } from '../../../tasks/common/http';
import { type AgentLog, createLogger } from '../../../tasks/common/log';

export const ORIGIN = 'https://adb-1234567890123456.7.azuredatabricks.net';

export const ACCESS = {
  host: "input 'databricksHost'",
  token: `input 'databricksToken' holds a token of ${ORIGIN}`,
};

/** A request as the service sees it. */
export interface Received {
  readonly method: string;
  readonly path: string;
  readonly query: Readonly<Record<string, string>>;
  /** The body as sent, and parsed. */
  readonly text: string;
  readonly body: Record<string, unknown>;
  readonly request: HttpRequest;
}

export type Handler = (received: Received) => HttpAnswer | object | Promise<HttpAnswer | object>;

/** An answer other than 200 with JSON. */
export function answer(
  status: number,
  body: string | object = '',
  headers: Record<string, string> = {},
): HttpAnswer {
  const text = typeof body === 'string' ? body : JSON.stringify(body);
  return { status, headers: new Headers(headers), body: Buffer.from(text) };
}

/** An error as Databricks words it today. */
export function failure(
  status: number,
  errorCode: string,
  message: string,
  details: object[] = [],
): HttpAnswer {
  return answer(status, { error_code: errorCode, message, details });
}

/** The handlers' answers one after the other; the last one stays. */
export function inTurn(...handlers: (Handler | HttpAnswer | object)[]): Handler {
  let turn = 0;
  return (received) => {
    const handler = handlers[Math.min(turn++, handlers.length - 1)]!;
    return typeof handler === 'function' ? (handler as Handler)(received) : handler;
  };
}

/** A workspace scripted route by route. Like the step's client, it sends nothing for a step that was cancelled. */
export class FakeDatabricks implements Transport {
  readonly received: Received[] = [];
  private readonly routes = new Map<string, Handler>();

  /** @param route method and the last two parts of the path: `POST jobs/run-now` */
  on(route: string, handler: Handler | HttpAnswer | object): this {
    this.routes.set(route, inTurn(handler));
    return this;
  }

  async send(request: HttpRequest): Promise<HttpAnswer> {
    if (request.signal) throwIfCancelled(request.signal);
    const url = new URL(request.url);
    const text = request.body?.toString() ?? '';
    const received: Received = {
      method: request.method,
      path: url.pathname,
      query: Object.fromEntries(url.searchParams),
      text,
      body: parseBody(text),
      request,
    };
    this.received.push(received);
    const handler = this.routes.get(routeOf(received));
    if (!handler)
      return failure(404, 'ENDPOINT_NOT_FOUND', `No API found for ${request.method} ${url.pathname}`);
    const result = await handler(received);
    return 'headers' in result && result.headers instanceof Headers
      ? (result as HttpAnswer)
      : answer(200, result);
  }

  /** The requests of a route, in order. */
  to(route: string): Received[] {
    return this.received.filter((received) => routeOf(received) === route);
  }
}

/** JSON, or the form that signs in. */
function parseBody(text: string): Record<string, unknown> {
  return /^\s*\{/.test(text) ? JSON.parse(text) : Object.fromEntries(new URLSearchParams(text));
}

function routeOf({ method, path }: Received): string {
  return `${method} ${path.split('/').slice(-2).join('/')}`;
}

/** A clock that stands still except for waiting, which takes no time. */
export class FakeClock implements Clock {
  private time = 0;
  readonly waits: number[] = [];

  now(): number {
    return this.time;
  }

  async sleep(milliseconds: number, signal: AbortSignal): Promise<void> {
    if (signal.aborted) throw new CancelledError();
    this.time += milliseconds;
    this.waits.push(milliseconds);
  }
}

export interface CollectedLog {
  readonly log: AgentLog;
  readonly lines: string[];
  text(): string;
}

/** The task's own log, collected instead of printed. */
export function collectLog(): CollectedLog {
  const lines: string[] = [];
  return { log: createLogger((line) => lines.push(line)), lines, text: () => lines.join('\n') };
}

export function clientOf(
  http: Transport,
  log = collectLog().log,
  signal = new AbortController().signal,
  token: TokenProvider = async () => 'dapi-secret',
): DatabricksClient {
  return new DatabricksClient({
    workspace: { origin: ORIGIN, workspaceId: undefined },
    token,
    access: ACCESS,
    http,
    log,
    signal,
    clock: new FakeClock(),
  });
}
