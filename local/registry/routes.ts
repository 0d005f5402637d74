import type { Access } from './access';
import type { Exchange } from './exchange';
import { DIGEST, REPOSITORY, TAG } from './names';

export type Operation =
  | 'ping'
  | 'token'
  | 'exchange'
  | 'listRepositories'
  | 'listTags'
  | 'manifest'
  | 'blob'
  | 'referrers'
  | 'startUpload'
  | 'upload'
  | 'tagAttributes'
  | 'manifestAttributes';

/** Addresses of the registry protocol, and of Azure Container Registry's own API beside it. */
const ROUTES: readonly [pattern: string, operation: Operation][] = [
  ['/v2/?', 'ping'],
  ['/oauth2/token', 'token'],
  ['/oauth2/exchange', 'exchange'],
  ['/v2/_catalog', 'listRepositories'],
  [`/v2/(?<repository>${REPOSITORY})/tags/list`, 'listTags'],
  [`/v2/(?<repository>${REPOSITORY})/manifests/(?<reference>${TAG}|[\\w+.-]+:[^/]*)`, 'manifest'],
  [`/v2/(?<repository>${REPOSITORY})/blobs/(?<reference>${DIGEST})`, 'blob'],
  [`/v2/(?<repository>${REPOSITORY})/referrers/(?<reference>${DIGEST})`, 'referrers'],
  [`/v2/(?<repository>${REPOSITORY})/blobs/uploads/?`, 'startUpload'],
  [`/v2/(?<repository>${REPOSITORY})/blobs/uploads/(?<reference>[0-9a-f-]{36})`, 'upload'],
  [`/acr/v1/(?<repository>${REPOSITORY})/_tags/(?<reference>${TAG})`, 'tagAttributes'],
  [`/acr/v1/(?<repository>${REPOSITORY})/_manifests/(?<reference>${DIGEST})`, 'manifestAttributes'],
];

const MATCHERS = ROUTES.map(([pattern, operation]) => ({
  matcher: new RegExp(`^${pattern}$`),
  operation,
}));

export interface Route {
  readonly operation: Operation;
  readonly repository: string;
  readonly reference: string;
}

/** Names with capitals and other breaches of the grammar find no route, as with the real service. */
export function findRoute(path: string): Route | undefined {
  const decoded = decode(path);
  for (const { matcher, operation } of MATCHERS) {
    const match = matcher.exec(decoded);
    if (match) {
      const { repository = '', reference = '' } = match.groups ?? {};
      return { operation, repository, reference };
    }
  }
  return undefined;
}

/** What a client must be allowed to do for a request, named as in a token's scopes. */
export function neededAccess(operation: Operation, { request, query, repository }: Exchange): Access[] {
  const on = (name: string, ...actions: string[]): Access => ({ type: 'repository', name, actions });
  switch (operation) {
    case 'ping':
    case 'token':
    case 'exchange':
      return [];
    case 'listRepositories':
      return [{ type: 'registry', name: 'catalog', actions: ['*'] }];
    case 'tagAttributes':
    case 'manifestAttributes':
      return [on(repository, request.method === 'PATCH' ? 'metadata_write' : 'metadata_read')];
    default: {
      const from = query.get('from');
      const other = operation === 'startUpload' && from ? [on(from, 'pull')] : [];
      return [on(repository, ...repositoryActions(request.method)), ...other];
    }
  }
}

function repositoryActions(method: string | undefined): string[] {
  if (method === 'DELETE') return ['delete'];
  return method === 'GET' || method === 'HEAD' ? ['pull'] : ['pull', 'push'];
}

function decode(path: string): string {
  try {
    return decodeURIComponent(path);
  } catch {
    return path;
  }
}
