import type { Api, ApiRequest, Handler } from './api';
import { ApiError } from './errors';
import { flag, integer, list, optionalText, text } from './fields';
import { newId } from './ids';
import { isObject, type JsonObject } from './json';

/** Both paths that clients use. */
const PATHS = ['/preview/scim/v2', '/scim/v2'];

interface Principal {
  readonly id: string;
  readonly applicationId: string;
  readonly displayName: string;
  readonly active: boolean;
  readonly entitlements: readonly string[];
}

/** A refusal in the shape that SCIM has for it. */
class ScimError extends ApiError {
  override get body(): JsonObject {
    return {
      schemas: ['urn:ietf:params:scim:api:messages:2.0:Error'],
      detail: this.message,
      status: String(this.status),
    };
  }
}

/** Who is known to the workspace: tells who asks, and keeps its service principals. */
export class Scim {
  private readonly users = new Map<string, string>();
  private readonly principals = new Map<string, Principal>();

  /** Whether a service principal of this application id was added. */
  knows(applicationId: string): boolean {
    return [...this.principals.values()].some((one) => one.applicationId === applicationId);
  }

  get api(): Api {
    const me: Handler = ({ user }) => {
      if (!this.users.has(user)) this.users.set(user, String(newId()));
      return describeUser(user, this.users.get(user)!);
    };
    const routes = PATHS.flatMap((path): [string, Handler][] => [
      [`GET ${path}/Me`, me],
      [`GET ${path}/ServicePrincipals`, (request) => this.list(request)],
      [`POST ${path}/ServicePrincipals`, (request) => this.add(request)],
      [`GET ${path}/ServicePrincipals/{id}`, ({ fields }) => describe(this.find(fields))],
      [
        `DELETE ${path}/ServicePrincipals/{id}`,
        ({ fields }) => void this.principals.delete(this.find(fields).id),
      ],
    ]);
    return { versions: ['2.0'], routes: Object.fromEntries(routes) };
  }

  private list({ fields }: ApiRequest): JsonObject {
    const filter = optionalText(fields, 'filter');
    const [, name, value] = /^(\w+) eq "?([^"]*)"?$/i.exec(filter ?? '') ?? [];
    if (filter && !name) throw new ScimError(400, '', `The filter ${filter} is not supported.`);
    const found = [...this.principals.values()].filter(
      (one) => name === undefined || one[name as keyof Principal] === value,
    );
    const start = integer(fields, 'startIndex', 1);
    const page = found.slice(start - 1, start - 1 + integer(fields, 'count', 100));
    return {
      totalResults: found.length,
      startIndex: start,
      itemsPerPage: page.length,
      schemas: ['urn:ietf:params:scim:api:messages:2.0:ListResponse'],
      ...(page.length > 0 && { Resources: page.map(describe) }),
    };
  }

  private add({ fields }: ApiRequest): JsonObject {
    const applicationId = text(fields, 'applicationId');
    if (this.knows(applicationId)) {
      throw new ScimError(409, '', `Service principal with application ID ${applicationId} already exists.`);
    }
    const added: Principal = {
      id: String(newId()),
      applicationId,
      displayName: optionalText(fields, 'displayName') ?? applicationId,
      active: fields.active === undefined || flag(fields, 'active'),
      entitlements: list(fields, 'entitlements').flatMap((one) =>
        isObject(one) ? [text(one, 'value')] : [],
      ),
    };
    this.principals.set(added.id, added);
    return describe(added);
  }

  private find(fields: JsonObject): Principal {
    const found = this.principals.get(text(fields, 'id'));
    if (!found) throw new ScimError(404, '', `Service principal with id ${text(fields, 'id')} not found.`);
    return found;
  }
}

function describe({ id, applicationId, displayName, active, entitlements }: Principal): JsonObject {
  return {
    schemas: ['urn:ietf:params:scim:schemas:core:2.0:ServicePrincipal'],
    id,
    applicationId,
    displayName,
    active,
    ...(entitlements.length > 0 && { entitlements: entitlements.map((value) => ({ value })) }),
  };
}

function describeUser(user: string, id: string): JsonObject {
  const isPerson = user.includes('@');
  return {
    schemas: [
      'urn:ietf:params:scim:schemas:core:2.0:User',
      'urn:ietf:params:scim:schemas:extension:workspace:2.0:User',
    ],
    id,
    userName: user,
    displayName: isPerson ? user.slice(0, user.indexOf('@')) : user,
    active: true,
    ...(isPerson && { emails: [{ type: 'work', value: user, primary: true }] }),
    groups: [{ display: 'users', type: 'direct', value: '1', $ref: 'Groups/1' }],
  };
}
