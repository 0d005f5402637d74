import { createHash, randomUUID } from 'node:crypto';
import type { Clock } from '../clock';

/** The metastore's id, which everything in it names. */
export const METASTORE = '3a1c7e0b-9a53-4a37-8f0e-5f6a2b1c4d5e';

/** How far a version's registration has come. */
export type VersionStatus = 'PENDING_REGISTRATION' | 'READY' | 'FAILED_REGISTRATION';

/** A version of a model as it is registered. */
export interface CatalogVersion {
  readonly number: number;
  readonly id: string;
  status: VersionStatus;
  readonly createdAt: number;
  readonly runId: string | undefined;
}

export interface CatalogModel {
  /** `catalog.schema.model` */
  readonly name: string;
  readonly id: string;
  readonly createdAt: number;
  readonly versions: Map<number, CatalogVersion>;
  /** Alias to version. */
  readonly aliases: Map<string, number>;
}

/** A file of a model or of a volume. */
export interface CatalogFile {
  readonly content: Buffer;
  /** Milliseconds since 1970. */
  readonly lastModified: number;
  /** As the cloud's storage has it; the Files API does not tell it. */
  readonly etag: string;
}

/** Something in a folder. */
export interface CatalogEntry {
  readonly path: string;
  readonly name: string;
  /** Undefined for a folder. */
  readonly file: CatalogFile | undefined;
}

/** What Unity Catalog holds: models with their versions, and the files of those and of volumes by their whole paths. */
export class CatalogStore {
  readonly models = new Map<string, CatalogModel>();
  readonly files = new Map<string, CatalogFile>();

  constructor(private readonly clock: Clock) {}

  /** Registers the next version of a model, with its files by their paths in it. */
  register(
    name: string,
    files: Readonly<Record<string, string | Buffer>>,
    options: { status?: VersionStatus; runId?: string; aliases?: readonly string[] } = {},
  ): CatalogVersion {
    const now = this.clock.now();
    const model = this.models.get(name) ?? {
      name,
      id: randomUUID(),
      createdAt: now,
      versions: new Map<number, CatalogVersion>(),
      aliases: new Map<string, number>(),
    };
    this.models.set(name, model);
    const number = Math.max(0, ...model.versions.keys()) + 1;
    const status = options.status ?? 'READY';
    const version = { number, id: randomUUID(), status, createdAt: now, runId: options.runId };
    model.versions.set(number, version);
    for (const alias of options.aliases ?? []) model.aliases.set(alias, number);
    for (const [path, content] of Object.entries(files)) {
      this.put(`/Models/${name.replaceAll('.', '/')}/${number}/${path}`, content);
    }
    return version;
  }

  put(path: string, content: string | Buffer): void {
    const bytes = Buffer.from(content);
    const etag = `0x8D${createHash('sha256').update(randomUUID()).digest('hex').slice(0, 13).toUpperCase()}`;
    this.files.set(path, { content: bytes, lastModified: this.clock.now(), etag });
  }

  /** What is directly in a folder; undefined where there is none. */
  list(folder: string): CatalogEntry[] | undefined {
    const prefix = `${folder.replace(/\/+$/, '')}/`;
    const entries = new Map<string, CatalogEntry>();
    for (const [path, file] of this.files) {
      if (!path.startsWith(prefix)) continue;
      const [name = '', ...rest] = path.slice(prefix.length).split('/');
      entries.set(name, { path: prefix + name, name, file: rest.length === 0 ? file : undefined });
    }
    return entries.size > 0 ? [...entries.values()] : undefined;
  }
}
