import { randomBytes } from 'node:crypto';
import { RegistryError } from './errors';

/** Something a request does, or a token allows: for example `pull` and `push` on the repository `titanic-model-api`. */
export interface Access {
  readonly type: string;
  readonly name: string;
  readonly actions: readonly string[];
}

export interface AccessOptions {
  readonly loginServer: string;
  readonly username: string;
  readonly password: string;
  /** Milliseconds. */
  readonly tokenLifetime: number;
}

interface Token {
  readonly access: readonly Access[];
  readonly expires: number;
}

/**
 * The registry's admin user: username and password are accepted on every request, or exchanged for a token that is
 * good for the scopes it was asked for, as Azure Container Registry does it.
 */
export class AccessControl {
  private readonly tokens = new Map<string, Token>();

  constructor(private readonly options: AccessOptions) {}

  isAdmin(username: string, password: string): boolean {
    return username === this.options.username && password === this.options.password;
  }

  /** Makes a token for scopes such as `repository:titanic-model-api:pull,push`. */
  issueToken(service: string, scopes: readonly string[]): string {
    if (service !== this.options.loginServer) throw this.refusal([]);
    const token = randomBytes(48).toString('base64url');
    const expires = Date.now() + this.options.tokenLifetime;
    this.tokens.set(token, { access: scopes.map(parseScope), expires });
    return token;
  }

  /** Throws the 401 that tells the client which token to fetch, unless the `Authorization` header allows all of it. */
  check(authorization: string | undefined, needed: readonly Access[]): void {
    if (authorization === undefined) throw this.refusal(needed);
    const basic = parseBasic(authorization);
    if (basic) {
      if (!this.isAdmin(basic.username, basic.password)) throw this.refusal(needed);
      return;
    }
    const token = this.tokens.get(authorization.replace(/^Bearer /i, ''));
    if (!token || token.expires <= Date.now()) throw this.refusal(needed, 'invalid_token');
    if (!needed.every((one) => allows(token, one))) throw this.refusal(needed, 'insufficient_scope');
  }

  /** The answer to anybody who may not do what is asked. */
  refusal(needed: readonly Access[], error?: string): RegistryError {
    const { loginServer } = this.options;
    const scope = needed.map(({ type, name, actions }) => `${type}:${name}:${actions.join(',')}`).join(' ');
    const challenge = [
      `Bearer realm="http://${loginServer}/oauth2/token"`,
      `service="${loginServer}"`,
      ...(scope ? [`scope="${scope}"`] : []),
      ...(error ? [`error="${error}"`] : []),
    ].join(',');
    const detail = needed.flatMap(({ type, name, actions }) =>
      actions.map((action) => ({ Type: type, Name: name, Action: action })),
    );
    return new RegistryError(
      'UNAUTHORIZED',
      'authentication required, visit https://aka.ms/acr/authorization for more information.',
      detail.length > 0 ? detail : undefined,
      { 'WWW-Authenticate': challenge },
    );
  }
}

export function parseBasic(header: string): { username: string; password: string } | undefined {
  const encoded = /^Basic ([A-Za-z0-9+/=]+)$/i.exec(header)?.[1];
  if (encoded === undefined) return undefined;
  const [username, ...password] = Buffer.from(encoded, 'base64').toString('utf8').split(':');
  return { username: username!, password: password.join(':') };
}

/** `type:name:action,action`; the name may have colons of its own, as a host with a port has. */
function parseScope(scope: string): Access {
  const parts = scope.split(':');
  return {
    type: parts[0]!,
    name: parts.slice(1, -1).join(':'),
    actions: parts.length > 2 ? parts.at(-1)!.split(',') : [],
  };
}

function allows(token: Token, needed: Access): boolean {
  return needed.actions.every((action) =>
    token.access.some(
      ({ type, name, actions }) =>
        type === needed.type && name === needed.name && (actions.includes(action) || actions.includes('*')),
    ),
  );
}
