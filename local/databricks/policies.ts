import { randomBytes } from 'node:crypto';
import type { Api } from './api';
import { ApiError, invalid } from './errors';
import { optionalText, text } from './fields';
import { isObject, type JsonObject, parseJson } from './json';

interface Policy {
  readonly id: string;
  readonly name: string;
  readonly definition: string;
  readonly description: string | undefined;
  readonly creator: string;
  readonly created: number;
}

/** The cluster policies of a workspace. They are kept and told, not enforced: no cluster is made here. */
export class ClusterPolicies {
  private readonly policies = new Map<string, Policy>();

  constructor(private readonly now: () => number) {}

  has(id: string): boolean {
    return this.policies.has(id);
  }

  get api(): Api {
    return {
      versions: ['2.0'],
      routes: {
        'GET /policies/clusters/list': () => {
          const policies = [...this.policies.values()].map(describe);
          return policies.length > 0 ? { policies, total_count: policies.length } : { total_count: 0 };
        },
        'GET /policies/clusters/get': ({ fields }) => describe(this.find(fields)),
        'POST /policies/clusters/create': ({ fields, user }) => {
          const id = randomBytes(8).toString('hex').toUpperCase();
          this.put({ id, creator: user, created: this.now(), ...this.read(fields) });
          return { policy_id: id };
        },
        'POST /policies/clusters/edit': ({ fields }) => {
          const before = this.find(fields);
          this.put({ ...before, ...this.read(fields, before.id) });
          return {};
        },
        'POST /policies/clusters/delete': ({ fields }) => {
          this.policies.delete(this.find(fields).id);
          return {};
        },
      },
    };
  }

  private put(policy: Policy): void {
    this.policies.set(policy.id, policy);
  }

  private read(fields: JsonObject, id?: string): Pick<Policy, 'name' | 'definition' | 'description'> {
    const name = text(fields, 'name');
    if ([...this.policies.values()].some((other) => other.name === name && other.id !== id)) {
      throw invalid(`A policy with the name '${name}' already exists.`);
    }
    const definition = text(fields, 'definition');
    try {
      if (!isObject(parseJson(definition))) throw new Error('it is no object');
    } catch (error) {
      throw invalid(`The policy's definition is not valid JSON: ${(error as Error).message}`);
    }
    return { name, definition, description: optionalText(fields, 'description') };
  }

  private find(fields: JsonObject): Policy {
    const id = text(fields, 'policy_id');
    const found = this.policies.get(id);
    if (!found)
      throw new ApiError(404, 'RESOURCE_DOES_NOT_EXIST', `Can't find a cluster policy with id: ${id}.`);
    return found;
  }
}

function describe({ id, name, definition, description, creator, created }: Policy): JsonObject {
  return {
    policy_id: id,
    name,
    definition,
    ...(description !== undefined && { description }),
    creator_user_name: creator,
    created_at_timestamp: created,
    is_default: false,
  };
}
