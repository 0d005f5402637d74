import { createHash, randomUUID, X509Certificate } from 'node:crypto';
import { isOwnJwt, isSignedBy, issueJwt, type Jwt, parseJwt } from './jwt';

export interface Application {
  readonly clientId: string;
  readonly secret?: string;
  /** The secret was good once. */
  readonly secretExpired?: boolean;
  /** PEM. */
  readonly certificate?: string;
  /** Whom it trusts to vouch for it. */
  readonly federatedCredentials?: readonly { issuer: string; subject: string; audience?: string }[];
}

export interface LoginOptions {
  readonly tenantId: string;
  readonly applications: readonly Application[];
  /** Milliseconds. */
  readonly tokenLifetime: number;
  readonly now: () => number;
}

export interface Answer {
  readonly status: number;
  readonly headers?: Record<string, string>;
  readonly body: object | string;
}

export const FEDERATION_AUDIENCE = 'api://AzureADTokenExchange';

/** Something is wrong with a request for a token; code and words are Microsoft Entra's. */
class Refusal extends Error {
  constructor(
    readonly error: string,
    readonly code: number,
    words: string,
  ) {
    super(`AADSTS${code}: ${words}`);
  }
}

/** Answers `POST /<tenant>/oauth2/v2.0/token`, for the grant of client credentials. `url` is its address. */
export function answerTokenRequest(
  options: LoginOptions,
  tenant: string,
  form: URLSearchParams,
  url: string,
): Answer {
  try {
    const application = findApplication(options, tenant, form);
    const scope = form.get('scope') ?? '';
    const audience = /^(.+)\/\.default$/.exec(scope)?.[1];
    if (!audience) {
      const words = `The provided value for scope ${scope} is not valid. Client credential flows must have a scope value with /.default suffixed to the resource identifier (application ID URI).`;
      throw new Refusal('invalid_scope', 1002012, words);
    }
    prove(options, application, form, url);
    return { status: 200, body: issue(options, application, audience) };
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    return refuse(error, options.now());
  }
}

/** Who a token of this server is for, while it is good. */
export function claimsOfAccessToken(
  { now }: LoginOptions,
  token: string,
): { aud: string; tid: string; appid: string } | undefined {
  const jwt = parseJwt(token);
  if (!jwt || !isOwnJwt(jwt) || !jwt.claims.appid || Number(jwt.claims.exp) * 1000 <= now()) return undefined;
  return jwt.claims as { aud: string; tid: string; appid: string };
}

function issue(options: LoginOptions, { clientId }: Application, audience: string): object {
  const seconds = Math.floor(options.now() / 1000);
  const lifetime = Math.floor(options.tokenLifetime / 1000);
  const token = issueJwt({
    aud: audience,
    iss: `https://sts.windows.net/${options.tenantId}/`,
    iat: seconds,
    nbf: seconds,
    exp: seconds + lifetime,
    appid: clientId,
    tid: options.tenantId,
    uti: randomUUID(),
  });
  return { token_type: 'Bearer', expires_in: lifetime, ext_expires_in: lifetime, access_token: token };
}

function findApplication(options: LoginOptions, tenant: string, form: URLSearchParams): Application {
  if (tenant !== options.tenantId) {
    const words = `Tenant '${tenant}' not found. Check to make sure you have the correct tenant ID and are signing into the correct cloud. Check with your subscription administrator, this may happen if there are no active subscriptions for the tenant.`;
    throw new Refusal('invalid_request', 90002, words);
  }
  if (form.get('grant_type') !== 'client_credentials') {
    const words = `The app requested an unsupported grant type '${form.get('grant_type')}'.`;
    throw new Refusal('unsupported_grant_type', 70003, words);
  }
  const clientId = form.get('client_id');
  const application = options.applications.find((candidate) => candidate.clientId === clientId);
  if (application) return application;
  const words = `Application with identifier '${clientId}' was not found in the directory '${tenant}'. This can happen if the application has not been installed by the administrator of the tenant or consented to by any user in the tenant. You may have sent your authentication request to the wrong tenant.`;
  throw new Refusal('unauthorized_client', 700016, words);
}

function prove(options: LoginOptions, application: Application, form: URLSearchParams, url: string): void {
  const secret = form.get('client_secret');
  if (secret === null) checkAssertion(options, application, form, url);
  else checkSecret(application, secret);
}

function checkAssertion(
  options: LoginOptions,
  application: Application,
  form: URLSearchParams,
  url: string,
): void {
  const assertion = parseJwt(form.get('client_assertion') ?? '');
  if (
    !assertion ||
    form.get('client_assertion_type') !== 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer'
  ) {
    const words =
      "The request body must contain the following parameter: 'client_assertion' or 'client_secret'.";
    throw new Refusal('invalid_client', 7000218, words);
  }
  if (assertion.claims.iss === application.clientId) checkCertificate(application, assertion, url);
  else checkFederation(application, assertion);
  checkTime(assertion, options.now());
}

function checkSecret({ clientId, secret, secretExpired }: Application, given: string): void {
  if (secret === undefined || given !== secret) {
    const words = `Invalid client secret provided. Ensure the secret being sent in the request is the client secret value, not the client secret ID, for a secret added to app '${clientId}'.`;
    throw new Refusal('invalid_client', 7000215, words);
  }
  if (secretExpired) {
    const words = `The provided client secret keys for app '${clientId}' are expired. Visit the Azure portal to create new keys for your app: https://aka.ms/NewClientSecret, or consider using certificate credentials for added security: https://aka.ms/certCreds.`;
    throw new Refusal('invalid_client', 7000222, words);
  }
}

function checkCertificate({ clientId, certificate }: Application, assertion: Jwt, url: string): void {
  const known = certificate === undefined ? undefined : new X509Certificate(certificate);
  const thumbprint = (algorithm: string) =>
    known && createHash(algorithm).update(known.raw).digest('base64url');
  const { 'x5t#S256': sha256, x5t: sha1 } = assertion.header;
  const isKnown = sha256 === undefined ? sha1 === thumbprint('sha1') : sha256 === thumbprint('sha256');
  if (!known || !isKnown) {
    const words = `The certificate with identifier used to sign the client assertion is not registered on application. [Reason - The key was not found., Please visit the Azure Portal, Graph Explorer or directly use MS Graph to see configured keys for app Id '${clientId}'.]`;
    throw new Refusal('invalid_client', 700027, words);
  }
  if (!isSignedBy(assertion, known.publicKey)) {
    const words = 'Client assertion failed signature validation.';
    throw new Refusal('invalid_client', 700027, words);
  }
  if (assertion.claims.aud !== url || assertion.claims.sub !== clientId) {
    const words = `Client assertion audience claim does not match Realm issuer. Expected: ${url}.`;
    throw new Refusal('invalid_client', 700023, words);
  }
}

function checkFederation({ clientId, federatedCredentials = [] }: Application, assertion: Jwt): void {
  const { iss, sub, aud } = assertion.claims;
  if (!isOwnJwt(assertion)) {
    throw new Refusal('invalid_client', 700027, 'Client assertion failed signature validation.');
  }
  if (federatedCredentials.length === 0) {
    const words = `The client '${clientId}' has no configured federated identity credentials.`;
    throw new Refusal('invalid_client', 70025, words);
  }
  const ofIssuer = federatedCredentials.filter(({ issuer }) => issuer === iss);
  if (ofIssuer.length === 0) throw unmatched(700211, `issuer '${iss}'`);
  const ofSubject = ofIssuer.filter(({ subject }) => subject === sub);
  if (ofSubject.length === 0) {
    const isNear = ofIssuer.some(({ subject }) => subject.toLowerCase() === String(sub).toLowerCase());
    if (!isNear) throw unmatched(700213, `subject '${sub}'`);
    const why =
      ' The subject matches with case-insensitive comparison, but not with case-sensitive comparison.';
    throw unmatched(7002138, `subject '${sub}'`, why);
  }
  if (!ofSubject.some(({ audience = FEDERATION_AUDIENCE }) => audience === aud)) {
    throw unmatched(700212, `audience '${aud}'`);
  }
}

function unmatched(code: number, what: string, why = ''): Refusal {
  const words = `No matching federated identity record found for presented assertion ${what}.${why} Check your federated identity credential Subject, Audience and Issuer against the presented assertion. https://learn.microsoft.com/entra/workload-id/workload-identity-federation`;
  return new Refusal('invalid_client', code, words);
}

function checkTime({ claims: { nbf, exp } }: Jwt, now: number): void {
  const skew = 5 * 60;
  const seconds = now / 1000;
  if (seconds >= Number(nbf) - skew && seconds < Number(exp) + skew) return;
  const show = (time: number) => new Date(time).toISOString();
  const words = `Client assertion is not within its valid time range. Current time: ${show(now)}, assertion valid from ${show(Number(nbf) * 1000)}, expiry time of assertion ${show(Number(exp) * 1000)}.`;
  throw new Refusal('invalid_client', 700024, words);
}

function refuse({ error, code, message }: Refusal, now: number): Answer {
  const [trace_id, correlation_id] = [randomUUID(), randomUUID()];
  const timestamp = new Date(now).toISOString().replace(/\.\d+/, '').replace('T', ' ');
  const trailer = `Trace ID: ${trace_id} Correlation ID: ${correlation_id} Timestamp: ${timestamp}`;
  return {
    status: error === 'invalid_client' ? 401 : 400,
    body: {
      error,
      error_description: `${message} ${trailer}`,
      error_codes: [code],
      timestamp,
      trace_id,
      correlation_id,
      error_uri: `https://login.microsoftonline.com/error?code=${code}`,
    },
  };
}
