/** A version's folder in a container of Blob storage. */
export interface BlobSource {
  readonly account: string;
  readonly container: string;
  readonly prefix: string;
  /** Host of the Blob endpoint. */
  readonly endpoint: string;
}

/** A version that is registered in Unity Catalog. */
export interface CatalogSource {
  readonly registryType: 'unityCatalog';
  /** Host of the workspace. */
  readonly host: string;
  /** `catalog.schema.model` */
  readonly model: string;
  /** Unity Catalog's own id of the version: a model that is made anew begins again with version 1. */
  readonly versionId: string;
  /** The run of MLflow that made it; null where it tells none. */
  readonly runId: string | null;
  /** The workspace of that run; null where it tells none. */
  readonly runWorkspaceId: string | null;
  /** When it was registered, in ISO 8601; null where it tells none. */
  readonly createdAt: string | null;
}

/** A folder in a volume of Unity Catalog. */
export interface VolumeSource {
  readonly registryType: 'volume';
  /** Host of the workspace. */
  readonly host: string;
  /** The version's folder, with a slash at its end. */
  readonly path: string;
}

/** Where the files of a version came from. */
export type ModelSource = BlobSource | CatalogSource | VolumeSource;

/** The members of sources in the order in which a manifest has them. */
const MEMBERS = [
  'registryType',
  'account',
  'container',
  'prefix',
  'endpoint',
  'host',
  'model',
  'versionId',
  'runId',
  'runWorkspaceId',
  'createdAt',
  'path',
];

/** The same source, always with the same bytes in JSON. */
export function inOrder<T extends ModelSource>(source: T): T {
  const members = MEMBERS.flatMap((name) => (name in source ? [[name, source[name as keyof T]]] : []));
  return Object.fromEntries(members);
}

export function isSameSource(a: ModelSource, b: ModelSource): boolean {
  const [one, other] = [a, b].map((source) => JSON.stringify(Object.entries(source ?? {}).sort()));
  return one === other;
}

/** Where a version came from, for people. */
export function describeSource(source: ModelSource): string {
  if (!('registryType' in source)) {
    return `${source.endpoint}, container ${source.container}, ${source.prefix}`;
  }
  if (source.registryType === 'volume') return `${source.host}, ${source.path}`;
  return `${source.host}, Unity Catalog, ${source.model}`;
}

/** The page of a version in its registry; undefined where the registry has no such pages. */
export function versionPage(source: ModelSource, version: string): string | undefined {
  if (!('registryType' in source) || source.registryType !== 'unityCatalog') return undefined;
  const path = [...source.model.split('.'), 'version', version].map(encodeURIComponent).join('/');
  return `https://${source.host}/explore/data/models/${path}`;
}
