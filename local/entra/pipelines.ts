import { randomUUID } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';
import { isOwnJwt, issueJwt, parseJwt } from './jwt';
import { type Answer, FEDERATION_AUDIENCE } from './login';

/** The organization whose jobs ask. */
export const ORGANIZATION = 'demo';
const PROJECT = 'local';
const PIPELINE = 'pipeline';

/** Who vouches for the pipelines of the organization, whose GUID is part of the address. */
export const OIDC_ISSUER = 'https://vstoken.dev.azure.com/d0a3bd55-8a21-4b3a-93c7-2c1d32b4a6f1';

export interface PipelineOptions {
  /** The job's `System.AccessToken`. */
  readonly accessToken: string;
  /** Those that the job refers to; it gets tokens for no others. */
  readonly serviceConnections: readonly { id: string; name: string }[];
  readonly now: () => number;
}

/** Seconds. */
const LIFETIME = 600;

/** The subject of a token for one of the service connections, or for the pipeline itself. */
export function subjectOf(connectionName?: string): string {
  return connectionName
    ? `sc://${ORGANIZATION}/${PROJECT}/${connectionName}`
    : `p://${ORGANIZATION}/${PROJECT}/${PIPELINE}`;
}

/** Answers `POST …/plans/<plan>/jobs/<job>/oidctoken` as Azure DevOps does. */
export function answerOidcRequest(
  options: PipelineOptions,
  query: URLSearchParams,
  headers: IncomingHttpHeaders,
): Answer {
  if (headers.authorization !== `Bearer ${options.accessToken}`) return refuseCaller(headers);
  if (!query.has('api-version')) {
    const message =
      'No api-version was supplied for the "POST" request. The version must be supplied either as part of the Accept header or as a query parameter.';
    return { status: 400, body: { $id: '1', message, typeKey: 'VssVersionNotSpecifiedException' } };
  }
  const id = query.get('serviceConnectionId');
  const connection = options.serviceConnections.find(
    (candidate) => candidate.id.toLowerCase() === id?.toLowerCase(),
  );
  if (id !== null && !connection) {
    const value = `There is no explicit reference to service connection ${id} from current stage __default.Job.__default.`;
    return { status: 400, body: { count: value.length, value } };
  }
  const seconds = Math.floor(options.now() / 1000);
  const oidcToken = issueJwt({
    jti: randomUUID(),
    iss: OIDC_ISSUER,
    sub: subjectOf(connection?.name),
    aud: FEDERATION_AUDIENCE,
    nbf: seconds,
    iat: seconds,
    exp: seconds + LIFETIME,
  });
  return { status: 200, body: { oidcToken } };
}

/** What a token says that {@link answerOidcRequest} gave, while it is good. */
export function claimsOfOidcToken(
  options: PipelineOptions,
  token: string,
): { iss: string; sub: string; aud: string } | undefined {
  const jwt = parseJwt(token);
  if (!jwt || !isOwnJwt(jwt) || Number(jwt.claims.exp) * 1000 <= options.now()) return undefined;
  if (jwt.claims.iss !== OIDC_ISSUER) return undefined;
  return jwt.claims as { iss: string; sub: string; aud: string };
}

function refuseCaller(headers: IncomingHttpHeaders): Answer {
  if (headers['x-tfs-fedauthredirect'] === 'Suppress') return { status: 401, body: '' };
  const page = '<html><head><title>Object moved</title></head><body></body></html>';
  return {
    status: 302,
    headers: { Location: 'https://spsprodcus3.vssps.visualstudio.com/_signin' },
    body: page,
  };
}
