import { randomUUID } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';
import { isOwnJwt, issueJwt, parseJwt } from './jwt';
import { type Answer, FEDERATION_AUDIENCE } from './login';

export interface PipelineOptions {
  readonly organization: string;
  /** GUID; part of the issuer's address. */
  readonly organizationId: string;
  readonly project: string;
  readonly pipeline: string;
  /** The job's `System.AccessToken`. */
  readonly accessToken: string;
  /** Those that the job refers to; it gets tokens for no others. */
  readonly serviceConnections: readonly { id: string; name: string }[];
  readonly now: () => number;
}

/** Seconds. */
const LIFETIME = 600;

/** Who vouches for the pipelines of an organization of Azure DevOps. */
export function issuerOf({ organizationId }: PipelineOptions): string {
  return `https://vstoken.dev.azure.com/${organizationId}`;
}

/** The subject of a token for one of the service connections, or for the pipeline itself. */
export function subjectOf(options: PipelineOptions, connectionName?: string): string {
  const { organization, project, pipeline } = options;
  return connectionName
    ? `sc://${organization}/${project}/${connectionName}`
    : `p://${organization}/${project}/${pipeline}`;
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
    iss: issuerOf(options),
    sub: subjectOf(options, connection?.name),
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
  if (jwt.claims.iss !== issuerOf(options)) return undefined;
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
