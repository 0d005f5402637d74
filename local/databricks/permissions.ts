import type { Api } from './api';
import { invalid, malformed, notFound } from './errors';
import { list, text } from './fields';
import { isObject, type Json, type JsonObject } from './json';

/** What one kind of object is called in answers, and what may be allowed on it. */
interface ObjectKind {
  readonly type: string;
  readonly levels: readonly string[];
  /** Has one owner, always. */
  readonly isOwned: boolean;
}

const WORKSPACE_LEVELS = ['CAN_READ', 'CAN_RUN', 'CAN_EDIT', 'CAN_MANAGE'];

/** By the name that stands in the path. */
const KINDS: Readonly<Record<string, ObjectKind>> = {
  jobs: { type: 'job', levels: ['CAN_VIEW', 'CAN_MANAGE_RUN', 'IS_OWNER', 'CAN_MANAGE'], isOwned: true },
  notebooks: { type: 'notebook', levels: WORKSPACE_LEVELS, isOwned: false },
  directories: { type: 'directory', levels: WORKSPACE_LEVELS, isOwned: false },
  'cluster-policies': { type: 'cluster-policy', levels: ['CAN_USE'], isOwned: false },
};

const PRINCIPALS = ['user_name', 'group_name', 'service_principal_name'] as const;

interface Entry {
  readonly kind: (typeof PRINCIPALS)[number];
  readonly name: string;
  readonly level: string;
}

/** Who may do what with which object. It is kept and told, not enforced: everybody here may do everything. */
export class Permissions {
  private readonly lists = new Map<string, Entry[]>();

  /** @param exists whether there is such an object */
  constructor(private readonly exists: (kind: string, id: string) => boolean) {}

  /** Gives a new object to its creator, with the list that was sent along, which may name another owner. */
  begin(kind: string, id: string, creator: string, sent: readonly Json[] = []): void {
    const entries = readEntries(kind, sent);
    const isNamed = entries.some(({ level }) => level === 'IS_OWNER');
    this.lists.set(`${kind}/${id}`, isNamed ? entries : [ownerEntry(creator), ...entries]);
  }

  get api(): Api {
    const path = '/permissions/{kind}/{id}';
    return {
      versions: ['2.0'],
      routes: {
        [`GET ${path}`]: ({ fields }) => this.describe(fields),
        [`PUT ${path}`]: ({ fields }) => this.replace(fields),
        [`PATCH ${path}`]: ({ fields }) => this.add(fields),
        [`GET ${path}/permissionLevels`]: ({ fields }) => ({
          permission_levels: this.find(fields).levels.map((level) => ({ permission_level: level })),
        }),
      },
    };
  }

  private replace(fields: JsonObject): JsonObject {
    const { isOwned, type } = this.find(fields);
    const entries = readEntries(text(fields, 'kind'), list(fields, 'access_control_list'));
    if (isOwned && entries.filter(({ level }) => level === 'IS_OWNER').length !== 1) {
      throw invalid(`The ${type} must have exactly one owner.`);
    }
    this.lists.set(keyOf(fields), entries);
    return this.describe(fields);
  }

  private add(fields: JsonObject): JsonObject {
    this.find(fields);
    const added = readEntries(text(fields, 'kind'), list(fields, 'access_control_list'));
    const isNewOwner = added.some(({ level }) => level === 'IS_OWNER');
    const kept = (this.lists.get(keyOf(fields)) ?? []).filter(
      (entry) =>
        !added.some(({ kind, name }) => kind === entry.kind && name === entry.name) &&
        !(isNewOwner && entry.level === 'IS_OWNER'),
    );
    this.lists.set(keyOf(fields), [...kept, ...added]);
    return this.describe(fields);
  }

  private describe(fields: JsonObject): JsonObject {
    const { type } = this.find(fields);
    const kind = text(fields, 'kind');
    const admins = {
      group_name: 'admins',
      all_permissions: [
        { permission_level: 'CAN_MANAGE', inherited: true, inherited_from_object: [`/${kind}/`] },
      ],
    };
    return {
      object_id: `/${keyOf(fields)}`,
      object_type: type,
      access_control_list: [...(this.lists.get(keyOf(fields)) ?? []).map(describeEntry), admins],
    };
  }

  private find(fields: JsonObject): ObjectKind {
    const kind = text(fields, 'kind');
    const found = KINDS[kind];
    if (!found) throw invalid(`This local workspace keeps no permissions of ${kind}.`);
    const id = text(fields, 'id');
    if (!this.exists(kind, id)) throw notFound(`${found.type} ${id} does not exist.`);
    return found;
  }
}

function keyOf(fields: JsonObject): string {
  return `${text(fields, 'kind')}/${text(fields, 'id')}`;
}

function readEntries(kind: string, sent: readonly Json[]): Entry[] {
  const { levels } = KINDS[kind]!;
  return sent.map((entry) => {
    if (!isObject(entry)) throw malformed("Expected object in field 'access_control_list'");
    const level = text(entry, 'permission_level');
    if (!levels.includes(level)) {
      throw invalid(`Permission level ${level} is not one of ${levels.join(', ')}.`);
    }
    const named = PRINCIPALS.filter((name) => entry[name]);
    const [principal] = named;
    if (!principal || named.length > 1) {
      throw invalid(`An entry of access_control_list names exactly one of ${PRINCIPALS.join(', ')}.`);
    }
    return { kind: principal, name: text(entry, principal), level };
  });
}

function ownerEntry(name: string): Entry {
  return { kind: name.includes('@') ? 'user_name' : 'service_principal_name', name, level: 'IS_OWNER' };
}

function describeEntry({ kind, name, level }: Entry): JsonObject {
  return {
    [kind]: name,
    ...(kind !== 'group_name' && { display_name: name }),
    all_permissions: [{ permission_level: level, inherited: false }],
  };
}
