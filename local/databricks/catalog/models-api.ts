import type { Api, ApiRequest } from '../api';
import { ApiError, invalid, notFound } from '../errors';
import { flag, integer, optionalText, text } from '../fields';
import type { JsonObject } from '../json';
import { pageOf } from '../paging';
import { type CatalogModel, type CatalogStore, type CatalogVersion, METASTORE } from './store';

/** The service's own limit of a page. */
const MOST = 1000;

/** What a model's pages look like. */
export interface PageOptions {
  /** Versions on a page, where a request does not ask for fewer. */
  readonly versionsPage?: number;
  /** Lists of versions begin with a page that is empty but names another, as the service's may. */
  readonly emptyPages?: boolean;
}

/** Unity Catalog's own API of models, which reads. */
export function modelsApi(store: CatalogStore, options: PageOptions): Api {
  const modelOf = (fields: JsonObject) => find(store, text(fields, 'name'));
  const versionOf = (fields: JsonObject) => {
    const model = modelOf(fields);
    const given = text(fields, 'version');
    if (!/^\d+$/.test(given)) throw new ApiError(400, 'INVALID_ARGUMENT', `Invalid version: ${given}`);
    return { model, version: versionIn(model, Number(given)) };
  };
  return {
    versions: ['2.1'],
    routes: {
      'GET /unity-catalog/models/{name}': ({ fields }) =>
        describeModel(modelOf(fields), flag(fields, 'include_aliases')),
      'GET /unity-catalog/models/{name}/versions': ({ fields }) =>
        listVersions(modelOf(fields), fields, options),
      'GET /unity-catalog/models/{name}/versions/{version}': ({ fields }) => {
        const { model, version } = versionOf(fields);
        return describe(model, version, flag(fields, 'include_aliases'));
      },
      'GET /unity-catalog/models/{name}/aliases/{alias}': ({ fields }) => {
        const model = modelOf(fields);
        return describe(model, aliasIn(model, text(fields, 'alias')), true);
      },
    },
  };
}

/** The same registry as MLflow's client asks it, where versions are texts. */
export function mlflowApi(store: CatalogStore): Api {
  const modelOf = ({ fields }: ApiRequest) => find(store, text(fields, 'name'));
  const versionOf = (request: ApiRequest) => {
    const model = modelOf(request);
    return { model, version: versionIn(model, Number(text(request.fields, 'version'))) };
  };
  const get = '/mlflow/unity-catalog';
  return {
    versions: ['2.0'],
    routes: {
      [`GET ${get}/registered-models/get`]: (request) => ({
        registered_model: describeForMlflow(modelOf(request)),
      }),
      [`GET ${get}/registered-models/alias`]: (request) => {
        const model = modelOf(request);
        return { model_version: versionForMlflow(model, aliasIn(model, text(request.fields, 'alias'))) };
      },
      [`GET ${get}/model-versions/get`]: (request) => {
        const { model, version } = versionOf(request);
        return { model_version: versionForMlflow(model, version) };
      },
      [`GET ${get}/model-versions/get-download-uri`]: (request) => {
        const { model, version } = versionOf(request);
        return { artifact_uri: locationOf(model, version) };
      },
      // The service gives no scoped credentials for what it stores itself: clients come by the Files API.
      [`POST ${get}/model-versions/generate-temporary-credentials`]: (request) => {
        versionOf(request);
        return { credentials: { storage_mode: 'DEFAULT_STORAGE' } };
      },
      [`POST ${get}/model-versions/emit-lineage`]: () => ({}),
      [`GET ${get}/registered-models:is-databricks-sdk-models-artifact-repository-enabled`]: () => ({
        is_databricks_sdk_models_artifact_repository_enabled: true,
      }),
    },
  };
}

function find(store: CatalogStore, name: string): CatalogModel {
  if (name.split('.').length !== 3)
    throw new ApiError(400, 'INVALID_ARGUMENT', `Invalid model name: ${name}`);
  const model = store.models.get(name);
  if (!model) throw notFound(`Routine or Model '${name}' does not exist.`);
  return model;
}

function versionIn(model: CatalogModel, number: number): CatalogVersion {
  const version = model.versions.get(number);
  if (!version) throw notFound(`Model version '${number}' of Model '${model.name}' does not exist.`);
  return version;
}

function aliasIn(model: CatalogModel, alias: string): CatalogVersion {
  const number = model.aliases.get(alias);
  if (number === undefined) throw notFound(`Alias '${alias}' of Model '${model.name}' does not exist.`);
  return versionIn(model, number);
}

/** In no order, and without aliases. */
function listVersions(model: CatalogModel, fields: JsonObject, options: PageOptions): JsonObject {
  const asked = integer(fields, 'max_results', 0);
  if (asked < 0) throw invalid('max_results must not be negative');
  const limit = Math.min(asked || MOST, options.versionsPage ?? MOST);
  const token = optionalText(fields, 'page_token');
  const even = (version: CatalogVersion) => version.number % 2;
  const versions = [...model.versions.values()].sort((a, b) => even(a) - even(b));
  if (options.emptyPages && token === undefined) {
    return { next_page_token: Buffer.from('from 0').toString('base64url') };
  }
  const { items, next } = pageOf(versions, limit, token);
  return {
    ...(items.length > 0 && { model_versions: items.map((version) => describe(model, version, false)) }),
    ...(next && { next_page_token: next }),
  };
}

function partsOf({ name }: CatalogModel) {
  const [catalog = '', schema = '', model = ''] = name.split('.');
  return { catalog, schema, model };
}

function locationOf(model: CatalogModel, { id }: CatalogVersion): string {
  return `abfss://metastore@contoso.dfs.core.windows.net/models/${model.id}/versions/${id}`;
}

function describeModel(model: CatalogModel, withAliases: boolean): JsonObject {
  const { catalog, schema, model: name } = partsOf(model);
  return {
    name,
    catalog_name: catalog,
    schema_name: schema,
    full_name: model.name,
    id: model.id,
    metastore_id: METASTORE,
    created_at: model.createdAt,
    updated_at: model.createdAt,
    ...(withAliases && {
      aliases: [...model.aliases].map(([alias, number]) => ({ alias_name: alias, version_num: number })),
    }),
  };
}

function describe(model: CatalogModel, version: CatalogVersion, withAliases: boolean): JsonObject {
  const { catalog, schema, model: name } = partsOf(model);
  const aliases = [...model.aliases].filter(([, number]) => number === version.number);
  return {
    model_name: name,
    catalog_name: catalog,
    schema_name: schema,
    version: version.number,
    id: version.id,
    status: version.status,
    metastore_id: METASTORE,
    storage_location: locationOf(model, version),
    created_at: version.createdAt,
    updated_at: version.createdAt,
    ...(version.runId && { run_id: version.runId, run_workspace_id: 4081234567890123n }),
    ...(withAliases && {
      aliases: aliases.map(([alias, number]) => ({ alias_name: alias, version_num: number })),
    }),
  };
}

function describeForMlflow(model: CatalogModel): JsonObject {
  return {
    name: model.name,
    creation_timestamp: model.createdAt,
    last_updated_timestamp: model.createdAt,
    aliases: [...model.aliases].map(([alias, number]) => ({ alias, version: String(number) })),
  };
}

function versionForMlflow(model: CatalogModel, version: CatalogVersion): JsonObject {
  return {
    name: model.name,
    version: String(version.number),
    creation_timestamp: version.createdAt,
    last_updated_timestamp: version.createdAt,
    status: version.status,
    storage_location: locationOf(model, version),
    ...(version.runId && { run_id: version.runId }),
  };
}
