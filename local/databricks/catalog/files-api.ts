import type { IncomingHttpHeaders } from 'node:http';
import { ApiError } from '../errors';
import type { JsonObject } from '../json';
import { pageOf } from '../paging';
import type { CloudStorage } from './cloud-storage';
import { answerWith, type ContentAnswer } from './file-answer';
import type { Securables } from './securables';
import type { CatalogStore } from './store';

/** The service's own limit of a page. */
const MOST = 1000;

const NO_CONTENT: ContentAnswer = { status: 204, headers: {}, content: Buffer.alloc(0) };

/** Whether a path is that of a file, whose requests hold its bytes. */
export function isFilePath(path: string): boolean {
  return path.startsWith('/api/2.0/fs/files/');
}

export interface FilesRequest {
  readonly method: string;
  /** As it came, encoded. */
  readonly path: string;
  readonly query: URLSearchParams;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
}

export interface FilesOptions {
  /** Entries on a page of a folder. */
  readonly entriesPage?: number | undefined;
  /** Whether it gives links to the cloud's storage; Databricks documents them nowhere. */
  readonly givesLinks: () => boolean;
}

/**
 * Databricks' Files API, version 2.0: reads everything, and writes the files of volumes. Paths hold slashes, which is why it is no `Api` like others.
 *
 * https://docs.databricks.com/api/workspace/files
 */
export class FilesApi {
  constructor(
    private readonly store: CatalogStore,
    private readonly storage: CloudStorage,
    private readonly securables: Securables,
    private readonly options: FilesOptions,
  ) {}

  /** @returns undefined where this is no request to the Files API */
  answer(request: FilesRequest): JsonObject | ContentAnswer | undefined {
    const { method, path, query } = request;
    if (path === '/api/2.0/fs/create-download-url' && method === 'POST') return this.link(query);
    const [, kind, encoded = ''] = /^\/api\/2\.0\/fs\/(directories|files)(\/.*)$/.exec(path) ?? [];
    const place = decodeURIComponent(encoded);
    if (kind === 'files' && method === 'PUT') return this.write(place, request);
    if (kind === 'files' && method === 'DELETE') return this.delete(place);
    if (!kind || !/^(GET|HEAD)$/.test(method)) return undefined;
    if (kind === 'directories') return this.folder(method, place, query);
    return answerWith(this.file(place), request.headers, false);
  }

  private write(path: string, { query, body }: FilesRequest): ContentAnswer {
    if (!this.securables.volumeOf(path)) {
      throw new ApiError(404, 'NOT_FOUND', `The volume of the file does not exist. Path: ${path}`);
    }
    if (this.store.files.has(path) && query.get('overwrite') !== 'true') {
      throw new ApiError(409, 'ALREADY_EXISTS', `The file being created already exists. Path: ${path}`);
    }
    this.store.put(path, body);
    return NO_CONTENT;
  }

  private delete(path: string): ContentAnswer {
    this.file(path);
    this.store.files.delete(path);
    return NO_CONTENT;
  }

  private link(query: URLSearchParams): JsonObject {
    const path = query.get('path') ?? '';
    if (!this.options.givesLinks())
      throw new ApiError(403, 'PERMISSION_DENIED', 'Presigned URLs are not enabled.');
    this.file(path);
    return { url: this.storage.link(path), headers: [{ name: 'x-ms-blob-type', value: 'BlockBlob' }] };
  }

  private file(path: string) {
    const file = this.store.files.get(path);
    if (!file) throw new ApiError(404, 'NOT_FOUND', `The file being accessed is not found. Path: ${path}`);
    return file;
  }

  private folder(method: string, path: string, query: URLSearchParams): JsonObject | ContentAnswer {
    const isVolume = this.securables.volumeOf(path) === path.replace(/\/+$/, '');
    const entries = this.store.list(path) ?? (isVolume ? [] : undefined);
    if (!entries)
      throw new ApiError(404, 'NOT_FOUND', `The directory being accessed is not found. Path: ${path}`);
    if (method === 'HEAD') return { status: 200, headers: {}, content: Buffer.alloc(0) };
    const limit = Math.min(Number(query.get('page_size')) || MOST, this.options.entriesPage ?? MOST);
    const { items, next } = pageOf(entries, limit, query.get('page_token') || undefined);
    return {
      ...(items.length > 0 && {
        contents: items.map(({ path: whole, name, file }) => ({
          path: whole,
          name,
          is_directory: file === undefined,
          ...(file && { file_size: file.content.length, last_modified: file.lastModified }),
        })),
      }),
      ...(next && { next_page_token: next }),
    };
  }
}
