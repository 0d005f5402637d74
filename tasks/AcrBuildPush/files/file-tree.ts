/** A file that was looked at. */
export interface FileOnDisk {
  readonly kind: 'path';
  readonly path: string;
  readonly size: number;
  /** What tells it from every other file: its disk, and its number there. */
  readonly id: string;
}

/** Where a file's bytes are. Files that are links of each other share one object. */
export type Content =
  | FileOnDisk
  | { readonly kind: 'text'; readonly data: Buffer }
  /** In a layer of a base image, out of reach. */
  | { readonly kind: 'base' };

interface Owned {
  /** Permissions, with the set-id and sticky bits. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
}

export type FileNode =
  | (Owned & { readonly kind: 'directory' })
  | (Owned & { readonly kind: 'file'; readonly content: Content })
  | (Owned & { readonly kind: 'symlink'; readonly target: string })
  /** A device or a pipe, or what else can't be taken as it is: why, as a clause that goes on from `it copies`. */
  | (Owned & { readonly kind: 'special'; readonly what?: string });

/** Files whose text is known even of a base image: they tell the names of users. */
export const USER_FILES: ReadonlySet<string> = new Set(['etc/passwd', 'etc/group']);

/** Files that lie under those of a tree, and show through where it has none. */
export interface FilesBelow {
  get(path: string): FileNode | undefined;
  /** The names in a folder; none where there is no folder. */
  list(folder: string): readonly string[];
}

/** Links that lead to links: more than this, and they lead in a circle. */
const MOST_LINKS = 255;

/** Links that lead in a circle. */
export class LinkLoop extends Error {}

/** The files of a build context or of an image in the making. Paths have no slash at their begin; the root is ''. */
export class FileTree {
  private readonly nodes = new Map<string, FileNode>();
  private readonly names = new Map<string, Set<string>>();

  /** @param below what is not taken away by `remove`, but covered by `set` */
  constructor(private readonly below?: FilesBelow) {
    this.nodes.set('', { kind: 'directory', mode: 0o755, uid: 0, gid: 0 });
  }

  get(path: string): FileNode | undefined {
    return this.nodes.get(path) ?? this.below?.get(path);
  }

  /** Puts a node in its place; the folders above it are there already, or come later. */
  set(path: string, node: FileNode): void {
    if (node.kind !== 'directory' && this.names.has(path)) this.remove(path);
    this.nodes.set(path, node);
    if (path === '') return;
    const { folder, name } = split(path);
    const names = this.names.get(folder);
    if (names) names.add(name);
    else this.names.set(folder, new Set([name]));
  }

  /** Takes a node away, with all below it. */
  remove(path: string): void {
    for (const name of this.list(path)) this.remove(join(path, name));
    this.names.delete(path);
    this.nodes.delete(path);
    const { folder, name } = split(path);
    this.names.get(folder)?.delete(name);
  }

  /** Lays nodes of another tree over those that are here. */
  cover(other: FileTree, paths: Iterable<string>): void {
    for (const path of [...paths].sort(byName)) this.set(path, other.get(path)!);
  }

  /** The names in a folder, in order. */
  list(folder: string): string[] {
    const names = new Set([...(this.names.get(folder) ?? []), ...(this.below?.list(folder) ?? [])]);
    return [...names].sort(byName);
  }

  /** All paths but the root's. */
  paths(): string[] {
    return [...this.nodes.keys()].filter((path) => path !== '');
  }

  copy(): FileTree {
    const copy = new FileTree(this.below);
    for (const [path, node] of this.nodes) copy.set(path, node);
    return copy;
  }

  /**
   * Where a path leads with all its links followed, none of them out of the tree. What is not there is taken as it is
   * written.
   *
   * @throws LinkLoop
   */
  resolve(path: string): string {
    let left = path.split('/');
    let done = '';
    let links = 0;
    for (let name = left.shift(); name !== undefined; name = left.shift()) {
      if (name === '' || name === '.') continue;
      if (name === '..') {
        done = split(done).folder;
        continue;
      }
      const next = join(done, name);
      const node = this.get(next);
      if (node?.kind !== 'symlink') {
        done = next;
        continue;
      }
      if (++links > MOST_LINKS) throw new LinkLoop(`the links of '${path}' lead in a circle`);
      if (node.target.startsWith('/')) done = '';
      left = [...node.target.split('/'), ...left];
    }
    return done;
  }
}

/** The path of a name in a folder; of the folder itself for no name. */
export function join(folder: string, name: string): string {
  return folder === '' ? name : name === '' ? folder : `${folder}/${name}`;
}

/** The folder that a path lies in, and its name there. */
export function split(path: string): { folder: string; name: string } {
  const at = path.lastIndexOf('/');
  return { folder: path.slice(0, Math.max(at, 0)), name: path.slice(at + 1) };
}

/** An order of paths that is the same on every machine, with folders before what is in them. */
export function byName(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
