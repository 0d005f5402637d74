import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** What may be done with a tag or a manifest; a lock is `writeEnabled: false`. */
export interface Attributes {
  readonly deleteEnabled: boolean;
  readonly writeEnabled: boolean;
  readonly readEnabled: boolean;
  readonly listEnabled: boolean;
}

export interface Entry {
  readonly createdTime: string;
  readonly lastUpdateTime: string;
  readonly attributes: Attributes;
}

export interface Manifest extends Entry {
  readonly mediaType: string;
  readonly size: number;
  /** The digest of the manifest that it says something about, such as the image that it signs. */
  readonly subject?: string;
}

export interface Tag extends Entry {
  readonly digest: string;
}

export interface Repository {
  /** Digests of the blobs that can be read through this repository. */
  readonly blobs: Set<string>;
  /** By digest. */
  readonly manifests: Map<string, Manifest>;
  readonly tags: Map<string, Tag>;
}

type SavedRepository = [
  name: string,
  content: { blobs: string[]; manifests: [string, Manifest][]; tags: [string, Tag][] },
];

const UNLOCKED: Attributes = {
  deleteEnabled: true,
  writeEnabled: true,
  readEnabled: true,
  listEnabled: true,
};

/** Which repository holds which blobs, manifests and tags. Every change is on disk before it is answered. */
export class Catalog {
  private readonly file: string;
  private readonly repositories: Map<string, Repository>;

  constructor(folder: string) {
    this.file = join(folder, 'catalog.json');
    this.repositories = read(this.file);
  }

  names(): string[] {
    return [...this.repositories].filter(([, { manifests }]) => manifests.size > 0).map(([name]) => name);
  }

  find(repository: string): Repository | undefined {
    return this.repositories.get(repository);
  }

  hasBlob(repository: string, digest: string): boolean {
    return this.find(repository)?.blobs.has(digest) ?? false;
  }

  addBlob(repository: string, digest: string): void {
    this.open(repository).blobs.add(digest);
    this.save();
  }

  removeBlob(repository: string, digest: string): void {
    this.open(repository).blobs.delete(digest);
    this.save();
  }

  putManifest(
    repository: string,
    digest: string,
    manifest: Pick<Manifest, 'mediaType' | 'size' | 'subject'>,
  ): void {
    const { manifests } = this.open(repository);
    manifests.set(digest, { ...manifest, ...renewed(manifests.get(digest)) });
    this.save();
  }

  putTag(repository: string, tag: string, digest: string): void {
    const { tags } = this.open(repository);
    tags.set(tag, { digest, ...renewed(tags.get(tag)) });
    this.save();
  }

  /** Removes a manifest together with the tags that point at it. */
  deleteManifest(repository: string, digest: string): void {
    const { manifests, tags } = this.open(repository);
    manifests.delete(digest);
    for (const [name, tag] of tags) if (tag.digest === digest) tags.delete(name);
    this.save();
  }

  deleteTag(repository: string, tag: string): void {
    this.open(repository).tags.delete(tag);
    this.save();
  }

  changeAttributes<E extends Entry>(entries: Map<string, E>, key: string, change: Partial<Attributes>): void {
    const entry = entries.get(key)!;
    entries.set(key, { ...entry, ...renewed(entry), attributes: { ...entry.attributes, ...change } });
    this.save();
  }

  private open(name: string): Repository {
    const repository = this.repositories.get(name) ?? emptyRepository();
    this.repositories.set(name, repository);
    return repository;
  }

  private save(): void {
    const saved: SavedRepository[] = [...this.repositories].map(([name, { blobs, manifests, tags }]) => [
      name,
      { blobs: [...blobs], manifests: [...manifests], tags: [...tags] },
    ]);
    writeFileSync(`${this.file}.new`, JSON.stringify(saved));
    renameSync(`${this.file}.new`, this.file);
  }
}

function emptyRepository(): Repository {
  return { blobs: new Set(), manifests: new Map(), tags: new Map() };
}

function renewed(before: Entry | undefined): Entry {
  const now = new Date().toISOString();
  return {
    createdTime: before?.createdTime ?? now,
    lastUpdateTime: now,
    attributes: before?.attributes ?? UNLOCKED,
  };
}

function read(file: string): Map<string, Repository> {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return new Map();
    throw error;
  }
  try {
    const saved = JSON.parse(text) as SavedRepository[];
    return new Map(
      saved.map(([name, { blobs, manifests, tags }]) => [
        name,
        { blobs: new Set(blobs), manifests: new Map(manifests), tags: new Map(tags) },
      ]),
    );
  } catch {
    throw new Error(
      `The local registry's record ${file} is damaged. Delete its folder to start with an empty registry.`,
    );
  }
}
