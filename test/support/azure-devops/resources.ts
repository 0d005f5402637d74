import { randomUUID } from 'node:crypto';
import type { DevOpsRequest } from './request';
import { checkBody } from './shapes';

export class DevOpsError extends Error {
  constructor(
    readonly status: number,
    readonly typeKey: string,
    message: string,
  ) {
    super(message);
  }
}

// biome-ignore lint/suspicious/noExplicitAny: what a test looks at is what requests have sent
export type Resource = Record<string, any>;

export interface OrganizationOptions {
  readonly tenantId: string;
  /** The only project's name. */
  readonly project: string;
  /** Repositories of the project; one without a branch is empty. */
  readonly repositories: Readonly<Record<string, { readonly defaultBranch?: string }>>;
  /** Extensions that may be installed, as `publisher.name`. */
  readonly marketplace: readonly string[];
  /** Elements on a page of a list. */
  readonly pageSize?: number;
}

export interface Organization extends OrganizationOptions {
  readonly id: string;
  readonly projectId: string;
  readonly userId: string;
  readonly endpoints: Map<string, Resource>;
  readonly groups: Map<string, Resource>;
  readonly environments: Map<string, Resource>;
  readonly checks: Map<string, Resource>;
  readonly definitions: Map<string, Resource>;
  readonly extensions: Set<string>;
  /** `type/id` of a resource to the pipelines that may use it. */
  readonly permits: Map<string, Set<number>>;
  readonly runs: Resource[];
  nextId: number;
}

export function newOrganization(options: OrganizationOptions): Organization {
  return {
    ...options,
    id: randomUUID(),
    projectId: randomUUID(),
    userId: randomUUID(),
    endpoints: new Map(),
    groups: new Map(),
    environments: new Map(),
    checks: new Map(),
    definitions: new Map(),
    extensions: new Set(),
    permits: new Map(),
    runs: [],
    nextId: 1,
  };
}

interface Answer {
  readonly status?: number;
  readonly value?: unknown;
  readonly continuationToken?: string;
}

type Handler = (organization: Organization, request: DevOpsRequest, names: string[]) => Answer;

const exists = (typeKey: string, message: string) => new DevOpsError(409, typeKey, message);
const absent = (typeKey: string, message: string) => new DevOpsError(404, typeKey, message);

/** By method and path; `*` is a name in the path. */
const ROUTES: readonly (readonly [string, Handler])[] = [
  ['GET /_apis/connectionData', ({ userId }) => ({ value: { authenticatedUser: { id: userId } } })],
  ['GET /_apis/projects/*', (organization, _, [name]) => ({ value: projectOf(organization, name!) })],
  [
    'GET /*/_apis/git/repositories/*',
    (organization, _, [, name]) => ({ value: repositoryOf(organization, name!) }),
  ],
  [
    'GET /_apis/extensionmanagement/installedextensionsbyname/*/*',
    (organization, _, names) => ({ value: extensionOf(organization, names) }),
  ],
  ['POST /_apis/extensionmanagement/installedextensionsbyname/*/*', install],
  [
    'GET /*/_apis/distributedtask/queues',
    () => ({
      value: listOf([
        { id: 7, name: 'Default', pool: {} },
        { id: 9, name: 'Azure Pipelines', pool: { isHosted: true } },
      ]),
    }),
  ],

  [
    'GET /*/_apis/serviceendpoint/endpoints',
    ({ endpoints }, { query }) => ({ value: listOf(byName(endpoints, query.get('endpointNames'))) }),
  ],
  [
    'POST /_apis/serviceendpoint/endpoints',
    (organization, request) => ({ value: putEndpoint(organization, randomUUID(), request) }),
  ],
  [
    'PUT /_apis/serviceendpoint/endpoints/*',
    (organization, request, [id]) => {
      find(organization.endpoints, id!, 'ServiceEndpointNotFoundException');
      return { value: putEndpoint(organization, id!, request) };
    },
  ],
  [
    'DELETE /_apis/serviceendpoint/endpoints/*',
    (organization, { query }, [id]) => take(organization, 'endpoints', id!, query),
  ],

  [
    'GET /*/_apis/distributedtask/variablegroups',
    (organization, { query }) =>
      page(organization, [...byName(organization.groups, query.get('groupName'))].map(withoutSecrets), query),
  ],
  [
    'POST /_apis/distributedtask/variablegroups',
    (organization, request) => ({ value: putGroup(organization, organization.nextId++, request) }),
  ],
  [
    'PUT /_apis/distributedtask/variablegroups/*',
    (organization, request, [id]) => {
      find(organization.groups, id!, 'VariableGroupNotFoundException');
      return { value: putGroup(organization, Number(id), request) };
    },
  ],
  [
    'DELETE /_apis/distributedtask/variablegroups/*',
    (organization, { query }, [id]) => take(organization, 'groups', id!, query),
  ],

  [
    'GET /*/_apis/distributedtask/environments',
    (organization, { query }) =>
      page(organization, byName(organization.environments, query.get('name')), query),
  ],
  [
    'POST /*/_apis/distributedtask/environments',
    (organization, { body }) => make(organization, 'environments', 'Environment', body),
  ],
  [
    'DELETE /*/_apis/distributedtask/environments/*',
    (organization, _, [, id]) => take(organization, 'environments', id!),
  ],

  [
    'GET /*/_apis/pipelines/checks/configurations',
    (organization, { query }) => page(organization, checksOf(organization, query), query),
  ],
  [
    'POST /*/_apis/pipelines/checks/configurations',
    (organization, { body }) => make(organization, 'checks', 'CheckConfiguration', body),
  ],
  [
    'DELETE /*/_apis/pipelines/checks/configurations/*',
    (organization, _, [, id]) => ({ status: 204, ...take(organization, 'checks', id!) }),
  ],

  [
    'GET /*/_apis/pipelines/pipelinepermissions/*/*',
    (organization, _, [, type, id]) => ({ value: permitsOf(organization, type!, id!) }),
  ],
  ['PATCH /*/_apis/pipelines/pipelinepermissions/*/*', permit],

  [
    'GET /*/_apis/build/definitions',
    (organization, { query }) =>
      page(
        organization,
        byName(organization.definitions, query.get('name'))
          .filter(({ path }) => !query.get('path') || path === query.get('path'))
          .map(({ id, name, path }) => ({ id, name, path })),
        query,
      ),
  ],
  [
    'GET /*/_apis/build/definitions/*',
    ({ definitions }, _, [, id]) => ({ value: find(definitions, id!, 'DefinitionNotFoundException') }),
  ],
  [
    'POST /*/_apis/build/definitions',
    (organization, { body }) => make(organization, 'definitions', 'BuildDefinition', body),
  ],
  [
    'PUT /*/_apis/build/definitions/*',
    (organization, { body }, [, id]) => {
      find(organization.definitions, id!, 'DefinitionNotFoundException');
      organization.definitions.set(id!, checkBody('BuildDefinition', body));
      return { value: body };
    },
  ],
  [
    'DELETE /*/_apis/build/definitions/*',
    (organization, _, [, id]) => ({ status: 204, ...take(organization, 'definitions', id!) }),
  ],
  [
    'POST /*/_apis/pipelines/*/runs',
    (organization, { body }, [, id]) => {
      find(organization.definitions, id!, 'PipelineNotFoundException');
      const run = {
        id: organization.nextId++,
        pipeline: Number(id),
        ...checkBody('RunPipelineParameters', body),
      };
      organization.runs.push(run);
      return {
        value: {
          ...run,
          _links: { web: { href: `https://dev.azure.com/contoso/_build/results?buildId=${run.id}` } },
        },
      };
    },
  ],
];

/** @throws DevOpsError for whatever the organization refuses */
export function answerRequest(organization: Organization, request: DevOpsRequest): Answer {
  const { method, path, query } = request;
  for (const [route, handler] of ROUTES) {
    const names = match(route, `${method} ${path}`);
    if (!names) continue;
    if (!query.has('api-version')) {
      throw new DevOpsError(
        400,
        'VssVersionNotSpecifiedException',
        `No api-version was supplied for the "${method}" request.`,
      );
    }
    if (route.includes(' /*/') && ![organization.projectId, organization.project].includes(names[0]!)) {
      throw absent(
        'ProjectDoesNotExistException',
        `TF200016: The following project does not exist: ${names[0]}.`,
      );
    }
    return handler(organization, request, names);
  }
  throw absent('', `Page not found: ${method} ${path}.`);
}

function match(route: string, asked: string): string[] | undefined {
  const [wanted, given] = [route.split('/'), asked.split('/')];
  if (wanted.length !== given.length) return undefined;
  const isSame = wanted.every((part, index) => part === '*' || part === given[index]);
  return isSame ? given.filter((_, index) => wanted[index] === '*') : undefined;
}

function projectOf({ projectId, project }: Organization, name: string): Resource {
  if (name === project || name === projectId) return { id: projectId, name: project, state: 'wellFormed' };
  throw absent(
    'ProjectDoesNotExistWithNameException',
    `TF200016: The following project does not exist: ${name}.`,
  );
}

function repositoryOf({ repositories, project }: Organization, name: string): Resource {
  const found = repositories[name];
  if (!found)
    throw absent(
      'GitRepositoryNotFoundException',
      `TF401019: The Git repository with name or identifier ${name} does not exist.`,
    );
  return {
    id: `repository-${name}`,
    name,
    remoteUrl: `https://dev.azure.com/contoso/${project}/_git/${name}`,
    ...found,
  };
}

function extensionOf({ extensions }: Organization, [publisherId, extensionId]: string[]): Resource {
  if (extensions.has(`${publisherId}.${extensionId}`)) return { publisherId, extensionId, version: '1.0.0' };
  throw absent(
    'InstalledExtensionNotFoundException',
    `The extension ${publisherId}.${extensionId} is not installed.`,
  );
}

function install(organization: Organization, _: DevOpsRequest, names: string[]): Answer {
  const name = names.join('.');
  if (!organization.marketplace.includes(name)) {
    throw absent(
      'ExtensionDoesNotExistException',
      `The extension ${name} does not exist, or is not shared with you.`,
    );
  }
  organization.extensions.add(name);
  return { value: extensionOf(organization, names) };
}

function putEndpoint(organization: Organization, id: string, { body }: DevOpsRequest): Resource {
  const sent = checkBody('ServiceEndpoint', body);
  const [other] = byName(organization.endpoints, sent.name);
  if (other && other.id !== id) {
    throw exists(
      'DuplicateServiceConnectionException',
      `Service connection with name ${sent.name} already exists.`,
    );
  }
  const federation = {
    workloadIdentityFederationIssuer: `https://login.microsoftonline.com/${organization.tenantId}/v2.0`,
    workloadIdentityFederationSubject: `/eid1/c/pub/t/prefix/a/application/sc/${organization.id}/${id}`,
  };
  const endpoint = {
    ...sent,
    id,
    authorization: {
      ...sent.authorization,
      parameters: {
        ...sent.authorization.parameters,
        ...(sent.authorization.scheme === 'WorkloadIdentityFederation' && federation),
      },
    },
  };
  organization.endpoints.set(id, endpoint);
  return endpoint;
}

function putGroup(organization: Organization, id: number, { body }: DevOpsRequest): Resource {
  const sent = checkBody('VariableGroupParameters', body);
  const [other] = byName(organization.groups, sent.name);
  if (other && other.id !== id)
    throw exists('VariableGroupExistsException', `Variable group ${sent.name} already exists.`);
  if (sent.variableGroupProjectReferences?.[0]?.projectReference?.id !== organization.projectId) {
    throw new DevOpsError(400, 'ArgumentException', 'A variable group must be in a project.');
  }
  organization.groups.set(String(id), { ...sent, id });
  return withoutSecrets({ ...sent, id });
}

/** Nobody can read a secret variable. */
function withoutSecrets(group: Resource): Resource {
  const variables = Object.entries(group.variables as Record<string, Resource>).map(([name, variable]) => [
    name,
    variable.isSecret ? { ...variable, value: null } : variable,
  ]);
  return { ...group, variables: Object.fromEntries(variables) };
}

type Kind = 'environments' | 'checks' | 'definitions' | 'endpoints' | 'groups';

function make(organization: Organization, kind: Kind, shape: string, body: unknown): Answer {
  const sent = checkBody(shape, body);
  const id = organization.nextId++;
  if (sent.name && byName(organization[kind], sent.name).some(({ path }) => path === sent.path)) {
    throw exists('DefinitionExistsException', `${sent.name} already exists.`);
  }
  organization[kind].set(String(id), { ...sent, id });
  return { value: { ...sent, id } };
}

function take(organization: Organization, kind: Kind, id: string, query?: URLSearchParams): Answer {
  find(organization[kind], id, 'NotFoundException');
  if (query && query.get('projectIds') !== organization.projectId) {
    throw new DevOpsError(400, 'ArgumentException', 'The query must name the projects, as projectIds.');
  }
  organization[kind].delete(id);
  return { status: 204 };
}

function find(map: ReadonlyMap<string, Resource>, id: string, typeKey: string): Resource {
  const found = map.get(id);
  if (!found) throw absent(typeKey, `${id} does not exist.`);
  return found;
}

function byName(map: ReadonlyMap<string, Resource>, name: string | null): Resource[] {
  return [...map.values()].filter((one) => name === null || one.name.toLowerCase() === name.toLowerCase());
}

function checksOf({ checks }: Organization, query: URLSearchParams): Resource[] {
  return [...checks.values()].filter(
    ({ resource }) =>
      resource.type === query.get('resourceType') && String(resource.id) === query.get('resourceId'),
  );
}

function permitsOf({ permits }: Organization, type: string, id: string): Resource {
  const pipelines = [...(permits.get(`${type}/${id}`) ?? [])].map((pipeline) => ({
    id: pipeline,
    authorized: true,
  }));
  return { pipelines, resource: { type, id } };
}

function permit(organization: Organization, { body }: DevOpsRequest, [, type, id]: string[]): Answer {
  const sent = checkBody('ResourcePipelinePermissions', body);
  const held = organization.permits.get(`${type}/${id}`) ?? new Set();
  organization.permits.set(`${type}/${id}`, held);
  for (const { id: pipeline, authorized } of sent.pipelines) {
    find(organization.definitions, String(pipeline), 'DefinitionNotFoundException');
    if (authorized) held.add(pipeline);
    else held.delete(pipeline);
  }
  return { value: permitsOf(organization, type!, id!) };
}

const listOf = (value: readonly unknown[]) => ({ count: value.length, value });

/** With a page size, the first page is empty and yet not the last, as the service's may be. */
function page({ pageSize }: Organization, all: readonly unknown[], query: URLSearchParams): Answer {
  if (!pageSize) return { value: listOf(all) };
  const token = query.get('continuationToken');
  if (token === null) return { value: listOf([]), continuationToken: '0' };
  const end = Number(token) + pageSize;
  return {
    value: listOf(all.slice(Number(token), end)),
    ...(end < all.length && { continuationToken: String(end) }),
  };
}
