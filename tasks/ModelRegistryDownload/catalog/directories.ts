import { isObject, type JsonObject } from '../../common/databricks/json';
import { TaskError } from '../../common/errors';
import { bound, defuse } from '../../common/foreign-text';
import type { Logger } from '../../common/log';
import type { ListedBlob, ModelContainer, Page } from '../registry/container';
import { BrokenAnswerError } from '../registry/errors';
import type { Idle } from '../registry/http/answer';
import { hasDotSegment } from '../registry/names';
import { saysNotFound, type WorkspaceNames } from './errors';
import type { ModelPath } from './model-path';
import type { Workspace } from './workspace';

/** One thing in a folder. */
interface Entry {
  /** Relative to the model's folder. */
  readonly path: string;
  readonly isFolder: boolean;
  /** In bytes. */
  readonly size: number;
  readonly lastModified: Date | undefined;
}

/** The folders below one, in the order in which they were found. */
class Walk {
  readonly folders: string[] = [];
  private readonly known = new Set<string>();

  add(folder: string): void {
    if (this.known.has(folder)) return;
    this.known.add(folder);
    this.folders.push(folder);
  }
}

/** A path as the Files API takes it, encoded part by part. */
export function encodePath(path: string): string {
  return path.split('/').map(encodeURIComponent).join('/');
}

/**
 * Lists folders by the Files API, which tells what is directly in one, in pages that may hold less than they could. A
 * folder that does not exist holds nothing: so it is with prefixes of Blob storage.
 *
 * https://docs.databricks.com/api/workspace/files/listdirectorycontents
 */
export class Directories implements Pick<ModelContainer, 'listBlobs' | 'listFolders'> {
  private readonly walks = new Map<string, Walk>();

  constructor(
    private readonly workspace: Workspace,
    private readonly model: ModelPath,
    private readonly names: WorkspaceNames,
    private readonly log: Logger,
  ) {}

  /** All files below a folder, one page of one folder at a time; for a prefix that is no folder, the file of that name. */
  async listBlobs(prefix: string, from: string | undefined, idle: Idle): Promise<Page<ListedBlob>> {
    const isFolder = prefix.endsWith('/');
    const start = isFolder ? prefix : prefix.slice(0, prefix.lastIndexOf('/') + 1);
    if (from === undefined) {
      const walk = new Walk();
      walk.add(start);
      this.walks.set(prefix, walk);
    }
    const walk = this.walks.get(prefix)!;
    // A folder's place among those that were found, and where its next page begins.
    const [, place = '0', token] = /^(\d+) (.*)$/s.exec(from ?? '') ?? [];
    const folder = walk.folders[Number(place)]!;

    const isListed = folder !== start;
    const page = await this.list(folder, token || undefined, idle, isListed);
    if (isListed && !token && page.items.length === 0 && page.next === undefined) {
      // A folder of a volume may be empty; one of a model hardly is, and whoever reads this knows.
      this.log.warning(`Databricks says that folder '${this.model.root}${folder}' holds nothing.`);
    }
    const folders = page.items.filter((entry) => entry.isFolder);
    if (isFolder) for (const { path } of folders) walk.add(`${path}/`);
    const files = page.items.filter((entry) => !entry.isFolder && (isFolder || entry.path === prefix));
    const after = Number(place) + 1;
    const goOn = after < walk.folders.length ? `${after} ` : undefined;
    return { items: files.map(asBlob), next: page.next === undefined ? goOn : `${place} ${page.next}` };
  }

  async listFolders(prefix: string, from: string | undefined, idle: Idle): Promise<Page<string>> {
    const { items, next } = await this.list(prefix, from, idle);
    const folders = items.filter(({ isFolder }) => isFolder);
    return { items: folders.map(({ path }) => path.slice(prefix.length)), next };
  }

  /** @param isListed whether the folder was found in another */
  private async list(
    folder: string,
    token: string | undefined,
    idle: Idle,
    isListed = false,
  ): Promise<Page<Entry>> {
    const { root, permission } = this.model;
    const path = `${root}${folder}`.replace(/\/$/, '');
    const call = { action: `list '${path}'`, permission, api: 'Files API' };
    try {
      const query = { page_token: token };
      const answer = await this.workspace.ask(
        'GET',
        `/api/2.0/fs/directories${encodePath(path)}`,
        query,
        call,
        idle,
      );
      return readPage(answer, root, folder);
    } catch (error) {
      if (!saysNotFound(error, this.names)) throw error;
      if (isListed)
        throw new TaskError(`Folder '${path}' is gone, though it was listed. Run the step again.`);
      return { items: [], next: undefined };
    }
  }
}

function asBlob({ path, size, lastModified }: Entry): ListedBlob {
  return {
    name: path,
    size,
    etag: lastModified?.toISOString() ?? '',
    md5: null,
    lastModified: lastModified ?? new Date(0),
    tier: undefined,
    rehydration: undefined,
    isFolder: false,
  };
}

function readPage({ contents = [], next_page_token: next }: JsonObject, root: string, folder: string) {
  if (!Array.isArray(contents)) throw new BrokenAnswerError('the answer is not a listing');
  return {
    items: contents.map((entry) => readEntry(entry, root, folder)),
    next: typeof next === 'string' && next ? next : undefined,
  };
}

function readEntry(entry: unknown, root: string, folder: string): Entry {
  const {
    path,
    is_directory: isFolder,
    file_size: size = 0,
    last_modified: time,
  } = isObject(entry) ? entry : {};
  if (typeof path !== 'string' || !Number.isSafeInteger(size) || Number(size) < 0) {
    throw new BrokenAnswerError('the listing has an entry without a path or a size');
  }
  const bare = path.replace(/\/$/, '');
  const own = bare.slice(root.length);
  // What lies elsewhere, or is reached by dots, would be read from a place that nobody has named.
  if (!bare.startsWith(`${root}${folder}`) || own === '' || hasDotSegment(own)) {
    throw new TaskError(
      `The workspace lists '${bound(defuse(path), 200)}' in '${root}${folder}', where it can't be. Nothing was downloaded. Check that the address of the workspace is right, and whether a proxy stands in between.`,
    );
  }
  const lastModified = typeof time === 'number' && time > 0 ? new Date(time) : undefined;
  return {
    path: own,
    isFolder: isFolder === true,
    size: Number(size),
    lastModified: lastModified && !Number.isNaN(lastModified.getTime()) ? lastModified : undefined,
  };
}
