import { EntraTokens, type SignInServices } from '../entra';
import { claimsOf } from '../entra-errors';
import { CancelledError, TaskError } from '../errors';
import { bound, defuse, stripControls } from '../foreign-text';
import type { HttpAnswer } from '../http';
import { readJsonObject } from '../json';
import { RenewedToken, type SignInLimits } from '../renewal';
import { isRetryableStatus } from '../retry';
import type { AzureServiceConnection } from '../service-connection';
import { faultWithout } from '../shape';
import type { WorkspaceAddress } from './address';
import type { RequestHeaders, TokenProvider } from './client';
import { explainNetworkRefusal, explainRedirect, reasonOf, SignInError } from './errors';
import { findTokenEndpoint } from './token-endpoint';

/** By what the step proves to Databricks who it is. */
export type Credential =
  | { readonly kind: 'token'; readonly token: string }
  /** Microsoft Entra's token for the identity of a service connection. */
  | {
      readonly kind: 'entra';
      readonly connection: AzureServiceConnection;
      /** The workspace's id in Azure, where it is known: by it, who may manage the workspace there gets in. */
      readonly resourceId?: string | undefined;
    }
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
  oidcToken(serviceConnectionId?: string, limits?: SignInLimits): Promise<string>;
}

/** Databricks as an application of Microsoft Entra, the same in every tenant and cloud. */
const ENTRA_SCOPE = '2ff814a6-3304-4ab8-85cb-cd0e6f879c1d/.default';

/** Milliseconds before its end until which a token serves: Databricks wants thirty seconds of life in it. */
const SERVE_UNTIL = 40_000;

/**
 * Gives the token for each request: the one in hand, or a new one before that ends. Once signing in has worked, a
 * failure of it is taken for one that passes.
 */
export function tokenProvider(
  credential: Credential,
  workspace: WorkspaceAddress,
  services: AuthServices,
): TokenProvider {
  if (credential.kind === 'token') return async () => credential.token;
  return keeping(renewing(credential, workspace, services));
}

/** Azure's management, as Microsoft Entra names it for each cloud. Its name ends with a slash, so its scope has two. */
const MANAGEMENT: Readonly<Record<string, string>> = {
  AzureCloud: 'https://management.core.windows.net/',
  AzureUSGovernment: 'https://management.core.usgovcloudapi.net/',
  AzureChinaCloud: 'https://management.core.chinacloudapi.cn/',
};

/**
 * Lets in an identity of Microsoft Entra that is no user of the workspace yet, but may manage it in Azure, as Databricks' own
 * clients do. Undefined where the workspace's id in Azure is not known.
 */
export function managementHeaders(
  credential: Credential,
  services: AuthServices,
): RequestHeaders | undefined {
  if (credential.kind !== 'entra' || credential.resourceId === undefined) return undefined;
  const { connection, resourceId } = credential;
  const tokens = new EntraTokens(connection, services);
  const scope = `${MANAGEMENT[connection.cloud] ?? `${connection.resourceManagerUrl}/`}/.default`;
  const provider = keeping((refused, limits) => tokens.token(scope, refused, limits));
  return async (limits) => ({
    'X-Databricks-Azure-SP-Management-Token': await provider(undefined, limits),
    'X-Databricks-Azure-Workspace-Resource-Id': resourceId,
  });
}

function keeping(provider: TokenProvider): TokenProvider {
  let latest: string | undefined;
  return async (refused, limits) => {
    try {
      latest = await provider(refused, limits);
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
  workspace: WorkspaceAddress,
  services: AuthServices,
): TokenProvider {
  if (credential.kind === 'entra') {
    const tokens = new EntraTokens(credential.connection, services);
    return (refused, limits) => tokens.token(ENTRA_SCOPE, refused, limits);
  }
  const { log, now = Date.now } = services;
  let endpoint: string | undefined;
  const token = new RenewedToken({
    serveUntil: SERVE_UNTIL,
    log,
    now,
    async fetch(limits) {
      endpoint ??= await findTokenEndpoint(workspace, services.http, limits);
      const asked = now();
      const { value, seconds } = await signIn(credential, workspace.origin, endpoint, services, limits);
      return { value, expires: asked + seconds * 1000 };
    },
  });
  return (refused, limits) => token.get(refused, limits);
}

type OAuthCredential = Extract<Credential, { kind: 'servicePrincipal' | 'federation' }>;

async function signIn(
  credential: OAuthCredential,
  origin: string,
  endpoint: string,
  { http, oidcToken }: AuthServices,
  limits: SignInLimits,
): Promise<{ value: string; seconds: number }> {
  const assertion =
    credential.kind === 'federation' ? await oidcToken(credential.serviceConnectionId, limits) : undefined;
  const { form, authorization } = proofOf(credential, assertion);
  const answer = await http.send({
    method: 'POST',
    url: endpoint,
    headers: { 'Content-Type': 'application/x-www-form-urlencoded', ...authorization },
    body: new URLSearchParams({ ...form, scope: 'all-apis' }).toString(),
    repeatable: true,
    ...limits,
  });
  const { access_token: value, expires_in: seconds } = readJsonObject(answer.body);
  if (answer.status === 200 && typeof value === 'string') return { value, seconds: Number(seconds) || 3600 };
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
  if (answer.status === 200) {
    return new TaskError(
      `Databricks at ${origin} was asked to let the step sign in, and gave no token: ${faultWithout('access_token', answer.body)}. Check that input 'databricksHost' is the address of a workspace, and whether a proxy stands in between.`,
    );
  }
  const { error, error_description: description, message } = readJsonObject(answer.body);
  const said = [error, description ?? message].filter((word) => typeof word === 'string').join(': ');
  const words = bound(defuse(stripControls(said)), 300) || reasonOf(answer);
  const reason = `HTTP ${answer.status}${words && `, ${words}`}`;
  const failure = `Databricks at ${origin} did not let the step sign in (${reason.replace(/[\s.]+$/, '')}).`;
  const networkRefusal = explainNetworkRefusal(answer.status, words, origin);
  if (networkRefusal) return new TaskError(networkRefusal);
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
  return new FederationRefusedError(failure, credential.clientId, claimsOf(assertion));
}

/** No federation policy of Databricks fits what Azure DevOps vouches for. */
export class FederationRefusedError extends TaskError {
  /** The command of Databricks' CLI that lets the step in from now on, for an administrator of the account. */
  readonly command: string;

  constructor(failure: string, clientId: string | undefined, { iss, aud, sub }: Claims) {
    const whose = clientId ? `service principal ${clientId}` : 'the account';
    const command = policyCommand(clientId, { iss, aud, sub });
    super(
      `${failure} Check that ${whose} has a federation policy with the issuer '${iss}', the audience '${aud}' and the ` +
        `subject '${sub}', in exactly this spelling.`,
      { details: ['This command of an administrator of the account would let the step in:', command] },
    );
    this.command = command;
  }
}

/** What Azure DevOps says in a token for whom it vouches. */
type Claims = Pick<ReturnType<typeof claimsOf>, 'iss' | 'aud' | 'sub'>;

function policyCommand(clientId: string | undefined, { iss, aud, sub }: Claims): string {
  const policy = { oidc_policy: { issuer: iss, audiences: [aud].flat(), subject: sub } };
  const json = `--json ${quote(JSON.stringify(policy))}`;
  if (!clientId) return `databricks account federation-policy create ${json}`;
  // Policies go by a number that only the account knows, in place of the application id.
  const filter = quote(`applicationId eq "${clientId}"`);
  const list = `databricks account service-principals list --filter ${filter} --output json`;
  return `databricks account service-principal-federation-policy create "$(${list} | jq -r '.[0].id')" ${json}`;
}

/** As one word of a shell's command, whatever is in it: projects have names with all kinds of characters. */
function quote(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}
