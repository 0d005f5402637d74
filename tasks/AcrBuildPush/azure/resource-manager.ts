import type { EntraTokens } from '../../common/entra';
import { TaskError } from '../../common/errors';
import { explainBy, type Signature } from '../../common/explain';
import { bound } from '../../common/foreign-text';
import type { HttpAnswer, HttpClient } from '../../common/http';
import { isRecord, readJson, textIn } from '../../common/json';
import { pagesOf } from '../../common/paged-list';
import type { AzureServiceConnection } from '../../common/service-connection';
import { faultIn, type Shape, type Shaped } from '../../common/shape';

/** The first that tells how a registry grants access, and one that every cloud has. */
const REGISTRY_API = '2025-11-01';
const OLDER_REGISTRY_API = '2023-07-01';

/** What Azure answers to a version of its API that it does not have. */
const UNKNOWN_VERSION = /InvalidApiVersionParameter|NoRegisteredProviderFound|InvalidResourceType/;

/** A registry as Azure's resource manager knows it. */
export interface RegistryResource {
  /** `/subscriptions/…/registries/<name>`. */
  readonly id: string;
  readonly loginServer: string;
  /** Whether roles are given by repository ("RBAC Registry + ABAC Repository Permissions"). */
  readonly isByRepository: boolean;
}

const REGISTRY_PAGE = {
  value: [{ id: 'text', properties: { loginServer: 'text', roleAssignmentMode: 'text' } }],
  nextLink: 'text',
} as const;

/** What Azure answers when it refuses, by the codes of its errors. */
const SIGNATURES: readonly Signature<{ input: string; purpose: string }>[] = [
  {
    pattern: /AuthorizationFailed|LinkedAuthorizationFailed/,
    explain: (_, { input, purpose }) =>
      `The service connection in input '${input}' may not ${purpose}. Give its identity the role Container Registry Tasks Contributor on the registry, or another with 'registries/scheduleRun/action' and 'registries/listBuildSourceUploadUrl/action': the right to push is not enough to build there.`,
  },
  {
    pattern: /TasksOperationsNotAllowed/,
    explain: () =>
      "Azure does not let this registry's subscription build images: free and credit subscriptions may not. Build with docker, on an agent that has it, or ask Azure's support.",
  },
  {
    pattern: /SubscriptionNotFound|InvalidSubscriptionId/,
    explain: (_, { input }) =>
      `There is no such subscription as the service connection in input '${input}' names. Edit the connection.`,
  },
];

/** What a call to the resource manager takes beside its address. */
export interface AzureCall<S extends Shape> {
  readonly body?: object;
  readonly signal?: AbortSignal;
  /** Whether sending it twice does no harm. */
  readonly repeatable?: boolean;
  /** What the answer is to be; any object where that does not matter. */
  readonly shape?: S;
}

/** Azure's resource manager, as an identity that signs in by a service connection. */
export class ResourceManager {
  constructor(
    private readonly connection: AzureServiceConnection,
    private readonly tokens: EntraTokens,
    private readonly http: Pick<HttpClient, 'send'>,
  ) {}

  /**
   * Finds a registry by its address among those of the connection's subscription.
   *
   * @param name of the registry, where its address may be another: one with a hash against takeover
   */
  async findRegistry(loginServer: string, name?: string): Promise<RegistryResource> {
    const { subscriptionId, input } = this.connection;
    const all = await this.registries(REGISTRY_API).catch((error: unknown) => {
      const isOlder = error instanceof TaskError && UNKNOWN_VERSION.test(error.details.join());
      if (!isOlder) throw error;
      return this.registries(OLDER_REGISTRY_API);
    });
    const found =
      all.find((one) => one.loginServer === loginServer) ??
      all.find(({ id }) => name !== undefined && id.toLowerCase().endsWith(`/registries/${name}`));
    if (found) return found;
    throw new TaskError(
      `There is no registry ${loginServer} among those that the service connection in input '${input}' can see in its subscription ${subscriptionId}. Use a connection to the registry's subscription, whose identity may read the registry.`,
    );
  }

  private async registries(version: string): Promise<RegistryResource[]> {
    const { subscriptionId, resourceManagerUrl } = this.connection;
    const all: RegistryResource[] = [];
    const first = `/subscriptions/${subscriptionId}/providers/Microsoft.ContainerRegistry/registries?api-version=${version}`;
    const ask = (path = first) =>
      this.send('GET', path, 'list the registries of its subscription', { shape: REGISTRY_PAGE });
    // The token must not go anywhere else.
    const next = ({ nextLink }: Shaped<typeof REGISTRY_PAGE>) =>
      nextLink?.startsWith(`${resourceManagerUrl}/`) ? nextLink.slice(resourceManagerUrl.length) : undefined;
    for await (const page of pagesOf(`the registries of subscription ${subscriptionId}`, ask, next)) {
      for (const one of page.value ?? []) {
        const { loginServer, roleAssignmentMode } = one.properties ?? {};
        if (!loginServer) continue;
        all.push({
          id: textIn(one, 'id', resourceManagerUrl),
          loginServer: loginServer.toLowerCase(),
          isByRepository: roleAssignmentMode === 'AbacRepositoryPermissions',
        });
      }
    }
    return all;
  }

  /**
   * @param path with its query
   * @param purpose what it is for, to go on from `may not` and `refused to`
   * @returns the answer's JSON
   * @throws TaskError when Azure refuses, or something else answers
   */
  async send<S extends Shape = 'object'>(
    method: 'GET' | 'POST',
    path: string,
    purpose: string,
    { body, signal, shape, repeatable = method === 'GET' }: AzureCall<S> = {},
  ): Promise<Shaped<S>> {
    const { resourceManagerUrl, input } = this.connection;
    const token = await this.tokens.token(`${resourceManagerUrl}/.default`);
    const answer = await this.http.send({
      method,
      url: resourceManagerUrl + path,
      headers: { Authorization: `Bearer ${token}`, 'Content-Type': 'application/json' },
      ...(method === 'POST' && { body: JSON.stringify(body ?? {}) }),
      ...(signal && { signal }),
      repeatable,
    });
    if (answer.status < 200 || answer.status > 299) throw refusal(answer, { input, purpose });
    // What only does something may be answered by nothing.
    const content = answer.body.length === 0 ? {} : readJson(answer.body);
    const fault = isRecord(content) && shape ? faultIn(content, shape) : undefined;
    if (isRecord(content) && !fault) return content as Shaped<S>;
    const what = fault ? `answered in words that make no sense: ${fault}` : 'did not answer in JSON';
    throw new TaskError(
      `${resourceManagerUrl} was asked to ${purpose}, and ${what}. Check for a proxy in between, and run the step again.`,
      { details: [bound(answer.body.toString('utf8'), 500)] },
    );
  }
}

function refusal(
  { status, body, headers }: HttpAnswer,
  context: { input: string; purpose: string },
): TaskError {
  const text = bound(body.toString('utf8'), 2_000);
  const correlation = headers.get('x-ms-correlation-request-id');
  return new TaskError(
    explainBy(SIGNATURES, text, context) ??
      `Azure refused to ${context.purpose} (HTTP ${status}). Its answer stands above this message.`,
    {
      details: [
        `Azure: HTTP ${status}. ${text}`,
        ...(correlation ? [`Correlation id for Azure support: ${correlation}`] : []),
      ],
    },
  );
}
