import { TaskError } from '../../common/errors';
import { plural } from '../../common/text';
import type { ListedBlob, ModelContainer, Page } from './container';
import type { Idle } from './http/answer';
import { ancestors, sortByPath } from './names';
import { type Connection, limitSilence, persist } from './persist';

/** One file of a model version: the blob, pinned to the state it was listed in, and its place in the model's folder. */
export interface ModelFile extends ListedBlob {
  /** Relative to the version's folder, with slashes. */
  readonly path: string;
}

/** Far above any model, and far below what would exhaust an agent's memory. */
const MOST_BLOBS = 1_000_000;

const ENDLESS =
  'The registry lists the same files again and again. Check that its address is right, and whether a proxy stands in between.';

/** The service may send empty pages between full ones, but not without end. */
const MOST_EMPTY_PAGES = 100;

/**
 * Everything under a version's prefix but the stubs of folders, in the order of the paths' UTF-8 bytes.
 *
 * @param prefix ends with a slash: without it, `1.0.0` would also list `1.0.0-rc1/`
 * @returns nothing when there is no such version: the service knows prefixes, not folders
 */
export async function listFiles(
  container: ModelContainer,
  prefix: string,
  connection: Connection,
): Promise<ModelFile[]> {
  const blobs = new Map<string, ListedBlob>();
  for await (const page of pages('Listing the version', container.listBlobs, prefix, connection)) {
    for (const blob of page) {
      if (blobs.has(blob.name)) throw new TaskError(ENDLESS);
      blobs.set(blob.name, blob);
    }
    if (blobs.size > MOST_BLOBS) {
      throw new TaskError(`'${prefix}' holds more than ${plural(MOST_BLOBS, 'blob')}. Check 'modelVersion'.`);
    }
  }
  const folders = new Set([...blobs.keys()].flatMap(ancestors));
  const files = [...blobs.values()]
    .filter((blob) => !isFolderStub(blob, folders))
    .map((blob) => fileOf(blob, prefix));
  return sortByPath(files);
}

/**
 * The names of a model's version folders, in the order of the registry.
 *
 * @param folder where they are: empty, or a path that ends with a slash
 */
export async function listVersions(
  container: ModelContainer,
  folder: string,
  connection: Connection,
): Promise<string[]> {
  const versions = new Set<string>();
  for await (const page of pages('Listing the versions', container.listFolders, folder, connection)) {
    const known = versions.size;
    for (const version of page) versions.add(version);
    if (page.length > 0 && versions.size === known) throw new TaskError(ENDLESS);
    if (versions.size > MOST_BLOBS) {
      throw new TaskError(`There are more than ${plural(MOST_BLOBS, 'version')}. Check 'pathPrefix'.`);
    }
  }
  return [...versions];
}

/** Whether there is a blob of exactly this name. */
export async function hasBlob(
  container: ModelContainer,
  name: string,
  connection: Connection,
): Promise<boolean> {
  for await (const page of pages(`Looking for ${name}`, container.listBlobs, name, connection)) {
    // Of the names that begin with this one, it is the first.
    if (page.length > 0) return page[0]!.name === name;
  }
  return false;
}

async function* pages<T>(
  what: string,
  list: (prefix: string, from: string | undefined, idle: Idle) => Promise<Page<T>>,
  prefix: string,
  connection: Connection,
): AsyncGenerator<readonly T[]> {
  const seen = new Set<string>();
  let empty = 0;
  for (let from: string | undefined; ; ) {
    const page = await persist(
      what,
      () => limitSilence((idle) => list(prefix, from, idle), connection),
      connection,
    );
    yield page.items;
    empty = page.items.length === 0 ? empty + 1 : 0;
    from = page.next;
    if (from === undefined) return;
    if (seen.has(from) || empty > MOST_EMPTY_PAGES) throw new TaskError(ENDLESS);
    seen.add(from);
  }
}

/** Written out: copies by `...` take several times the memory, and there may be thousands. */
function fileOf(blob: ListedBlob, prefix: string): ModelFile {
  const { name, size, etag, md5, lastModified, tier, rehydration, isFolder } = blob;
  const path = name.slice(prefix.length);
  return { path, name, size, etag, md5, lastModified, tier, rehydration, isFolder };
}

/**
 * Whether a blob only stands for a folder: it is empty, and says so or is named as the folder of others. What holds anything
 * is a file, whatever metadata somebody has copied to it.
 */
function isFolderStub({ name, size, isFolder }: ListedBlob, folders: ReadonlySet<string>): boolean {
  return size === 0 && (isFolder || name.endsWith('/') || folders.has(name));
}
