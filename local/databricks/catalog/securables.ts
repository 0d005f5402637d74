import { randomUUID } from 'node:crypto';
import type { Api } from '../api';
import { ApiError, invalid, notFound } from '../errors';
import { list, object, optionalText, text } from '../fields';
import { isObject, type JsonObject } from '../json';
import { type CatalogStore, METASTORE } from './store';

/** The workspace's own catalog, and the schema that every catalog has. */
const CATALOG = 'main';
const SCHEMA = 'default';

/** What may be granted on what, as far as it is granted here. */
const PRIVILEGES: Readonly<Record<string, readonly string[]>> = {
  catalog: ['USE_CATALOG', 'ALL_PRIVILEGES', 'USE_SCHEMA', 'READ_VOLUME', 'WRITE_VOLUME'],
  schema: ['USE_SCHEMA', 'ALL_PRIVILEGES', 'CREATE_VOLUME', 'READ_VOLUME', 'WRITE_VOLUME'],
  volume: ['READ_VOLUME', 'WRITE_VOLUME', 'ALL_PRIVILEGES'],
  credential: ['ACCESS', 'ALL_PRIVILEGES', 'CREATE_CONNECTION'],
};

interface Securable {
  readonly id: string;
  readonly about: JsonObject;
}

export interface SecurablesOptions {
  readonly workspaceId: string;
  /** Whether a metastore is assigned to the workspace. */
  readonly hasMetastore: boolean;
  /** Whether there is such a user or service principal; people are. */
  readonly knows: (principal: string) => boolean;
  readonly now: () => number;
}

/** Unity Catalog's volumes, service credentials and privileges. The last are kept and told, not enforced. */
export class Securables {
  private readonly volumes = new Map<string, Securable>();
  private readonly credentials = new Map<string, Securable>();
  private readonly grants = new Map<string, Map<string, Set<string>>>();

  constructor(
    private readonly store: CatalogStore,
    private readonly options: SecurablesOptions,
  ) {}

  /** The folder of the volume in which a path lies; undefined where there is none. */
  volumeOf(path: string): string | undefined {
    const [, root, ...names] = path.split('/');
    const fullName = names.slice(0, 3).join('.');
    return root === 'Volumes' && this.volumes.has(fullName)
      ? `/Volumes/${fullName.replaceAll('.', '/')}`
      : undefined;
  }

  get api(): Api {
    const root = '/unity-catalog';
    return {
      versions: ['2.1'],
      routes: {
        [`GET ${root}/current-metastore-assignment`]: () => {
          this.needMetastore();
          return {
            metastore_id: METASTORE,
            workspace_id: BigInt(this.options.workspaceId),
            default_catalog_name: CATALOG,
          };
        },
        [`POST ${root}/volumes`]: ({ fields, user }) => this.makeVolume(fields, user),
        [`GET ${root}/volumes/{name}`]: ({ fields }) => this.volume(fields).about,
        [`DELETE ${root}/volumes/{name}`]: ({ fields }) => this.deleteVolume(fields),
        [`POST ${root}/credentials`]: ({ fields, user }) => this.makeCredential(fields, user),
        [`GET ${root}/credentials/{name}`]: ({ fields }) => this.credential(fields).about,
        [`PATCH ${root}/credentials/{name}`]: ({ fields }) => this.changeCredential(fields),
        [`DELETE ${root}/credentials/{name}`]: ({ fields }) => {
          this.credential(fields);
          this.drop('credential', text(fields, 'name'));
          this.credentials.delete(text(fields, 'name'));
          return {};
        },
        [`GET ${root}/permissions/{kind}/{name}`]: ({ fields }) => this.tell(fields),
        [`PATCH ${root}/permissions/{kind}/{name}`]: ({ fields }) => this.grant(fields),
      },
    };
  }

  private makeVolume(fields: JsonObject, owner: string): JsonObject {
    this.needMetastore();
    const names = ['catalog_name', 'schema_name', 'name'].map((name) => text(fields, name));
    const fullName = names.join('.');
    this.needSchema(names[0]!, names[1]!);
    if (!['MANAGED', 'EXTERNAL'].includes(text(fields, 'volume_type'))) throw invalid('Unknown volume_type.');
    if (this.volumes.has(fullName)) {
      throw new ApiError(409, 'VOLUME_ALREADY_EXISTS', `Volume '${fullName}' already exists.`);
    }
    const id = randomUUID();
    const { catalog_name, schema_name, name, volume_type, comment } = fields;
    const about = { catalog_name, schema_name, name, volume_type, comment };
    this.volumes.set(fullName, {
      id,
      about: { ...about, full_name: fullName, volume_id: id, owner, created_at: this.options.now() },
    });
    return this.volumes.get(fullName)!.about;
  }

  private deleteVolume(fields: JsonObject): JsonObject {
    this.volume(fields);
    const name = text(fields, 'name');
    for (const path of [...this.store.files.keys()]) {
      if (path.startsWith(`/Volumes/${name.replaceAll('.', '/')}/`)) this.store.files.delete(path);
    }
    this.drop('volume', name);
    this.volumes.delete(name);
    return {};
  }

  private makeCredential(fields: JsonObject, owner: string): JsonObject {
    this.needMetastore();
    const name = text(fields, 'name');
    if (this.credentials.has(name)) {
      throw new ApiError(409, 'CREDENTIAL_ALREADY_EXISTS', `Credential '${name}' already exists.`);
    }
    const identity = object(fields, 'azure_managed_identity') ?? {};
    const connector = text(identity, 'access_connector_id');
    if (!/\/Microsoft\.Databricks\/accessConnectors\/[^/]+$/i.test(connector)) {
      throw invalid(`'${connector}' is not the resource id of an access connector.`);
    }
    const id = randomUUID();
    const about = {
      id,
      name,
      purpose: text(fields, 'purpose'),
      owner,
      metastore_id: METASTORE,
      azure_managed_identity: { ...identity, credential_id: id },
      comment: optionalText(fields, 'comment'),
    };
    this.credentials.set(name, { id, about });
    return about;
  }

  private changeCredential(fields: JsonObject): JsonObject {
    const { id, about } = this.credential(fields);
    const identity = { ...object(fields, 'azure_managed_identity'), credential_id: id };
    const changed = { ...about, azure_managed_identity: identity };
    this.credentials.set(text(fields, 'name'), { id, about: changed });
    return changed;
  }

  private tell(fields: JsonObject): JsonObject {
    const wanted = optionalText(fields, 'principal');
    const held = [...(this.grants.get(this.securable(fields)) ?? [])].filter(
      ([principal, privileges]) => privileges.size > 0 && (wanted === undefined || principal === wanted),
    );
    if (held.length === 0) return {};
    return {
      privilege_assignments: held.map(([principal, privileges]) => ({
        principal,
        privileges: [...privileges],
      })),
    };
  }

  private grant(fields: JsonObject): JsonObject {
    const key = this.securable(fields);
    const kind = text(fields, 'kind');
    const held = this.grants.get(key) ?? new Map<string, Set<string>>();
    this.grants.set(key, held);
    for (const change of list(fields, 'changes').filter(isObject)) {
      const principal = text(change, 'principal');
      if (!this.options.knows(principal)) {
        throw new ApiError(
          404,
          'PRINCIPAL_DOES_NOT_EXIST',
          `Could not find principal with name ${principal}`,
        );
      }
      const privileges = held.get(principal) ?? new Set<string>();
      held.set(principal, privileges);
      for (const privilege of list(change, 'add').map(String)) {
        if (!PRIVILEGES[kind]!.includes(privilege)) {
          throw invalid(`Privilege ${privilege} is not applicable to this entity [${kind}].`);
        }
        privileges.add(privilege);
      }
      for (const privilege of list(change, 'remove')) privileges.delete(String(privilege));
    }
    const { principal: _all, ...rest } = fields;
    return this.tell(rest);
  }

  /** The key of an object with privileges, if there is such an object. */
  private securable(fields: JsonObject): string {
    this.needMetastore();
    const [kind, name] = [text(fields, 'kind'), text(fields, 'name')];
    if (!PRIVILEGES[kind]) throw invalid(`This local workspace keeps no privileges of ${kind}.`);
    if (kind === 'volume') this.volume(fields);
    else if (kind === 'credential') this.credential(fields);
    else this.needSchema(...(name.split('.') as [string, string?]));
    return `${kind}/${name}`;
  }

  private drop(kind: string, name: string): void {
    this.grants.delete(`${kind}/${name}`);
  }

  private volume(fields: JsonObject): Securable {
    this.needMetastore();
    const found = this.volumes.get(text(fields, 'name'));
    if (found) return found;
    throw new ApiError(404, 'VOLUME_DOES_NOT_EXIST', `Volume '${text(fields, 'name')}' does not exist.`);
  }

  private credential(fields: JsonObject): Securable {
    this.needMetastore();
    const found = this.credentials.get(text(fields, 'name'));
    if (found) return found;
    throw new ApiError(
      404,
      'CREDENTIAL_DOES_NOT_EXIST',
      `Credential '${text(fields, 'name')}' does not exist.`,
    );
  }

  private needSchema(catalog: string, schema?: string): void {
    if (catalog !== CATALOG) throw notFound(`Catalog '${catalog}' does not exist.`);
    if (schema !== undefined && schema !== SCHEMA)
      throw notFound(`Schema '${catalog}.${schema}' does not exist.`);
  }

  private needMetastore(): void {
    if (this.options.hasMetastore) return;
    throw new ApiError(404, 'METASTORE_DOES_NOT_EXIST', 'No metastore assigned for the current workspace.');
  }
}
