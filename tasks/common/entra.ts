import { signAssertion } from './certificate-assertion';
import { signInError, signInFailure } from './entra-errors';
import { describeError } from './errors';
import { ConnectionError, type HttpAnswer, type HttpClient } from './http';
import { readJsonObject } from './json';
import type { Logger } from './log';
import { METADATA_SERVICE } from './network';
import { RenewedToken, type SignInLimits, type Token } from './renewal';
import type { RetryPolicy } from './retry';
import type { AzureServiceConnection } from './service-connection';

/** What signing in needs of its task. */
export interface SignInServices {
  readonly http: Pick<HttpClient, 'send'>;
  readonly log: Logger;
  oidcToken(serviceConnectionId: string, limits?: SignInLimits): Promise<string>;
  /** Milliseconds since 1970. */
  readonly now?: () => number;
}

/** When renewing fails, the token in hand serves until so many milliseconds before its end. Databricks wants 30 s. */
const SERVE_UNTIL = 60_000;

/** Seconds that a token is good for whose answer does not say it. */
const USUAL_LIFETIME = 3_600;

/** A machine that is not in Azure has no metadata service; nobody should wait a minute to hear it. */
const METADATA_PATIENCE: RetryPolicy = { forMilliseconds: 15_000 };
const METADATA_TIMEOUT = 5_000;

const ASSERTION_TYPE = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer';

/**
 * Microsoft Entra's access tokens for a service connection, by scope, such as `https://storage.azure.com/.default`.
 * Ask for the token before each request: it is kept, and renewed in time, however long the step runs.
 */
export class EntraTokens {
  private readonly tokens = new Map<string, RenewedToken>();
  private readonly now: () => number;

  constructor(
    private readonly connection: AzureServiceConnection,
    private readonly services: SignInServices,
  ) {
    this.now = services.now ?? Date.now;
  }

  /**
   * @param refused a token that the service did not take though its time was not over, so that it is given no more
   * @throws TaskError when Microsoft Entra gives no token, or can't be reached
   */
  token(scope: string, refused?: string, limits?: SignInLimits): Promise<string> {
    let token = this.tokens.get(scope);
    if (!token) {
      const { log } = this.services;
      const fetch = (current: SignInLimits) => this.fetch(scope, current);
      token = new RenewedToken({ fetch, serveUntil: SERVE_UNTIL, log, now: this.now });
      this.tokens.set(scope, token);
    }
    return token.get(refused, limits);
  }

  private async fetch(scope: string, limits: SignInLimits): Promise<Token> {
    const asked = this.now();
    const { answer, assertion } = await this.ask(scope, limits);
    const { access_token: value, expires_in: seconds } = readJsonObject(answer.body);
    if (answer.status !== 200 || typeof value !== 'string') {
      throw signInError(this.connection, scope, answer, assertion);
    }
    return { value, expires: asked + (Number(seconds) || USUAL_LIFETIME) * 1000 };
  }

  private async ask(
    scope: string,
    limits: SignInLimits,
  ): Promise<{ answer: HttpAnswer; assertion?: string }> {
    const { tenantId, clientId, authorityUrl, credential } = this.connection;
    const url = `${authorityUrl}/${encodeURIComponent(tenantId)}/oauth2/v2.0/token`;
    const post = (proof: Record<string, string>) =>
      this.services.http.send({
        method: 'POST',
        url,
        headers: { 'Content-Type': 'application/x-www-form-urlencoded', Accept: 'application/json' },
        body: new URLSearchParams({
          client_id: clientId,
          scope,
          grant_type: 'client_credentials',
          ...proof,
        }).toString(),
        repeatable: true,
        ...limits,
      });

    switch (credential.kind) {
      case 'secret':
        return { answer: await post({ client_secret: credential.secret }) };
      case 'managedIdentity':
        return { answer: await this.askMetadataService(scope, limits) };
      default: {
        const assertion =
          credential.kind === 'federation'
            ? await this.services.oidcToken(this.connection.id, limits)
            : this.sign(credential.pem, url);
        const proof = { client_assertion_type: ASSERTION_TYPE, client_assertion: assertion };
        return { answer: await post(proof), assertion };
      }
    }
  }

  private sign(pem: string, audience: string): string {
    try {
      const assertion = signAssertion(pem, this.connection.clientId, audience, this.now());
      this.services.log.maskSecret(assertion);
      return assertion;
    } catch (error) {
      const fault = describeError(error);
      throw signInFailure(
        this.connection,
        `the certificate ${fault}. Put a PEM file's text, certificate and private key, into the connection.`,
      );
    }
  }

  /** The token of the machine's own identity; the agent's host vouches for it. */
  private async askMetadataService(scope: string, limits: SignInLimits): Promise<HttpAnswer> {
    const { clientId } = this.connection;
    const query = new URLSearchParams({
      'api-version': '2018-02-01',
      resource: scope.replace(/\/\.default$/, ''),
      ...(clientId && { client_id: clientId }),
    });
    try {
      return await this.services.http.send({
        method: 'GET',
        url: `${METADATA_SERVICE}metadata/identity/oauth2/token?${query}`,
        headers: { Metadata: 'true' },
        retry: METADATA_PATIENCE,
        idleTimeout: METADATA_TIMEOUT,
        ...(limits.retry && limits.retry.forMilliseconds < METADATA_PATIENCE.forMilliseconds && limits),
      });
    } catch (error) {
      if (!(error instanceof ConnectionError)) throw error;
      throw signInFailure(
        this.connection,
        'it uses a managed identity, which only agents on Azure machines have. Run the job on such an agent, or use workload identity federation.',
        [error.message],
      );
    }
  }
}
