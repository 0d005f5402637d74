import { TaskError } from '../../common/errors';
import type { HttpAnswer, HttpClient } from '../../common/http';
import type { Logger } from '../../common/log';
import type { Credentials } from './credentials';
import { isLoopback } from './names';

/** How a registry wants to be asked, from the `WWW-Authenticate` header of its 401. */
export interface Challenge {
  readonly scheme: 'basic' | 'bearer';
  readonly parameters: Readonly<Record<string, string>>;
}

/** Reads a challenge; of several, the first that is understood. */
export function parseChallenge(header: string | null): Challenge | undefined {
  const found = /\b(basic|bearer)\s+(.*)$/is.exec(header ?? '');
  if (!found) return undefined;
  const parameters = [...found[2]!.matchAll(/(\w+)\s*=\s*(?:"((?:\\.|[^"\\])*)"|([^\s,]+))/g)];
  return {
    scheme: found[1]!.toLowerCase() as Challenge['scheme'],
    parameters: Object.fromEntries(
      parameters.map(([, name, quoted, plain]) => [
        name!.toLowerCase(),
        quoted?.replace(/\\(.)/g, '$1') ?? plain!,
      ]),
    ),
  };
}

export function basicAuthorization({ username, password }: Credentials): string {
  return `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`;
}

/** The registry's token server gave an answer other than a token. */
export class NoTokenError extends Error {
  constructor(readonly answer: HttpAnswer) {
    super(`no token: HTTP ${answer.status}`);
  }
}

/**
 * Answers a registry's challenge with the value of an `Authorization` header: the credentials themselves, or a token
 * for the scopes that they are exchanged for. Azure Container Registry's tokens last 75 minutes.
 *
 * @throws NoTokenError when the token server refuses
 */
export async function authorize(
  challenge: Challenge,
  scopes: readonly string[],
  credentials: Credentials | undefined,
  { http, log }: { http: HttpClient; log: Logger },
): Promise<string> {
  const authorization = credentials && basicAuthorization(credentials);
  if (challenge.scheme === 'basic') return authorization ?? '';
  const answer = await http.send({
    method: 'GET',
    url: tokenUrl(challenge.parameters, scopes),
    // Public images are to be had for a token too, which everybody gets.
    headers: authorization ? { Authorization: authorization } : {},
  });
  const token = answer.status === 200 ? readToken(answer.body) : undefined;
  if (!token) throw new NoTokenError(answer);
  log.maskSecret(token);
  return `Bearer ${token}`;
}

function tokenUrl({ realm, service }: Challenge['parameters'], scopes: readonly string[]): string {
  const url = URL.canParse(realm ?? '') ? new URL(realm!) : undefined;
  if (!url || (url.protocol !== 'https:' && !isLoopback(url.host))) {
    throw new TaskError(
      `The registry sends us for a token to '${realm}', where a password must not be sent. Check input 'loginServer'.`,
    );
  }
  if (service) url.searchParams.set('service', service);
  for (const scope of scopes) url.searchParams.append('scope', scope);
  return url.href;
}

function readToken(body: Buffer): string | undefined {
  try {
    const { access_token, token } = JSON.parse(body.toString('utf8'));
    return access_token ?? token;
  } catch {
    return undefined;
  }
}
