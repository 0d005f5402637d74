import { isObject, type JsonObject } from '../../common/databricks/json';
import { pagesOf } from '../../common/paged-list';
import { BrokenAnswerError } from '../registry/errors';
import { type Connection, limitSilence, persist } from '../registry/persist';
import type { RegisteredModel } from './model-path';
import type { Workspace } from './workspace';

/** A version of a model, as Unity Catalog has it registered. */
export interface RegisteredVersion {
  readonly number: number;
  /** Unity Catalog's own id of it. */
  readonly id: string;
  /** `READY`, `PENDING_REGISTRATION`, `FAILED_REGISTRATION`, or a word that is not known here. */
  readonly status: string;
  readonly runId: string | null;
  readonly runWorkspaceId: string | null;
  /** In ISO 8601. */
  readonly createdAt: string | null;
  /** The names under which it is asked for, where they were asked for too. */
  readonly aliases: readonly string[];
}

/** The service's own limit of a page. */
const PAGE = '1000';

/**
 * Asks Unity Catalog which versions a model has.
 *
 * https://docs.databricks.com/api/workspace/modelversions
 */
export class Models {
  constructor(
    private readonly workspace: Workspace,
    private readonly model: RegisteredModel,
    private readonly connection: Connection,
  ) {}

  async version(number: number): Promise<RegisteredVersion> {
    const what = `look at version ${number} of model '${this.model.name}'`;
    return readVersion(await this.get(`/versions/${number}`, { include_aliases: 'true' }, what));
  }

  async byAlias(alias: string): Promise<RegisteredVersion> {
    const what = `look up alias '${alias}' of model '${this.model.name}'`;
    return readVersion(await this.get(`/aliases/${encodeURIComponent(alias)}`, {}, what));
  }

  /** All versions, in no order: the service has none, and a page of it may be empty where others follow. */
  async versions(): Promise<RegisteredVersion[]> {
    const versions: RegisteredVersion[] = [];
    const list = `the versions of model '${this.model.name}'`;
    const ask = (token: string | undefined) =>
      this.get('/versions', { max_results: PAGE, page_token: token }, `list ${list}`);
    const next = ({ next_page_token: token }: JsonObject) => (typeof token === 'string' ? token : undefined);
    for await (const { model_versions: listed = [] } of pagesOf(list, ask, next)) {
      if (!Array.isArray(listed)) throw new BrokenAnswerError('the answer is not a list of versions');
      versions.push(...listed.filter(isObject).map(readVersion));
    }
    return versions;
  }

  private get(path: string, query: Record<string, string | undefined>, action: string): Promise<JsonObject> {
    const { name, permission } = this.model;
    const whole = `/api/2.1/unity-catalog/models/${encodeURIComponent(name)}${path}`;
    const call = { action, permission, api: 'API of Unity Catalog' };
    return persist(
      action,
      () => limitSilence((idle) => this.workspace.ask('GET', whole, query, call, idle), this.connection),
      this.connection,
    );
  }
}

function readVersion(wire: JsonObject): RegisteredVersion {
  const number = Number(wire.version);
  if (!Number.isSafeInteger(number) || number < 1) {
    throw new BrokenAnswerError('the answer is not a version of a model');
  }
  const created = new Date(Number(wire.created_at));
  return {
    number,
    id: textOf(wire.id) ?? '',
    status: textOf(wire.status) ?? '',
    runId: textOf(wire.run_id),
    runWorkspaceId: textOf(wire.run_workspace_id),
    createdAt: Number.isNaN(created.getTime()) || !wire.created_at ? null : created.toISOString(),
    aliases: Array.isArray(wire.aliases) ? wire.aliases.filter(isObject).flatMap(nameOf) : [],
  };
}

function nameOf({ alias_name: name }: JsonObject): string[] {
  return typeof name === 'string' ? [name] : [];
}

/** Ids come as numbers and as texts. */
function textOf(value: unknown): string | null {
  return ['string', 'number', 'bigint'].includes(typeof value) && value !== '' ? String(value) : null;
}
