import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { SignIn, TokenState } from './access';
import { ApiError, malformed } from './errors';
import { isObject, type JsonObject, parseJson, writeJson } from './json';

export interface ApiRequest {
  /** `2.0`, `2.1` or `2.2`. */
  readonly version: string;
  /** The query of a GET, the JSON of a POST. */
  readonly fields: JsonObject;
}

/** Answers a request with a JSON object, or with nothing: an empty body is an answer too. */
export type Handler = (request: ApiRequest) => JsonObject | undefined | Promise<JsonObject | undefined>;

/** One part of the API: its versions, and its handlers by method and path, such as `GET /jobs/list`. */
export interface Api {
  readonly versions: readonly string[];
  readonly routes: Record<string, Handler>;
}

/** A request as it came, kept for tests to look at. */
export interface RecordedRequest {
  readonly method: string;
  /** Without the query. */
  readonly path: string;
  readonly headers: IncomingMessage['headers'];
  readonly fields: JsonObject;
  /** 0 until answered, and for ever when the connection was cut. */
  status: number;
}

export interface Answer {
  readonly status: number;
  readonly headers?: Record<string, string>;
  readonly body?: string | JsonObject | undefined;
}

/** What happens to a request instead of its answer. */
export interface Fault {
  /** The answer to give; without one, the connection is cut. */
  readonly answer?: Answer;
  /** Does what was asked for first: only its answer is lost. */
  readonly afterHandling?: boolean;
  /** Leaves the connection open, and never answers. */
  readonly isSilent?: boolean;
}

export interface ServerOptions {
  readonly apis: readonly Api[];
  readonly judgeToken: (token: string) => TokenState;
  /** Whether it says of an expired token that it is that, or takes it for any other wrong one. */
  readonly namesExpiredTokens: boolean;
  readonly signIn: SignIn;
  /** Looks at each request before anything else and may spoil it. */
  readonly intercept: (request: RecordedRequest) => Fault | undefined;
}

export interface ApiServer {
  readonly url: string;
  readonly requests: RecordedRequest[];
  stop(): Promise<void>;
}

/** Serves Databricks' REST API on a free port of 127.0.0.1. */
export async function startServer(options: ServerOptions): Promise<ApiServer> {
  const requests: RecordedRequest[] = [];
  const server = createServer((request, response) => {
    serve(request, response, options, requests).catch((error: Error) => response.destroy(error));
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject).listen(0, '127.0.0.1', resolve);
  });
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    requests,
    stop: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

async function serve(
  incoming: IncomingMessage,
  response: ServerResponse,
  options: ServerOptions,
  requests: RecordedRequest[],
): Promise<void> {
  const body = await readAll(incoming);
  const url = new URL(incoming.url ?? '/', 'http://localhost');
  const recorded: RecordedRequest = {
    method: incoming.method ?? '',
    path: url.pathname,
    headers: incoming.headers,
    fields: Object.fromEntries(url.searchParams),
    status: 0,
  };
  requests.push(recorded);
  let unreadable: ApiError | undefined;
  try {
    Object.assign(recorded.fields, await readFields(incoming, body));
  } catch (error) {
    unreadable = malformed((error as Error).message);
  }

  const fault = options.intercept(recorded);
  if (fault && !fault.afterHandling) return spoil(response, recorded, fault);
  const isSignIn = recorded.method === 'POST' && url.pathname === '/oidc/v1/token';
  const answer = isSignIn
    ? options.signIn.answer(new URLSearchParams(body.toString()), incoming.headers.authorization)
    : (checkToken(incoming, url.pathname, options) ??
      (unreadable ? answerOf(unreadable) : await handle(recorded, options.apis)));
  if (fault) spoil(response, recorded, fault);
  else send(response, recorded, answer);
}

function spoil(response: ServerResponse, recorded: RecordedRequest, { isSilent, answer }: Fault): void {
  if (!isSilent) send(response, recorded, answer);
}

function checkToken(incoming: IncomingMessage, path: string, options: ServerOptions): Answer | undefined {
  const token = /^Bearer (.+)$/.exec(incoming.headers.authorization ?? '')?.[1];
  if (!token) {
    const message = 'Credential was not sent or was of an unsupported type for this API.';
    return { status: 401, body: { error_code: 401, message } };
  }
  const state = options.judgeToken(token);
  if (state === 'valid') return undefined;
  if (state === 'expired' && options.namesExpiredTokens) {
    return { status: 401, body: { error_code: 401, message: 'Access token has expired' } };
  }
  // The page that the web server in front of the API makes of it: no JSON.
  return {
    status: 403,
    headers: { 'Content-Type': 'text/html;charset=utf-8' },
    body: `<html>\n<head>\n<title>Error 403 Invalid access token.</title>\n</head>\n<body><h2>HTTP ERROR 403</h2>\n<p>Problem accessing ${path}. Reason:\n<pre>    Invalid access token.</pre></p>\n</body>\n</html>\n`,
  };
}

async function handle({ method, path, fields }: RecordedRequest, apis: readonly Api[]): Promise<Answer> {
  const [, version, route] = /^\/api\/(\d\.\d)(\/.*)$/.exec(path) ?? [];
  const handler = apis
    .filter((api) => api.versions.includes(version ?? ''))
    .map((api) => api.routes[`${method} ${route}`])
    .find(Boolean);
  if (!version || !handler) {
    return answerOf(new ApiError(404, 'ENDPOINT_NOT_FOUND', `No API found for '${method} ${path}'`));
  }
  try {
    return { status: 200, body: await handler({ version, fields }) };
  } catch (error) {
    return answerOf(error instanceof ApiError ? error : new ApiError(500, 'INTERNAL_ERROR', String(error)));
  }
}

function answerOf(error: ApiError): Answer {
  return { status: error.status, body: error.body };
}

function send(response: ServerResponse, recorded: RecordedRequest, answer: Answer | undefined): void {
  if (!answer) {
    response.destroy();
    return;
  }
  recorded.status = answer.status;
  const text = typeof answer.body === 'string' ? answer.body : answer.body ? writeJson(answer.body) : '';
  response.writeHead(answer.status, {
    'Content-Type': 'application/json',
    'Content-Length': Buffer.byteLength(text),
    ...answer.headers,
  });
  response.end(text);
}

async function readAll(incoming: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of incoming) chunks.push(chunk);
  return Buffer.concat(chunks);
}

/**
 * The fields of a POST: JSON, or a form whose files count as base64 text.
 *
 * @throws when they cannot be read
 */
async function readFields(incoming: IncomingMessage, body: Buffer): Promise<JsonObject> {
  if (incoming.method === 'GET' || body.length === 0) return {};
  const type = incoming.headers['content-type'] ?? '';
  if (type.startsWith('application/x-www-form-urlencoded')) {
    return Object.fromEntries(new URLSearchParams(body.toString()));
  }
  if (type.startsWith('multipart/form-data')) {
    const form = await new Response(new Uint8Array(body), { headers: { 'Content-Type': type } }).formData();
    const fields: JsonObject = {};
    for (const [name, value] of form) {
      fields[name] =
        typeof value === 'string' ? value : Buffer.from(await value.arrayBuffer()).toString('base64');
    }
    return fields;
  }
  const parsed = parseJson(body.toString('utf8'));
  if (!isObject(parsed)) throw new Error('Expected object');
  return parsed;
}
