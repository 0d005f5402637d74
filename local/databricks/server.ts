import type { IncomingMessage, ServerResponse } from 'node:http';
import { type LoopbackServer, readBody, serveOnLoopback } from '../loopback';
import type { Identity, SignIn } from './access';
import { type Api, FileAnswer, findRoute, type HandlerAnswer } from './api';
import { readFields, readForm } from './body';
import type { ContentAnswer } from './catalog/file-answer';
import { type FilesApi, isFilePath } from './catalog/files-api';
import { discover, type HostOptions, isForWorkspace, tokenPath } from './discovery';
import { ApiError, malformed } from './errors';
import { type JsonObject, writeJson } from './json';

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
  readonly body?: string | HandlerAnswer;
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
  readonly host: HostOptions;
  readonly judgeToken: (token: string) => Identity;
  /** Whether it says of an expired token that it is that, or takes it for any other wrong one. */
  readonly namesExpiredTokens: boolean;
  readonly signIn: SignIn;
  /** Files by paths with slashes, where there are any. */
  readonly files: FilesApi;
  /** Looks at each request before anything else and may spoil it. */
  readonly intercept: (request: RecordedRequest) => Fault | undefined;
}

export interface ApiServer extends LoopbackServer {
  readonly requests: RecordedRequest[];
}

/** Serves Databricks' REST API on a free port of 127.0.0.1. */
export async function startServer(options: ServerOptions): Promise<ApiServer> {
  const requests: RecordedRequest[] = [];
  const server = await serveOnLoopback((request, response) => serve(request, response, options, requests));
  return { ...server, requests };
}

async function serve(
  incoming: IncomingMessage,
  response: ServerResponse,
  options: ServerOptions,
  requests: RecordedRequest[],
): Promise<void> {
  const body = await readBody(incoming);
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
    const isForm = url.pathname === tokenPath(options.host);
    const type = incoming.headers['content-type'];
    if (!isFilePath(url.pathname))
      Object.assign(recorded.fields, isForm ? readForm(body) : await readFields(body, type));
  } catch (error) {
    unreadable = malformed((error as Error).message);
  }

  const fault = options.intercept(recorded);
  if (fault && !fault.afterHandling) return spoil(response, recorded, fault);
  const answer =
    answerToAnyone(recorded, options) ??
    (await answerToUser({ ...recorded, body }, url.searchParams, unreadable, options));
  if (fault) spoil(response, recorded, fault);
  else send(response, recorded, answer);
}

/** Signs somebody in, or tells what the host tells everybody. */
function answerToAnyone(
  { method, path, headers, fields }: RecordedRequest,
  { host, signIn }: ServerOptions,
): Answer | undefined {
  if (method === 'POST' && path === tokenPath(host)) return signIn.answer(fields, headers.authorization);
  const found = method === 'GET' ? discover(path, `http://${headers.host}`, host) : undefined;
  return found && { status: 200, body: found };
}

async function answerToUser(
  recorded: RecordedRequest & { readonly body: Buffer },
  query: URLSearchParams,
  unreadable: ApiError | undefined,
  options: ServerOptions,
): Promise<Answer> {
  const { method, path, headers } = recorded;
  const identity = identify(recorded, options);
  if (typeof identity !== 'string') return identity;
  if (unreadable) return answerOf(unreadable);
  const file = answerFromFiles(recorded, query, options);
  if (file) return file;
  const route = findRoute(options.apis, method, path);
  // What a unified host says to a request that names no workspace is not documented; such an API is not the account's.
  if (!route || !isForWorkspace(headers, query, options.host)) {
    return answerOf(new ApiError(404, 'ENDPOINT_NOT_FOUND', `No API found for '${method} ${path}'`));
  }
  const { version, handler } = route;
  try {
    const fields = { ...recorded.fields, ...route.fields };
    return { status: 200, body: await handler({ version, fields, user: identity }) };
  } catch (error) {
    return answerOf(error);
  }
}

function answerFromFiles(
  { method, path, headers, body }: RecordedRequest & { readonly body: Buffer },
  query: URLSearchParams,
  { files, host }: ServerOptions,
): Answer | undefined {
  if (!isForWorkspace(headers, query, host)) return undefined;
  try {
    const answer = files.answer({ method, path, query, headers, body });
    if (!answer) return undefined;
    if (!isContent(answer)) return { status: 200, body: answer };
    return { status: answer.status, headers: answer.headers, body: new FileAnswer('file', answer.content) };
  } catch (error) {
    return answerOf(error);
  }
}

function isContent(answer: JsonObject | ContentAnswer): answer is ContentAnswer {
  return Buffer.isBuffer((answer as ContentAnswer).content);
}

function spoil(response: ServerResponse, recorded: RecordedRequest, { isSilent, answer }: Fault): void {
  if (!isSilent) send(response, recorded, answer);
}

/** Who asks, or why that is not believed. */
function identify({ headers, path }: RecordedRequest, options: ServerOptions): string | Answer {
  const token = /^Bearer (.+)$/.exec(headers.authorization ?? '')?.[1];
  if (!token) {
    const message = 'Credential was not sent or was of an unsupported type for this API.';
    return { status: 401, body: { error_code: 401, message } };
  }
  const identity = options.judgeToken(token);
  if (identity.state === 'valid') return identity.user;
  if (identity.state === 'expired' && options.namesExpiredTokens) {
    return { status: 401, body: { error_code: 401, message: 'Access token has expired' } };
  }
  // The page that the web server in front of the API makes of it: no JSON.
  return {
    status: 403,
    headers: { 'Content-Type': 'text/html;charset=utf-8' },
    body: `<html>\n<head>\n<title>Error 403 Invalid access token.</title>\n</head>\n<body><h2>HTTP ERROR 403</h2>\n<p>Problem accessing ${path}. Reason:\n<pre>    Invalid access token.</pre></p>\n</body>\n</html>\n`,
  };
}

/** An error that nobody foresaw is the workspace's own, and says so. */
function answerOf(error: unknown): Answer {
  const { status, body } =
    error instanceof ApiError ? error : new ApiError(500, 'INTERNAL_ERROR', String(error));
  return { status, body };
}

function send(response: ServerResponse, recorded: RecordedRequest, answer: Answer | undefined): void {
  if (!answer) {
    response.destroy();
    return;
  }
  recorded.status = answer.status;
  const content = bytesOf(answer.body);
  response.writeHead(answer.status, {
    'Content-Type': 'application/json',
    'Content-Length': content.length,
    ...(answer.body instanceof FileAnswer && {
      'Content-Type': 'application/octet-stream',
      'Content-Disposition': `attachment; filename="${encodeURIComponent(answer.body.name)}"`,
    }),
    ...answer.headers,
  });
  response.end(content);
}

function bytesOf(body: Answer['body']): Buffer {
  if (body instanceof FileAnswer) return body.content;
  return Buffer.from(typeof body === 'string' ? body : body ? writeJson(body) : '');
}
