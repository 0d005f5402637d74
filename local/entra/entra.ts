import type { IncomingMessage } from 'node:http';
import { readBody, serveOnLoopback } from '../loopback';
import { type Answer, type Application, answerTokenRequest, claimsOfAccessToken } from './login';
import { answerOidcRequest, claimsOfOidcToken, OIDC_ISSUER, ORGANIZATION, subjectOf } from './pipelines';

export interface EntraOptions {
  readonly tenantId: string;
  readonly applications: readonly Application[];
  /** `System.AccessToken` of the jobs that may ask Azure DevOps for tokens. */
  readonly accessToken?: string;
  /** The service connections that those jobs refer to. */
  readonly serviceConnections?: readonly { id: string; name: string }[];
  /** Milliseconds that access tokens are good for; an hour by default. */
  readonly tokenLifetime?: number;
  readonly now?: () => number;
  /** Gives another answer to a request than its own: the place to script faults. `cut` closes the connection. */
  readonly intercept?: (request: RecordedRequest) => Answer | 'cut' | undefined;
}

export interface RecordedRequest {
  readonly method: string;
  /** Without the query. */
  readonly path: string;
  readonly headers: IncomingMessage['headers'];
  readonly query: URLSearchParams;
  readonly form: URLSearchParams;
}

export interface Entra {
  /** Where to sign in; stands for `https://login.microsoftonline.com`. */
  readonly url: string;
  /** `System.CollectionUri` of the organization. */
  readonly collectionUri: string;
  /** Who vouches for pipelines and service connections, as `iss` of their tokens. */
  readonly oidcIssuer: string;
  readonly requests: readonly RecordedRequest[];
  /** The `sub` of a token for a service connection of this name, or for the pipeline. */
  oidcSubject(connectionName?: string): string;
  /** What an access token says, for services that are signed in to; undefined when it is not good (any more). */
  accessTokenClaims(token: string): { aud: string; tid: string; appid: string } | undefined;
  /** What an OIDC token of Azure DevOps says, for services that trust pipelines themselves. */
  oidcTokenClaims(token: string): { iss: string; sub: string; aud: string } | undefined;
  stop(): Promise<void>;
}

const HOUR = 60 * 60_000;

/** Starts a login server of Microsoft Entra, and the part of Azure DevOps that vouches for pipelines, on loopback. */
export async function startEntra(options: EntraOptions): Promise<Entra> {
  const now = options.now ?? Date.now;
  const login = { ...options, now, tokenLifetime: options.tokenLifetime ?? HOUR };
  const pipelines = {
    accessToken: options.accessToken ?? '',
    serviceConnections: options.serviceConnections ?? [],
    now,
  };
  const requests: RecordedRequest[] = [];
  let url = '';

  const answer = (request: RecordedRequest): Answer => {
    const { method, path, query, form, headers } = request;
    const tenant = /^\/([^/]+)\/oauth2\/v2\.0\/token$/.exec(path)?.[1];
    if (method === 'POST' && tenant) return answerTokenRequest(login, tenant, form, `${url}${path}`);
    const isJob = OIDC_PATH.test(path);
    if (method === 'POST' && isJob) return answerOidcRequest(pipelines, query, headers);
    return { status: tenant || isJob ? 405 : 404, body: '' };
  };

  const server = await serveOnLoopback(async (incoming, response) => {
    const request = await record(incoming);
    requests.push(request);
    const scripted = options.intercept?.(request);
    if (scripted === 'cut') return void incoming.socket.destroy();
    const { status, headers, body } = scripted ?? answer(request);
    const type = typeof body === 'string' ? 'text/html' : 'application/json';
    response.writeHead(status, { 'Content-Type': `${type}; charset=utf-8`, ...headers });
    response.end(typeof body === 'string' ? body : JSON.stringify(body));
  });
  url = server.url;

  return {
    url,
    collectionUri: `${url}/${ORGANIZATION}/`,
    oidcIssuer: OIDC_ISSUER,
    requests,
    oidcSubject: subjectOf,
    accessTokenClaims: (token) => claimsOfAccessToken(login, token),
    oidcTokenClaims: (token) => claimsOfOidcToken(pipelines, token),
    stop: server.stop,
  };
}

const OIDC_PATH = new RegExp(
  `^/${ORGANIZATION}/[^/]+/_apis/distributedtask/hubs/(?:build|release|deployment)/plans/[\\w-]+/jobs/[\\w-]+/oidctoken$`,
);

async function record(incoming: IncomingMessage): Promise<RecordedRequest> {
  const body = await readBody(incoming);
  const url = new URL(incoming.url ?? '/', 'http://localhost');
  return {
    method: incoming.method ?? '',
    path: url.pathname,
    headers: incoming.headers,
    query: url.searchParams,
    form: new URLSearchParams(body.toString()),
  };
}
