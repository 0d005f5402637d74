import type { Api } from './api';
import { ApiError, notFound } from './errors';
import { object, optionalText, text } from './fields';
import type { JsonObject } from './json';

/** Scope to key to value. */
export type SecretValues = Record<string, Record<string, string>>;

/** The identities that service credentials stand for, by the credential's name. */
export type ServiceCredentials = Record<string, ServiceIdentity>;

export type ServiceIdentity = {
  /** Where its tokens are had. */
  readonly tokenUrl: string;
  readonly clientId: string;
  readonly secret: string;
};

/** The secret scopes of a workspace. Values go in, and come out only in notebooks. */
export class Secrets {
  private readonly scopes = new Map<string, Map<string, string>>();
  /** The key vaults that scopes stand for, whose secrets are not here. */
  private readonly vaults = new Map<string, JsonObject>();

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
        'POST /secrets/scopes/create': ({ fields }) => this.createScope(fields),
        'POST /secrets/scopes/delete': ({ fields }) => this.deleteScope(fields),
        'GET /secrets/scopes/list': () => this.listScopes(),
        'POST /secrets/put': ({ fields }) => {
          return this.put(fields);
        },
        'GET /secrets/list': ({ fields }) => {
          const keys = [...this.find(fields).keys()];
          return keys.length > 0 ? { secrets: keys.map((key) => ({ key })) } : {};
        },
      },
    };
  }

  private createScope(fields: JsonObject): JsonObject {
    const scope = text(fields, 'scope');
    if (this.scopes.has(scope))
      throw new ApiError(400, 'RESOURCE_ALREADY_EXISTS', `Scope ${scope} already exists!`);
    if (optionalText(fields, 'scope_backend_type') === 'AZURE_KEYVAULT') {
      const vault = object(fields, 'backend_azure_keyvault') ?? {};
      this.vaults.set(scope, {
        resource_id: text(vault, 'resource_id'),
        dns_name: text(vault, 'dns_name'),
      });
    }
    this.scopes.set(scope, new Map());
    return {};
  }

  private deleteScope(fields: JsonObject): JsonObject {
    this.find(fields);
    this.scopes.delete(text(fields, 'scope'));
    this.vaults.delete(text(fields, 'scope'));
    return {};
  }

  private put(fields: JsonObject): JsonObject {
    const secrets = this.find(fields);
    if (this.vaults.has(text(fields, 'scope'))) {
      throw new ApiError(400, 'BAD_REQUEST', 'Cannot write secrets to Azure KeyVault-backed scope.');
    }
    secrets.set(text(fields, 'key'), text(fields, 'string_value'));
    return {};
  }

  private listScopes(): JsonObject {
    const scopes = [...this.scopes.keys()].map((name) => {
      const vault = this.vaults.get(name);
      return vault
        ? { name, backend_type: 'AZURE_KEYVAULT', keyvault_metadata: vault }
        : { name, backend_type: 'DATABRICKS' };
    });
    return scopes.length > 0 ? { scopes } : {};
  }

  private find(fields: JsonObject): Map<string, string> {
    const scope = text(fields, 'scope');
    const secrets = this.scopes.get(scope);
    if (!secrets) throw notFound(`Scope ${scope} does not exist!`);
    return secrets;
  }
}
