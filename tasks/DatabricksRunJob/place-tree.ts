import type { DatabricksClient } from '../common/databricks/client';
import { DatabricksError, isNotFound } from '../common/databricks/errors';
import { TaskError } from '../common/errors';
import { Lanes } from '../common/lanes';
import { createFolder, exportObject, type ListedObject, listFolder } from './databricks/workspace';
import { isSamePath } from './job';
import { writeObject } from './notebook';
import { isSameSource } from './source';
import type { SourceTree, TreeObject } from './source-tree';

/** Requests at the same time: the service takes thirty imports a second, from all its clients. */
const AT_ONCE = 5;

/** What came of a folder. */
export interface PlacedTree {
  /** The files of the sources that were written; all others were there already. */
  readonly written: readonly string[];
  /** What the workspace has in these folders besides, by the paths below the topmost. */
  readonly left: readonly string[];
}

/**
 * Makes sure that a folder of the sources is in the workspace. Only what differs from what is there is written, and
 * nothing is removed: a folder may hold what others have made.
 *
 * @throws TaskError that says what is in the way
 */
export async function placeTree(
  client: DatabricksClient,
  { folders, objects }: SourceTree,
  path: string,
  signal: AbortSignal,
): Promise<PlacedTree> {
  const at = (name: string) => (name === '' ? path : `${path}/${name}`);
  const present = new Map<string, ListedObject>();
  const missing: string[] = [];
  await inLanes(folders, signal, async (folder) => {
    const listed = await listIfThere(client, at(folder));
    if (!listed) missing.push(at(folder));
    for (const object of listed ?? []) {
      const name = object.path.slice(object.path.lastIndexOf('/') + 1);
      present.set(folder === '' ? name : `${folder}/${name}`, object);
    }
  });
  // The service makes those above as well.
  const innermost = missing.filter((folder) => !missing.some((other) => other.startsWith(`${folder}/`)));
  for (const folder of innermost) await createFolder(client, folder);

  const written = new Set<string>();
  await inLanes(objects, signal, async (object) => {
    if (await isInPlace(client, object, present.get(object.name), at(object.name))) return;
    await writeObject(client, object, at(object.name));
    written.add(object.source);
  });
  const ours = new Set([...folders, ...objects.map(({ name }) => name)]);
  return {
    written: objects.map(({ source }) => source).filter((source) => written.has(source)),
    left: [...present.keys()].filter((name) => !ours.has(name)).sort(),
  };
}

/** What is in a folder, undefined where there is none. */
async function listIfThere(client: DatabricksClient, path: string): Promise<ListedObject[] | undefined> {
  let listed: ListedObject[];
  try {
    listed = await listFolder(client, path);
  } catch (error) {
    if (error instanceof DatabricksError && isNotFound(error)) return undefined;
    throw error;
  }
  const itself = listed.find((object) => isSamePath(object.path, path));
  if (!itself) return listed;
  throw new TaskError(
    `'${path}' in the workspace is a ${itself.type}, and a folder can't take its place. Delete or rename it in ` +
      "Databricks, or choose another path for input 'notebookPath'.",
  );
}

/** Whether the workspace has the very same. What can't be read is written, and that shows why. */
async function isInPlace(
  client: DatabricksClient,
  { content, format }: TreeObject,
  present: ListedObject | undefined,
  path: string,
): Promise<boolean> {
  if (present?.type !== (format.format === 'RAW' ? 'FILE' : 'NOTEBOOK')) return false;
  if (format.format === 'SOURCE' && present.language !== format.language) return false;
  try {
    if (format.format === 'RAW') {
      return (await exportObject(client, path, 'AUTO')).equals(Buffer.from(content));
    }
    const exported = await exportObject(client, path, format.format);
    return isSameSource(content.toString(), exported.toString('utf8'), format);
  } catch (error) {
    if (error instanceof DatabricksError && !error.isTransient) return false;
    throw error;
  }
}

async function inLanes<T>(
  items: readonly T[],
  signal: AbortSignal,
  work: (item: T) => Promise<void>,
): Promise<void> {
  const lanes = new Lanes(signal, AT_ONCE);
  try {
    await Promise.all(items.map((item) => lanes.run(() => work(item))));
  } catch (error) {
    throw await lanes.firstError(error);
  }
}
