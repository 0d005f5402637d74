import type { Api } from './api';
import { ApiError, notFound } from './errors';
import { text } from './fields';
import type { JsonObject } from './json';

/** Scope to key to value. */
export type SecretValues = Record<string, Record<string, string>>;

/** The secret scopes of a workspace. Values go in, and come out only in notebooks. */
export class Secrets {
  private readonly scopes = new Map<string, Map<string, string>>();

  constructor(initial: SecretValues) {
    for (const [scope, secrets] of Object.entries(initial))
      this.scopes.set(scope, new Map(Object.entries(secrets)));
  }

  values(): SecretValues {
    return Object.fromEntries(
      [...this.scopes].map(([scope, secrets]) => [scope, Object.fromEntries(secrets)]),
    );
  }

  get api(): Api {
    return {
      versions: ['2.0'],
      routes: {
        'POST /secrets/scopes/create': ({ fields }) => this.createScope(text(fields, 'scope')),
        'GET /secrets/scopes/list': () => this.listScopes(),
        'POST /secrets/put': ({ fields }) => {
          this.find(fields).set(text(fields, 'key'), text(fields, 'string_value'));
          return {};
        },
        'GET /secrets/list': ({ fields }) => {
          const keys = [...this.find(fields).keys()];
          return keys.length > 0 ? { secrets: keys.map((key) => ({ key })) } : {};
        },
      },
    };
  }

  private createScope(scope: string): JsonObject {
    if (this.scopes.has(scope))
      throw new ApiError(400, 'RESOURCE_ALREADY_EXISTS', `Scope ${scope} already exists!`);
    this.scopes.set(scope, new Map());
    return {};
  }

  private listScopes(): JsonObject {
    const scopes = [...this.scopes.keys()].map((name) => ({ name, backend_type: 'DATABRICKS' }));
    return scopes.length > 0 ? { scopes } : {};
  }

  private find(fields: JsonObject): Map<string, string> {
    const scope = text(fields, 'scope');
    const secrets = this.scopes.get(scope);
    if (!secrets) throw notFound(`Scope ${scope} does not exist!`);
    return secrets;
  }
}
