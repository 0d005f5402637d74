import type { JsonObject } from './json';

/** What a host is: one workspace, or many behind one address that requests name. */
export interface HostOptions {
  readonly workspaceId: string;
  /** The account of a unified host: its sign-in is the account's, and every request names its workspace. */
  readonly unifiedAccountId?: string | undefined;
}

/** The headers and query members by which clients name a workspace of a unified host. */
const WORKSPACE_HEADERS = ['x-databricks-workspace-id', 'x-databricks-org-id'];
const WORKSPACE_QUERIES = ['o', 'w'];

/** Where tokens are had, below a host's address. */
export function tokenPath({ unifiedAccountId }: HostOptions): string {
  return unifiedAccountId ? `/oidc/accounts/${unifiedAccountId}/v1/token` : '/oidc/v1/token';
}

/** What a host tells about itself to everybody, by path. */
export function discover(path: string, origin: string, options: HostOptions): JsonObject | undefined {
  const oidc = origin + tokenPath(options).slice(0, -'/v1/token'.length);
  switch (path) {
    case '/.well-known/databricks-config':
      return options.unifiedAccountId
        ? { oidc_endpoint: oidc, account_id: options.unifiedAccountId }
        : { oidc_endpoint: oidc, workspace_id: options.workspaceId };
    case `${oidc.slice(origin.length)}/.well-known/oauth-authorization-server`:
    case `${oidc.slice(origin.length)}/.well-known/openid-configuration`:
      return {
        issuer: oidc,
        authorization_endpoint: `${oidc}/v1/authorize`,
        token_endpoint: `${oidc}/v1/token`,
        grant_types_supported: ['client_credentials', 'urn:ietf:params:oauth:grant-type:token-exchange'],
        response_types_supported: ['code'],
        scopes_supported: ['all-apis', 'offline_access', 'openid'],
        token_endpoint_auth_methods_supported: ['client_secret_basic', 'none'],
      };
    default:
      return undefined;
  }
}

/** Whether a request is for this workspace: on an address of its own every one is. */
export function isForWorkspace(
  headers: Readonly<Record<string, string | string[] | undefined>>,
  query: URLSearchParams,
  { unifiedAccountId, workspaceId }: HostOptions,
): boolean {
  if (!unifiedAccountId) return true;
  const named = [
    ...WORKSPACE_HEADERS.map((name) => headers[name]),
    ...WORKSPACE_QUERIES.map((name) => query.get(name)),
  ];
  return named.includes(workspaceId);
}
