import { TaskError } from '../../common/errors';
import type { HttpAnswer, HttpClient } from '../../common/http';
import { readJsonObject } from '../../common/json';
import type { Logger } from '../../common/log';
import { faultWithout } from '../../common/shape';
import { type Challenge, parseChallenge } from './challenge';
import type { CredentialSource, Credentials } from './credentials';
import { explainRefusedSignIn, explainUnreadable, refusal, textOf } from './errors';
import { checkRealm } from './realm';

/** What a token is asked for. */
export type Rights = 'pull' | 'pull,push' | 'delete' | 'metadata_read' | 'metadata_read,metadata_write';

export interface AuthorizationOptions {
  readonly http: HttpClient;
  readonly log: Logger;
  readonly host: string;
  readonly repository: string;
  /** Without them, only what everybody may read can be read. */
  readonly credentials: CredentialSource | undefined;
  /** What the tokens for images are for. */
  readonly access: Rights;
  /** Whether the image to copy is read there. */
  readonly isSource?: boolean | undefined;
}

/** The registry's token server gave an answer other than a token. */
class NoTokenError extends Error {
  constructor(readonly answer: HttpAnswer) {
    super(`no token: HTTP ${answer.status}`);
  }
}

/**
 * What the requests about one repository are authorized by: the credentials themselves, or tokens that they are
 * exchanged for, one for each kind of rights. Azure Container Registry's tokens last 75 minutes; renewing them is done
 * here, once for all requests that need it.
 */
export class Authorization {
  /** Values of the `Authorization` header, by what they allow. */
  private readonly values = new Map<Rights, string>();
  private readonly renewals = new Map<Rights, Promise<void>>();
  private readonly sources = new Set<string>();
  /** How the registry wants to be signed in to; undefined before that, and where everybody may do anything. */
  private challenge: Challenge | undefined;

  constructor(private readonly options: AuthorizationOptions) {}

  /** How the registry wants to be signed in to, once it has said so. */
  get scheme(): Challenge['scheme'] | undefined {
    return this.challenge?.scheme;
  }

  /** The header's value for a request that needs some rights; undefined where there is none (yet). */
  value(rights: Rights): string | undefined {
    return this.values.get(rights);
  }

  /** Answers the challenge of the first request. */
  async signIn(challenge: Challenge): Promise<void> {
    await this.meet(challenge, this.options.access);
    this.challenge = challenge;
  }

  /** Has the tokens to come let blobs be mounted from another repository of the registry. */
  includeSource(repository: string): void {
    const { access } = this.options;
    if (repository === this.options.repository || this.sources.has(repository)) return;
    this.sources.add(repository);
    if (this.values.get(access)?.startsWith('Bearer ')) this.values.delete(access);
  }

  /** Fetches a token where the one in hand was dropped, so that no layer is sent without one, and in vain. */
  async replaceToken(): Promise<void> {
    const { challenge } = this;
    const { access } = this.options;
    if (challenge?.scheme === 'bearer' && !this.values.has(access)) await this.meetOnce(challenge, access);
  }

  /**
   * Whether a request that was refused is worth a second try, with a token that it did not have.
   *
   * @param used what the request was authorized by
   * @param signal that of the request
   */
  async renew(
    answer: HttpAnswer,
    used: string | undefined,
    rights: Rights,
    signal: AbortSignal | undefined,
  ): Promise<boolean> {
    const challenge = answer.status === 401 && parseChallenge(answer.headers.get('www-authenticate'));
    if (!challenge) return false;
    const now = this.values.get(rights);
    if (now === used || now === undefined) await this.meetOnce(challenge, rights, signal);
    else await this.renewals.get(rights);
    return true;
  }

  /** The error for credentials that the registry does not accept. */
  wrongCredentials(answer?: HttpAnswer): TaskError {
    const known = answer && explainRefusedSignIn(textOf(answer), this.options);
    return new TaskError(known ?? this.options.credentials?.refusal ?? explainUnreadable(this.options));
  }

  /** Requests that run side by side share one new token. */
  private meetOnce(challenge: Challenge, rights: Rights, signal?: AbortSignal): Promise<void> {
    const pending = this.renewals.get(rights);
    if (pending) return pending;
    const renewal = this.meet(challenge, rights, signal).finally(() => this.renewals.delete(rights));
    this.renewals.set(rights, renewal);
    return renewal;
  }

  /** Answers a challenge; with new credentials where those in hand have run out. */
  private async meet(challenge: Challenge, rights: Rights, signal?: AbortSignal): Promise<void> {
    const { credentials } = this.options;
    if (!credentials && challenge.scheme === 'basic') throw this.wrongCredentials();
    const authorizeBy = async (own: Credentials | undefined) => {
      let scopes: readonly string[];
      do {
        scopes = this.scopesFor(rights);
        this.values.set(rights, await this.authorize(challenge, scopes, own, signal));
        // A source may have come to be included meanwhile, by a request that waits for this token.
      } while (scopes.length < this.scopesFor(rights).length);
    };
    try {
      await authorizeBy(await credentials?.current());
    } catch (error) {
      if (!(error instanceof NoTokenError)) throw error;
      const renewed = error.answer.status === 401 ? await credentials?.renewed() : undefined;
      if (!renewed) throw this.noToken(error.answer, rights);
      await authorizeBy(renewed).catch((second) => {
        throw second instanceof NoTokenError ? this.noToken(second.answer, rights) : second;
      });
    }
  }

  /** The value that a challenge asks for: the credentials themselves, or a token for the scopes. */
  private async authorize(
    challenge: Challenge,
    scopes: readonly string[],
    own: Credentials | undefined,
    signal: AbortSignal | undefined,
  ): Promise<string> {
    const { http, log, host, credentials } = this.options;
    const basic = own && basicAuthorization(own);
    if (challenge.scheme === 'basic') return basic ?? '';
    const { realm, service } = challenge.parameters;
    const url = checkRealm(realm ?? '', { host, credentials, log });
    if (service) url.searchParams.set('service', service);
    for (const scope of scopes) url.searchParams.append('scope', scope);
    const answer = await http.send({
      method: 'GET',
      url: url.href,
      // Public images are to be had for a token too, which everybody gets.
      headers: basic ? { Authorization: basic } : {},
      ...(signal && { signal }),
    });
    const token = answer.status === 200 ? readToken(answer.body) : undefined;
    if (!token) throw new NoTokenError(answer);
    log.maskSecret(token);
    return `Bearer ${token}`;
  }

  /** Who may push may still have no right to see locks, or to set them. */
  private noToken(answer: HttpAnswer, rights: Rights): TaskError {
    if (answer.status === 200) {
      return new TaskError(
        `${this.options.host} gave no token: ${faultWithout('access_token', answer.body)}. Check for a proxy in front of the registry, and run the step again.`,
      );
    }
    return answer.status === 401 && rights === this.options.access
      ? this.wrongCredentials(answer)
      : refusal({ ...this.options, access: rights }, answer, 'give a token');
  }

  private scopesFor(rights: Rights): string[] {
    const sources = rights === this.options.access ? [...this.sources] : [];
    return [
      `repository:${this.options.repository}:${rights}`,
      ...sources.map((source) => `repository:${source}:pull`),
    ];
  }
}

function basicAuthorization({ username, password }: Credentials): string {
  return `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`;
}

function readToken(body: Buffer): string | undefined {
  const { access_token, token } = readJsonObject(body);
  const found = access_token ?? token;
  return typeof found === 'string' && /^[\x20-\x7e]+$/.test(found) ? found : undefined;
}
