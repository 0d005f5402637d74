import { mkdir, writeFile } from 'node:fs/promises';
import { dirname, join, posix } from 'node:path';
import { type Api, FileAnswer } from '../api';
import type { Clock } from '../clock';
import { ApiError, invalid, notFound } from '../errors';
import { flag, optionalText, text } from '../fields';
import { newId } from '../ids';
import type { JsonObject } from '../json';
import { contentOf, extensionOf, type File, type Notebook, readContent } from './content';

type Content = Notebook | File | { readonly type: 'DIRECTORY' };
type Entry = Content & {
  readonly path: string;
  readonly id: bigint;
  readonly created: number;
  readonly modified: number;
};

/** The tree of folders, notebooks and files of a workspace. */
export class WorkspaceFiles {
  private readonly entries = new Map<string, Entry>();

  constructor(private readonly clock: Clock) {
    for (const path of ['/', '/Users', '/Shared', '/Repos']) this.put(path, { type: 'DIRECTORY' });
  }

  /** The notebook at a path, with or without the prefix `/Workspace`. */
  notebook(path: string): Notebook | undefined {
    const entry = this.entries.get(canonical(path));
    return entry?.type === 'NOTEBOOK' ? entry : undefined;
  }

  /** Whether there is an object of this type with this id. */
  has(type: Entry['type'], id: string): boolean {
    return [...this.entries.values()].some((entry) => entry.type === type && String(entry.id) === id);
  }

  /** Writes everything to a folder, notebooks under their names without extension, and tells what each of them is. */
  async writeTo(folder: string): Promise<JsonObject> {
    const notebooks: JsonObject = {};
    for (const entry of this.entries.values()) {
      const place = join(folder, entry.path);
      if (entry.type === 'DIRECTORY') await mkdir(place, { recursive: true });
      else {
        await mkdir(dirname(place), { recursive: true });
        await writeFile(place, entry.content);
      }
      if (entry.type === 'NOTEBOOK') {
        notebooks[entry.path] = { language: entry.language, format: entry.format };
      }
    }
    return notebooks;
  }

  get api(): Api {
    return {
      versions: ['2.0'],
      routes: {
        'POST /workspace/import': ({ fields }) => this.import(fields),
        'POST /workspace/mkdirs': ({ fields }) => this.makeFolders(readPath(fields)),
        'POST /workspace/delete': ({ fields }) => this.delete(readPath(fields), flag(fields, 'recursive')),
        'GET /workspace/get-status': ({ fields }) => describe(this.find(readPath(fields))),
        'GET /workspace/list': ({ fields }) => this.list(readPath(fields)),
        'GET /workspace/export': ({ fields }) =>
          this.export(readPath(fields), optionalText(fields, 'format'), flag(fields, 'direct_download')),
      },
    };
  }

  private import(fields: JsonObject): JsonObject {
    const asked = readPath(fields);
    const content = readContent(fields);
    const { path, ...made } = contentOf(asked, content, fields);
    const parent = parentOf(path);
    if (this.entries.get(parent)?.type !== 'DIRECTORY') {
      throw notFound(`The parent folder (${parent}) does not exist.`);
    }
    const existing = this.entries.get(path);
    if (existing) checkOverwrite(existing, made, flag(fields, 'overwrite'));
    this.put(path, made);
    return {};
  }

  private makeFolders(path: string): JsonObject {
    const missing = [];
    for (let folder = path; ; folder = parentOf(folder)) {
      const entry = this.entries.get(folder);
      if (entry && entry.type !== 'DIRECTORY') {
        throw new ApiError(400, 'RESOURCE_ALREADY_EXISTS', `${folder} is a ${entry.type}, not a directory.`);
      }
      if (entry) break;
      missing.push(folder);
    }
    for (const folder of missing) this.put(folder, { type: 'DIRECTORY' });
    return {};
  }

  private delete(path: string, recursive: boolean): JsonObject {
    this.find(path);
    const below = [...this.entries.keys()].filter((other) => other.startsWith(`${path}/`));
    if (below.length > 0 && !recursive) {
      throw new ApiError(400, 'DIRECTORY_NOT_EMPTY', `Folder ${path} is not empty`);
    }
    for (const gone of [path, ...below]) this.entries.delete(gone);
    return {};
  }

  private list(path: string): JsonObject {
    const entry = this.find(path);
    const found =
      entry.type === 'DIRECTORY'
        ? [...this.entries.values()].filter((other) => other.path !== '/' && parentOf(other.path) === path)
        : [entry];
    return found.length > 0 ? { objects: found.map(describe) } : {};
  }

  private export(path: string, format = 'SOURCE', asFile = false): JsonObject | FileAnswer {
    const entry = this.find(path);
    if (entry.type === 'DIRECTORY')
      throw invalid(`${path} is a directory; this workspace exports single objects.`);
    const stored = entry.type === 'NOTEBOOK' ? entry.format : format;
    if (format !== stored && format !== 'AUTO') {
      throw invalid(`${path} was imported as ${stored}; this workspace does not convert it to ${format}.`);
    }
    const extension = entry.type === 'NOTEBOOK' ? extensionOf(entry) : undefined;
    if (asFile) {
      const name = path.slice(path.lastIndexOf('/') + 1);
      return new FileAnswer(extension ? `${name}.${extension}` : name, entry.content);
    }
    return { content: entry.content.toString('base64'), ...(extension && { file_type: extension }) };
  }

  private find(path: string): Entry {
    const entry = this.entries.get(path);
    if (!entry) throw notFound(`Path (${path}) doesn't exist.`);
    return entry;
  }

  private put(path: string, content: Content): void {
    const existing = this.entries.get(path);
    const now = this.clock.now();
    this.entries.set(path, {
      ...content,
      path,
      id: existing?.id ?? newId(),
      created: existing?.created ?? now,
      modified: now,
    });
  }
}

function readPath(fields: JsonObject): string {
  const path = text(fields, 'path');
  if (!path.startsWith('/')) throw invalid(`Path (${path}) doesn't start with '/'`);
  return canonical(path);
}

/** `/Workspace/a` and `/a` name the same object. */
export function canonical(path: string): string {
  return (
    posix
      .normalize(path)
      .replace(/^\/Workspace(?=\/|$)/, '')
      .replace(/\/+$/, '') || '/'
  );
}

function parentOf(path: string): string {
  return path.slice(0, path.lastIndexOf('/')) || '/';
}

function checkOverwrite(existing: Entry, made: Content, overwrite: boolean): void {
  if (!overwrite) {
    throw new ApiError(
      400,
      'RESOURCE_ALREADY_EXISTS',
      `${existing.path} already exists. Please pass overwrite=true to overwrite it.`,
    );
  }
  if (existing.type === 'DIRECTORY') {
    const name = existing.path.slice(existing.path.lastIndexOf('/') + 1);
    throw new ApiError(400, 'RESOURCE_ALREADY_EXISTS', `Node named '${name}' already exists`);
  }
  if (existing.type !== made.type) {
    throw invalid(
      `Cannot overwrite the asset at ${existing.path} due to type mismatch (asked: ${made.type}, actual: ${existing.type}).`,
      [
        {
          '@type': 'type.googleapis.com/google.rpc.ErrorInfo',
          reason: 'WORKSPACE_OBJECT_TYPE_MISMATCH',
          domain: 'workspace.databricks.com',
          metadata: { existing_type: existing.type },
        },
      ],
    );
  }
}

function describe(entry: Entry): JsonObject {
  return {
    object_type: entry.type,
    path: entry.path,
    object_id: entry.id,
    resource_id: String(entry.id),
    ...(entry.type === 'NOTEBOOK' && { language: entry.language }),
    ...(entry.type !== 'DIRECTORY' && {
      created_at: entry.created,
      modified_at: entry.modified,
      size: entry.content.length,
    }),
  };
}
