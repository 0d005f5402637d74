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
  readonly identities: Identities | undefined;
}

/** Who may sign in with an access token of Microsoft Entra. */
export interface Identities {
  readonly tenantId: string;
  /** Whom an access token is for, and who has it; undefined when it is not good (any more). */
  claims(
    accessToken: string,
  ): { readonly aud: string; readonly tid: string; readonly appid: string } | undefined;
  /** What an application may do here, such as `pull` and `push`; undefined for strangers. */
  rights(applicationId: string): readonly string[] | undefined;
  /** Milliseconds that a refresh token is good for; by default the real service's three hours. */
  readonly refreshLifetime?: number;
}

/** The user that comes with a refresh token in place of a password. */
const TOKEN_USER = '00000000-0000-0000-0000-000000000000';

/** Whom an access token may be for: Azure's resource managers, and the registries themselves. */
const AUDIENCE =
  /^https:\/\/(management\.azure\.com|management\.usgovcloudapi\.net|management\.chinacloudapi\.cn|containerregistry\.azure\.net)\/?$/;

const REFRESH_LIFETIME = 3 * 60 * 60 * 1000;

/** Somebody who has signed in, and what he may ask for; undefined: everything. */
export interface Principal {
  readonly rights: readonly string[] | undefined;
}

interface Token {
  readonly access: readonly Access[];
  readonly expires: number;
}

/**
 * Who may do what: the registry's admin user, and identities of Microsoft Entra whose access token is exchanged for a
 * refresh token. Username and password, or refresh token, are accepted on every request, or exchanged for a token that
 * is good for the scopes it was asked for, as Azure Container Registry does it.
 */
export class AccessControl {
  private readonly tokens = new Map<string, Token>();
  private readonly refreshTokens = new Map<string, Principal & { readonly expires: number }>();

  constructor(private readonly options: AccessOptions) {}

  /** Who comes with a user and a password: the admin, or whoever has a refresh token. */
  signIn(username: string, password: string): Principal | undefined {
    if (username === TOKEN_USER) return this.redeem(password);
    const isAdmin = username === this.options.username && password === this.options.password;
    return isAdmin ? { rights: undefined } : undefined;
  }

  /** Gives a refresh token for an access token of Microsoft Entra. */
  exchange(service: string, tenant: string, accessToken: string): string {
    const { identities, loginServer } = this.options;
    const claims = identities?.claims(accessToken);
    const fits = service === loginServer && claims?.tid === tenant && tenant === identities?.tenantId;
    if (!claims || !fits || !AUDIENCE.test(claims.aud)) throw this.refusal([], 'invalid_token');
    const token = randomBytes(48).toString('base64url');
    const expires = Date.now() + (identities?.refreshLifetime ?? REFRESH_LIFETIME);
    this.refreshTokens.set(token, { rights: identities?.rights(claims.appid) ?? [], expires });
    return token;
  }

  /** Whose refresh token it is; undefined when it is none, or has expired. */
  redeem(refreshToken: string): Principal | undefined {
    const found = this.refreshTokens.get(refreshToken);
    return found && found.expires > Date.now() ? found : undefined;
  }

  /** Makes a token for scopes such as `repository:titanic-model-api:pull,push`, as far as somebody's rights go. */
  issueToken(service: string, scopes: readonly string[], { rights }: Principal): string {
    if (service !== this.options.loginServer) throw this.refusal([]);
    const token = randomBytes(48).toString('base64url');
    const expires = Date.now() + this.options.tokenLifetime;
    const allowed = (access: Access) => ({
      ...access,
      actions: access.actions.filter((action) => rights?.includes(action) ?? true),
    });
    this.tokens.set(token, { access: scopes.map(parseScope).map(allowed), expires });
    return token;
  }

  /** Throws the 401 that tells the client which token to fetch, unless the `Authorization` header allows all of it. */
  check(authorization: string | undefined, needed: readonly Access[]): void {
    if (authorization === undefined) throw this.refusal(needed);
    const basic = parseBasic(authorization);
    if (basic) {
      const principal = this.signIn(basic.username, basic.password);
      const mayAll = needed.every(({ actions }) =>
        actions.every((action) => principal?.rights?.includes(action) ?? true),
      );
      if (!principal || !mayAll) throw this.refusal(needed);
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
