import { TaskError } from './errors';
import { bound } from './foreign-text';
import type { HttpAnswer } from './http';
import { readJsonObject } from './json';
import type { AzureServiceConnection } from './service-connection';
import { faultWithout } from './shape';

/**
 * That nobody whom the application trusts has vouched for it. 70021 has a number of its own for each thing that differs, such
 * as 700211 for the issuer and 7002138 for the case of the subject, and more of them come.
 */
const NOT_TRUSTED = /^(70021\d*|70025|700223)$/;

/**
 * The error for an answer without a token: why, and what to do, by Microsoft Entra's number for it
 * (learn.microsoft.com/entra/identity-platform/reference-error-codes). Its own words follow as details.
 *
 * @param assertion the token by which another system vouched, where one was sent
 */
export function signInError(
  connection: AzureServiceConnection,
  scope: string,
  answer: HttpAnswer,
  assertion?: string,
): TaskError {
  const { description, codes } = parse(answer);
  const details = description ? [bound(description, 2000)] : [];
  const why = codes.map((code) => explain(code, connection, scope, assertion)).find(Boolean);
  if (answer.status === 200) {
    const fault = faultWithout('access_token', answer.body);
    return signInFailure(
      connection,
      `${connection.authorityUrl} gave no token: ${fault}. Check for a proxy in between, and run the step again.`,
    );
  }
  return signInFailure(connection, why ?? unexplained(answer.status, description), details);
}

/** @param why goes on from a colon */
export function signInFailure(
  { input }: AzureServiceConnection,
  why: string,
  details: readonly string[] = [],
): TaskError {
  return new TaskError(`Can't sign in to Azure with the service connection of input '${input}': ${why}`, {
    details,
  });
}

function explain(
  code: number,
  { tenantId, clientId, authorityUrl }: AzureServiceConnection,
  scope: string,
  assertion: string | undefined,
): string | undefined {
  if (NOT_TRUSTED.test(String(code))) {
    const { iss, sub } = claimsOf(assertion);
    return `its application ${clientId} trusts no issuer '${iss}' with subject '${sub}'. Put both, in exactly this spelling, into a federated credential of the application, or edit the connection and save it.`;
  }
  switch (code) {
    case 7000215:
      return "its client secret is wrong. Put the secret's value, not its id, into the connection.";
    case 7000222:
      return 'its client secret has expired. Make a new one, or convert the connection to workload identity federation.';
    case 700016:
    case 7000229:
      return `tenant ${tenantId} has no application ${clientId}. It may have been deleted; check the connection's application id and tenant.`;
    case 7000112:
      return `its application ${clientId} is disabled. Enable it in Microsoft Entra.`;
    case 90002:
    case 900023:
      return `${authorityUrl} knows no tenant ${tenantId}. Check the connection's tenant id and its cloud.`;
    case 700024:
      return "its proof of identity is not valid at this time. Set the clock of the agent's machine right.";
    case 700027:
      return `its certificate is not one of application ${clientId}. Upload the certificate there, or put the right one into the connection.`;
    case 53003:
    case 530003:
      return "a policy of conditional access refuses this agent. Ask the tenant's administrator to let it in.";
    case 500011:
    case 70011:
    case 1002012:
      return `tenant ${tenantId} has no service for '${scope}'. Check that the connection is to the tenant and cloud of the service.`;
    default:
      return undefined;
  }
}

function unexplained(status: number, description: string | undefined): string {
  if (status === 429 || status >= 500) {
    return `Microsoft Entra is busy or out of order (HTTP ${status}). Try again later.`;
  }
  const [reason = ''] = description?.split(/\.?\s*(?:\n| Trace ID:)/) ?? [];
  const answer = `HTTP ${status}${reason && `, ${bound(reason, 300)}`}`;
  return `the answer was ${answer}. Verify the connection under Project settings > Service connections.`;
}

function parse({ body }: HttpAnswer): { description: string | undefined; codes: number[] } {
  const { error_description: text, error_codes: codes } = readJsonObject(body);
  const description = typeof text === 'string' ? text : undefined;
  const named = /AADSTS(\d+)/.exec(description ?? '')?.[1];
  return { description, codes: Array.isArray(codes) ? codes : named ? [Number(named)] : [] };
}

/** Reads a token without trusting it: only to tell what it says. */
export function claimsOf(token = ''): { iss?: unknown; sub?: unknown; aud?: unknown } {
  return readJsonObject(Buffer.from(token.split('.')[1] ?? '', 'base64url'));
}
