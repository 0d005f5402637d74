import { sleep } from '../../common/cancel';
import { EntraTokens, type SignInServices } from '../../common/entra';
import { TaskError } from '../../common/errors';
import { bound } from '../../common/foreign-text';
import type { HttpAnswer } from '../../common/http';
import { readJsonObject } from '../../common/json';
import type { AzureServiceConnection } from '../../common/service-connection';
import { faultWithout } from '../../common/shape';
import { explainRegistryError } from './errors';
import { registryUrl } from './names';

export interface Credentials {
  readonly username: string;
  readonly password: string;
}

/** How a step proves who it is. */
export type Identity =
  | {
      readonly kind: 'password';
      readonly username: string;
      readonly password: string;
      readonly input: string;
    }
  | { readonly kind: 'azure'; readonly connection: AzureServiceConnection };

/** Credentials of a registry, however they are come by. */
export interface CredentialSource {
  /** The credentials in hand; the first time, they may have to be fetched. */
  current(): Promise<Credentials>;
  /** New ones in place of those that the registry accepts no longer; undefined where there are no others. */
  renewed(): Promise<Credentials | undefined>;
  /** What to say when the registry does not accept them. */
  readonly refusal: string;
  /** The address that they went to for a token first: they go nowhere else any more. */
  realm?: string;
}

/** A user and a password, which are what they are. */
export function fixedCredentials(
  host: string,
  { username, password, input }: Extract<Identity, { kind: 'password' }>,
): CredentialSource {
  const remedy =
    input === 'acrPassword'
      ? "Check inputs 'acrUsername' and 'acrPassword' (passwords are regenerated now and then), and that the registry's admin user is enabled: portal, Access keys."
      : `Check the service connection in input '${input}': its password may have been regenerated or have expired.`;
  return {
    current: async () => ({ username, password }),
    renewed: async () => undefined,
    refusal: `${host} does not accept user '${username}' with this password. ${remedy}`,
  };
}

/** The user that refresh tokens are given with, by Azure Container Registry's convention. */
export const TOKEN_USER = '00000000-0000-0000-0000-000000000000';

/** Milliseconds after which a registry that does not accept an identity is asked once more. */
const SECOND_LOOK = 2_000;

/** The audience of Azure Container Registry itself; some registries take tokens for this one only. */
const REGISTRY_SCOPE = 'https://containerregistry.azure.net/.default';

/**
 * An identity in Microsoft Entra. Its access token is exchanged at the registry for a refresh token, which serves as a
 * password for three hours.
 */
export class EntraCredentials implements CredentialSource {
  readonly refusal: string;
  private readonly tokens: EntraTokens;
  private pending: Promise<Credentials> | undefined;

  constructor(
    private readonly host: string,
    private readonly connection: AzureServiceConnection,
    private readonly services: SignInServices & { readonly signal: AbortSignal },
    private readonly pause = sleep,
  ) {
    this.tokens = new EntraTokens(connection, services);
    this.refusal = `${host} does not accept the identity of the service connection in input '${connection.input}'. Check that it is in the registry's own tenant.`;
  }

  current(): Promise<Credentials> {
    this.pending ??= this.exchange();
    return this.pending;
  }

  renewed(): Promise<Credentials> {
    this.pending = this.exchange();
    return this.pending;
  }

  private async exchange(): Promise<Credentials> {
    const scopes = [`${this.connection.resourceManagerUrl}/.default`, REGISTRY_SCOPE];
    let answer: HttpAnswer | undefined;
    // A registry may refuse once what it takes the next time: one of its servers may not know a new right yet.
    for (const [index, scope] of [...scopes, ...scopes].entries()) {
      if (index === scopes.length) await this.pause(SECOND_LOOK, this.services.signal);
      answer = await this.post(await this.tokens.token(scope));
      const refreshToken = answer.status === 200 ? readRefreshToken(answer.body) : undefined;
      if (refreshToken) {
        this.services.log.maskSecret(refreshToken, TOKEN_USER);
        return { username: TOKEN_USER, password: refreshToken };
      }
      if (answer.status !== 401) break;
    }
    throw this.error(answer!);
  }

  private post(accessToken: string): Promise<HttpAnswer> {
    const { tenantId } = this.connection;
    return this.services.http.send({
      method: 'POST',
      url: `${registryUrl(this.host)}/oauth2/exchange`,
      headers: { 'Content-Type': 'application/x-www-form-urlencoded' },
      body: new URLSearchParams({
        grant_type: 'access_token',
        service: this.host,
        ...(tenantId && { tenant: tenantId }),
        access_token: accessToken,
      }).toString(),
      repeatable: true,
    });
  }

  private error({ status, body }: HttpAnswer): TaskError {
    const { host } = this;
    const text = bound(body.toString('utf8'), 2_000);
    const details = [`${host}: HTTP ${status}. ${text}`];
    if (status === 401) return new TaskError(this.refusal, { details });
    if (status === 200) {
      return new TaskError(
        `${host} gave no token: ${faultWithout('refresh_token', body)}. Check for a proxy in front of the registry, and run the step again.`,
      );
    }
    const known =
      status === 404
        ? `${host} exchanges no tokens of Microsoft Entra, so it is no Azure Container Registry. Check inputs 'acrName' and 'loginServer'.`
        : explainRegistryError(text, { host, repository: '*' });
    return new TaskError(known ?? `${host} refused to exchange a token (HTTP ${status}).`, { details });
  }
}

function readRefreshToken(body: Buffer): string | undefined {
  const { refresh_token } = readJsonObject(body);
  return typeof refresh_token === 'string' && refresh_token !== '' ? refresh_token : undefined;
}

/** The credentials that an identity has for a registry. */
export function credentialsOf(
  host: string,
  identity: Identity,
  services: SignInServices & { readonly signal: AbortSignal },
): CredentialSource {
  return identity.kind === 'password'
    ? fixedCredentials(host, identity)
    : new EntraCredentials(host, identity.connection, services);
}
