import { randomBytes } from 'node:crypto';
import type { Clock } from './clock';
import type { JsonObject } from './json';

/** A service principal of the workspace, and how it proves itself. */
export interface ServicePrincipal {
  /** Its application id. */
  readonly clientId: string;
  /** An OAuth secret of Databricks. */
  readonly secret?: string;
  /** Whom it trusts to vouch for it. */
  readonly federationPolicies?: readonly { issuer: string; subject: string; audience?: string }[];
}

export interface SignInOptions {
  readonly servicePrincipals: readonly ServicePrincipal[];
  /** Milliseconds that tokens are good for; an hour by default. */
  readonly tokenLifetime?: number;
  /** What a token says by which another system vouches; undefined when it is not good. */
  readonly oidcTokenClaims?: (token: string) => { iss: string; sub: string; aud: string } | undefined;
}

/** Whose token it is, or what is wrong with it. */
export type Identity =
  | { readonly state: 'valid'; readonly user: string }
  | { readonly state: 'expired' | 'unknown' };

export interface OAuthAnswer {
  readonly status: number;
  readonly body: { [name: string]: string | number };
}

const HOUR = 3_600_000;
const FEDERATION_AUDIENCE = 'api://AzureADTokenExchange';
const EXCHANGE = 'urn:ietf:params:oauth:grant-type:token-exchange';

/** Gives service principals their tokens, and knows which of them are still good. */
export class SignIn {
  private readonly tokens = new Map<string, { readonly expiry: number; readonly user: string }>();

  constructor(
    private readonly options: SignInOptions,
    private readonly clock: Clock,
  ) {}

  judge(token: string): Identity {
    const found = this.tokens.get(token);
    if (!found) return { state: 'unknown' };
    return this.clock.now() < found.expiry ? { state: 'valid', user: found.user } : { state: 'expired' };
  }

  /** Answers a request for a token. */
  answer(form: JsonObject, authorization: string | undefined): OAuthAnswer {
    if (!form.scope) return refuse(400, 'invalid_scope', 'Scope is missing');
    switch (form.grant_type) {
      case 'client_credentials':
        return this.bySecret(authorization);
      case EXCHANGE:
        return this.byFederation(form);
      default:
        return refuse(400, 'unsupported_grant_type', 'Unsupported grant type');
    }
  }

  private bySecret(authorization: string | undefined): OAuthAnswer {
    const encoded = /^Basic (.+)$/.exec(authorization ?? '')?.[1] ?? '';
    const [, clientId, secret] = /^([^:]*):(.*)$/s.exec(Buffer.from(encoded, 'base64').toString()) ?? [];
    const principal = this.options.servicePrincipals.find((one) => one.clientId === clientId);
    if (!principal?.secret || principal.secret !== secret) {
      return refuse(401, 'invalid_client', 'Client authentication failed');
    }
    return this.issue(principal.clientId);
  }

  private byFederation(form: JsonObject): OAuthAnswer {
    const claims = this.options.oidcTokenClaims?.(String(form.subject_token ?? ''));
    if (!claims) return refuse(400, 'invalid_grant', 'The subject token is not valid');
    const clientId = form.client_id;
    const candidates = this.options.servicePrincipals.filter(
      (one) => clientId === undefined || one.clientId === clientId,
    );
    const trusting = candidates.find(({ federationPolicies = [] }) =>
      federationPolicies.some(
        ({ issuer, subject, audience = FEDERATION_AUDIENCE }) =>
          issuer === claims.iss && subject === claims.sub && audience === claims.aud,
      ),
    );
    return trusting
      ? this.issue(trusting.clientId)
      : refuse(400, 'invalid_grant', 'No federation policy matches the token');
  }

  private issue(user: string): OAuthAnswer {
    const lifetime = this.options.tokenLifetime ?? HOUR;
    const token = `eyJ${randomBytes(24).toString('base64url')}`;
    this.tokens.set(token, { expiry: this.clock.now() + lifetime, user });
    return {
      status: 200,
      body: {
        access_token: token,
        token_type: 'Bearer',
        expires_in: Math.floor(lifetime / 1000),
        scope: 'all-apis',
      },
    };
  }
}

function refuse(status: number, error: string, description: string): OAuthAnswer {
  return { status, body: { error, error_description: description } };
}
