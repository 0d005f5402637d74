import type { DatabricksClient } from './client';

/** A notebook as the workspace takes it. A Jupyter notebook names its language itself. */
export type NotebookFormat =
  | { readonly format: 'SOURCE'; readonly language: 'PYTHON' | 'SQL' | 'SCALA' | 'R' }
  | { readonly format: 'JUPYTER' };

/** Milliseconds for an upload of some megabytes over a slow line, during which no byte comes back. */
const UPLOAD_TIMEOUT = 120_000;

/** Puts a notebook at a path, in place of any notebook that is there. Its parent folder must exist. */
export async function importNotebook(
  client: DatabricksClient,
  path: string,
  content: string,
  format: NotebookFormat,
): Promise<void> {
  const body = { path, content: Buffer.from(content).toString('base64'), ...format, overwrite: true };
  await client.post('/api/2.0/workspace/import', body, {
    action: `import the notebook to '${path}'`,
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

export async function getObject(client: DatabricksClient, path: string): Promise<WorkspaceObject> {
  const found = await client.get<{ object_type?: string; language?: string }>(
    '/api/2.0/workspace/get-status',
    { path },
    { action: `look at '${path}'`, permission: `'Can View' on '${path}'` },
  );
  return { type: found.object_type ?? '', language: found.language };
}

/** The content of the object at a path, a notebook's in a format. */
export async function exportObject(
  client: DatabricksClient,
  path: string,
  format: NotebookFormat['format'],
): Promise<string> {
  const { content = '' } = await client.get<{ content?: string }>(
    '/api/2.0/workspace/export',
    { path, format },
    { action: `read '${path}'`, permission: `'Can View' on '${path}'` },
  );
  return Buffer.from(content, 'base64').toString('utf8');
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
