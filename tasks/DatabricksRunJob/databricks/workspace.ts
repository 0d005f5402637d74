import type { DatabricksClient, RequestLimits } from '../../common/databricks/client';

/** A notebook as the workspace takes it. A Jupyter notebook names its language itself. */
export type NotebookFormat =
  | { readonly format: 'SOURCE'; readonly language: 'PYTHON' | 'SQL' | 'SCALA' | 'R' }
  | { readonly format: 'JUPYTER' };

/** Anything else, which becomes a file with the very same bytes. */
export type FileFormat = { readonly format: 'RAW' };

/** Milliseconds for an upload of some megabytes over a slow line, during which no byte comes back. */
const UPLOAD_TIMEOUT = 120_000;

/** Puts a notebook or a file at a path, in place of any that is there. Its parent folder must exist. */
export async function importObject(
  client: DatabricksClient,
  path: string,
  content: string | Buffer,
  format: NotebookFormat | FileFormat,
): Promise<void> {
  const body = { path, content: Buffer.from(content).toString('base64'), ...format, overwrite: true };
  await client.post('/api/2.0/workspace/import', body, {
    action: `import the ${format.format === 'RAW' ? 'file' : 'notebook'} to '${path}'`,
    permission: `'Can Edit' on the folder of '${path}'`,
    repeatable: true,
    idleTimeout: UPLOAD_TIMEOUT,
  });
}

/** What is at a path of the workspace. */
export interface WorkspaceObject {
  /** `NOTEBOOK`, `FILE`, `DIRECTORY` or another kind of object. */
  readonly type: string;
  /** The language of a notebook. */
  readonly language: string | undefined;
}

const OBJECT = { path: 'text', object_type: 'text', language: 'text' } as const;

export async function getObject(client: DatabricksClient, path: string): Promise<WorkspaceObject> {
  const found = await client.get(
    '/api/2.0/workspace/get-status',
    { path },
    { action: `look at '${path}'`, permission: `'Can View' on '${path}'`, shape: OBJECT },
  );
  return { type: found.object_type ?? '', language: found.language ?? undefined };
}

/** An object in a folder of the workspace. */
export interface ListedObject extends WorkspaceObject {
  /** As the service writes it, which may be with `/Workspace` in front. */
  readonly path: string;
}

/** What is in a folder; for anything but a folder, that itself. */
export async function listFolder(client: DatabricksClient, path: string): Promise<ListedObject[]> {
  const { objects } = await client.get(
    '/api/2.0/workspace/list',
    { path },
    {
      action: `list the folder '${path}'`,
      permission: `'Can View' on '${path}'`,
      shape: { objects: [OBJECT] } as const,
    },
  );
  return (objects ?? []).map((object) => ({
    path: object.path ?? '',
    type: object.object_type ?? '',
    language: object.language ?? undefined,
  }));
}

/** The content of the object at a path, a notebook's in a format; `AUTO` for a file. */
export async function exportObject(
  client: DatabricksClient,
  path: string,
  format: NotebookFormat['format'] | 'AUTO',
): Promise<Buffer> {
  const { content } = await client.get(
    '/api/2.0/workspace/export',
    { path, format },
    {
      action: `read '${path}'`,
      permission: `'Can View' on '${path}'`,
      shape: { content: 'text' } as const,
    },
  );
  return Buffer.from(content ?? '', 'base64');
}

/** Creates a folder with all that is missing above it. */
export async function createFolder(client: DatabricksClient, path: string): Promise<void> {
  await client.post(
    '/api/2.0/workspace/mkdirs',
    { path },
    {
      action: `create the folder '${path}'`,
      permission: `'Can Edit' on the folder above '${path}'`,
      repeatable: true,
    },
  );
}

/** Removes what is at a path, a folder with all that is in it. */
export async function deleteObject(
  client: DatabricksClient,
  path: string,
  limits: RequestLimits = {},
): Promise<void> {
  await client.post(
    '/api/2.0/workspace/delete',
    { path, recursive: true },
    {
      action: `remove '${path}'`,
      permission: `'Can Manage' on the folder of '${path}'`,
      repeatable: true,
      ...limits,
    },
  );
}
