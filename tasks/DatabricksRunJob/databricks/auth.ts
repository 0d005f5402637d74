import { EntraTokens, type SignInServices } from '../../common/entra';
import { claimsOf } from '../../common/entra-errors';
import { CancelledError, describeError, TaskError } from '../../common/errors';
import { bound, defuse, stripControls } from '../../common/foreign-text';
import type { HttpAnswer } from '../../common/http';
import { isRetryableStatus } from '../../common/retry';
import type { AzureServiceConnection } from '../../common/service-connection';
import type { TokenProvider } from './client';
import { explainRedirect, SignInError } from './errors';

/** By what the step proves to Databricks who it is. */
export type Credential =
  | { readonly kind: 'token'; readonly token: string }
  /** Microsoft Entra's token for the identity of a service connection. */
  | { readonly kind: 'entra'; readonly connection: AzureServiceConnection }
  /** A service principal of Databricks with its secret: OAuth, machine to machine. */
  | { readonly kind: 'servicePrincipal'; readonly clientId: string; readonly clientSecret: string }
  /** Azure DevOps vouches for the pipeline or a service connection, which a service principal of Databricks trusts. */
  | {
      readonly kind: 'federation';
      /** Undefined for a policy of the whole account, which finds the identity by the token's subject. */
      readonly clientId: string | undefined;
      readonly serviceConnectionId: string | undefined;
    };

export interface AuthServices extends Omit<SignInServices, 'oidcToken'> {
  /** A fresh token by which Azure DevOps vouches; each is good for ten minutes only. */
  oidcToken(serviceConnectionId?: string): Promise<string>;
}

/** Databricks as an application of Microsoft Entra, the same in every tenant and cloud. */
const ENTRA_SCOPE = '2ff814a6-3304-4ab8-85cb-cd0e6f879c1d/.default';

/** Milliseconds before its end at which a token is renewed, and until which it serves when that fails. */
const RENEW_BEFORE = 5 * 60_000;
const GIVE_UP_BEFORE = 40_000;

/**
 * Gives the token for each request: the one in hand, or a new one before that ends. Once signing in has worked, a
 * failure of it is taken for one that passes.
 */
export function tokenProvider(credential: Credential, origin: string, services: AuthServices): TokenProvider {
  if (credential.kind === 'token') return async () => credential.token;
  const provider = renewing(credential, origin, services);
  let latest: string | undefined;
  return async (refused) => {
    try {
      latest = await provider(refused);
      return latest;
    } catch (error) {
      if (latest === undefined) throw error;
      // A step that is cancelled signs in no more, but still has a run to cancel.
      if (error instanceof CancelledError) return latest;
      throw error instanceof TaskError ? new SignInError(error) : error;
    }
  };
}

function renewing(
  credential: Exclude<Credential, { kind: 'token' }>,
  origin: string,
  services: AuthServices,
): TokenProvider {
  if (credential.kind === 'entra') {
    const tokens = new EntraTokens(credential.connection, services);
    return (refused) => tokens.token(ENTRA_SCOPE, refused);
  }
  const { log, now = Date.now } = services;
  let inHand = { value: '', expires: 0 };
  return async (refused) => {
    const asked = now();
    if (inHand.value === refused) inHand = { value: '', expires: 0 };
    if (asked < inHand.expires - RENEW_BEFORE) return inHand.value;
    try {
      const { token, seconds } = await signIn(credential, origin, services);
      log.maskSecret(token);
      inHand = { value: token, expires: asked + seconds * 1000 };
    } catch (error) {
      if (now() >= inHand.expires - GIVE_UP_BEFORE || error instanceof CancelledError) throw error;
      log.info(`Going on with the access token in hand. ${describeError(error)}`);
    }
    return inHand.value;
  };
}

type OAuthCredential = Extract<Credential, { kind: 'servicePrincipal' | 'federation' }>;

async function signIn(
  credential: OAuthCredential,
  origin: string,
  { http, oidcToken }: AuthServices,
): Promise<{ token: string; seconds: number }> {
  const assertion =
    credential.kind === 'federation' ? await oidcToken(credential.serviceConnectionId) : undefined;
  const { form, authorization } = proofOf(credential, assertion);
  const answer = await http.send({
    method: 'POST',
    url: `${origin}/oidc/v1/token`,
    headers: { 'Content-Type': 'application/x-www-form-urlencoded', ...authorization },
    body: new URLSearchParams({ ...form, scope: 'all-apis' }).toString(),
    repeatable: true,
  });
  const { access_token: token, expires_in: seconds } = parse(answer);
  if (answer.status === 200 && typeof token === 'string') return { token, seconds: Number(seconds) || 3600 };
  throw refusal(credential, origin, answer, assertion);
}

function proofOf(
  credential: OAuthCredential,
  assertion = '',
): { form: Record<string, string>; authorization?: Record<string, string> } {
  if (credential.kind === 'servicePrincipal') {
    const basic = Buffer.from(`${credential.clientId}:${credential.clientSecret}`).toString('base64');
    return {
      form: { grant_type: 'client_credentials' },
      authorization: { Authorization: `Basic ${basic}` },
    };
  }
  return {
    form: {
      grant_type: 'urn:ietf:params:oauth:grant-type:token-exchange',
      subject_token: assertion,
      subject_token_type: 'urn:ietf:params:oauth:token-type:jwt',
      ...(credential.clientId && { client_id: credential.clientId }),
    },
  };
}

function refusal(
  credential: OAuthCredential,
  origin: string,
  answer: HttpAnswer,
  assertion: string | undefined,
): TaskError {
  if (answer.status >= 300 && answer.status < 400) {
    return new TaskError(explainRedirect(origin, answer.headers.get('location'), "input 'databricksHost'"));
  }
  const { error, error_description: description, message } = parse(answer);
  const words = [error, description ?? message].filter((word) => typeof word === 'string').join(': ');
  const reason = `HTTP ${answer.status}${words && `, ${bound(defuse(stripControls(words)), 300)}`}`;
  const failure = `Databricks at ${origin} did not let the step sign in (${reason.replace(/[\s.]+$/, '')}).`;
  if (isRetryableStatus(answer.status)) return new TaskError(`${failure} Try again later.`);
  if (answer.status === 404) {
    return new TaskError(`${failure} Check that input 'databricksHost' is the address of a workspace.`);
  }
  if (credential.kind === 'servicePrincipal') {
    return new TaskError(
      `${failure} Check that input 'clientId' is the application id of a service principal of this workspace, and ` +
        "'clientSecret' an OAuth secret that Databricks made for it: a secret of Microsoft Entra is another thing.",
    );
  }
  const { iss, sub, aud } = claimsOf(assertion);
  const whose = credential.clientId ? `service principal ${credential.clientId}` : 'the account';
  return new TaskError(
    `${failure} Check that ${whose} has a federation policy with the issuer '${iss}', the audience '${aud}' and the ` +
      `subject '${sub}', in exactly this spelling.`,
  );
}

function parse({ body }: HttpAnswer): Record<string, unknown> {
  try {
    return JSON.parse(body.toString()) ?? {};
  } catch {
    return {};
  }
}
