import { posix } from 'node:path';
import type { Decision, PatternList } from '../../context/pattern-list';
import { type Content, type FileNode, type FileTree, join, split } from '../../files/file-tree';
import { compileGlob, hasWildcard } from '../../files/glob';
import type { Chmod } from './chmod';

export interface Owner {
  readonly uid: number;
  readonly gid: number;
}

export interface CopyOptions {
  /** Of all that is copied; when missing, files keep their own, and folders that are made on the way are root's. */
  readonly owner: Owner | undefined;
  /** What becomes of the permissions of all that is copied; they stay as they are when missing. */
  readonly chmod?: Chmod | undefined;
  /** Permissions of folders that are made on the way. */
  readonly folderMode?: number;
  /** What in a source is left out, by its path there. */
  readonly exclude?: PatternList | undefined;
  /** Told of every file on the disk that a source names directly; throws to refuse it. */
  readonly refuse?: ((path: string) => void) | undefined;
}

const ROOT: Owner = { uid: 0, gid: 0 };

/** The bit by which a folder hands on its group, and itself. */
const SET_GROUP = 0o2000;

/** From where to where something is copied. */
interface Way {
  readonly from: string;
  readonly to: string;
}

/** Where a copy is in a source, and what was decided on the way there. */
interface Within {
  /** From what the source names; empty at its top, on which no pattern decides. */
  readonly path: string;
  /** What alone is copied; undefined: everything. */
  readonly include?: PatternList | undefined;
  readonly included?: Decision | undefined;
  readonly excluded?: Decision | undefined;
  /** The folders above from which nothing has been wanted yet. */
  readonly waiting: readonly Way[];
}

const TOP: Within = { path: '', waiting: [] };

/** A copy that docker refuses, in words that go on from the instruction. */
export class CopyError extends Error {}

/** A pattern that no file matches, which docker lets pass. */
export class NothingFound extends Error {
  constructor(
    readonly pattern: string,
    /** The folder before its first wildcard. */
    readonly folder: string,
  ) {
    super(`nothing matches '${pattern}'`);
  }
}

/** A copy that docker could do, but this builder can't. */
export class OutOfReach extends Error {}

/** Copies between trees the way `COPY` does, and remembers what it changed. */
export class Copier {
  /** The paths that a layer has to hold. */
  readonly changed = new Set<string>();
  private contents = new Map<Content, Content>();
  /** Folders that were made for what is in them, each once. */
  private made = new Set<string>();
  /** How many nodes within sources were copied. */
  private copies = 0;

  constructor(
    private readonly target: FileTree,
    private readonly options: CopyOptions,
  ) {}

  /**
   * Copies what a source names, which may be a pattern; of a folder, what is in it.
   *
   * @param destination from the root on; with a slash at its end, it is a folder
   */
  copy(source: FileTree, name: string, destination: string): void {
    for (const found of findSources(source, name)) {
      const { from, node } = this.begin(source, found);
      if (node.kind === 'file' && node.content.kind === 'path') this.options.refuse?.(node.content.path);
      const to = this.prepareTarget(node, found, destination);
      this.copyNode(source, { from, to }, TOP);
    }
  }

  /**
   * Copies what matches in a source's folder, to the same path in the destination, with the folders on the way to it.
   *
   * @param include what matches
   * @returns whether something did
   */
  copyMatching(source: FileTree, folder: string, include: PatternList, destination: string): boolean {
    const before = this.copies;
    for (const found of findSources(source, folder)) {
      const { from, node } = this.begin(source, found);
      const to = this.prepareTarget(node, found, destination);
      this.copyNode(source, { from, to }, { ...TOP, include });
    }
    return this.copies > before;
  }

  /** Begins what is copied at once: links of one file are links in that only. */
  private begin(source: FileTree, found: string): { from: string; node: FileNode } {
    this.contents = new Map();
    this.made = new Set();
    const from = source.resolve(found);
    const node = source.get(from);
    if (!node) throw new CopyError(`there is no '${found}'`);
    return { from, node };
  }

  /** Puts a file made of text in its place. */
  write(name: string, data: Buffer, destination: string): void {
    const node: FileNode = { kind: 'file', mode: 0o644, uid: 0, gid: 0, content: { kind: 'text', data } };
    this.put(this.prepareTarget(node, name, destination), this.owned(node));
  }

  /** Makes a folder where none is, and those above it. */
  makeFolders(path: string): void {
    const node = this.target.get(path);
    if (node?.kind === 'directory') return;
    if (node) throw new CopyError(`'/${path}' is there and no folder`);
    const { folder } = split(path);
    if (path !== '') this.makeFolders(folder);
    const { owner, folderMode = 0o755 } = this.options;
    const above = this.target.get(folder);
    const inherited = (above?.mode ?? 0) & SET_GROUP;
    const own = owner ?? (inherited ? { uid: 0, gid: above!.gid } : ROOT);
    this.target.set(path, { kind: 'directory', mode: folderMode | inherited, ...own });
    this.changed.add(path);
  }

  private prepareTarget(node: FileNode, name: string, destination: string): string {
    const folder = destination.endsWith('/') ? destination : posix.dirname(destination);
    this.makeFolders(this.target.resolve(folder));
    let to = this.target.resolve(destination);
    const existing = this.target.get(to);
    if (node.kind === 'directory') this.makeFolders(existing ? split(to).folder : to);
    else if (existing?.kind === 'directory') to = join(to, posix.basename(name));
    // A link may lead to where no folder is yet.
    this.makeFolders(split(to).folder);
    return to;
  }

  private copyNode(source: FileTree, { from, to }: Way, within: Within): void {
    const node = source.get(from)!;
    const { exclude } = this.options;
    const isTop = within.path === '';
    const included = isTop ? undefined : within.include?.decide(within.path, within.included);
    const excluded = isTop ? undefined : exclude?.decide(within.path, within.excluded);
    if (excluded?.matches && exclude!.exceptions.length === 0) return;
    const isWanted = (included?.matches ?? true) && !excluded?.matches;
    if (isWanted && !isTop) this.copies++;
    if (isWanted) this.makeWaiting(source, within.waiting);
    if (node.kind !== 'directory') {
      if (isWanted) this.put(to, this.owned(this.apart(node)));
      return;
    }
    if (isWanted) this.copyFolder(node, to, isTop);
    const waiting = isWanted ? [] : [...within.waiting, { from, to }];
    for (const name of source.list(from)) {
      const way = { from: join(from, name), to: join(to, name) };
      this.copyNode(source, way, {
        path: join(within.path, name),
        include: within.include,
        included,
        excluded,
        waiting,
      });
    }
  }

  private copyFolder(node: FileNode, to: string, isTop: boolean): void {
    const existing = this.folderAt(to);
    // A folder that the copy began with keeps what it was, and so does the root.
    if (isTop && existing) return;
    this.target.set(to, this.owned(node));
    this.changed.add(to);
  }

  /** Makes folders that no pattern matches, for what is wanted of them; one that is there gets the permissions alone. */
  private makeWaiting(source: FileTree, waiting: readonly Way[]): void {
    for (const { from, to } of waiting) {
      const node = source.get(from)!;
      if (this.made.has(to)) continue;
      this.made.add(to);
      const existing = this.folderAt(to);
      this.target.set(to, existing ? { ...existing, mode: node.mode } : this.owned(node));
      this.changed.add(to);
    }
  }

  private folderAt(to: string): FileNode | undefined {
    const existing = this.target.get(to);
    if (!existing || existing.kind === 'directory') return existing;
    throw new CopyError(`'/${to}' is there and no folder, so a folder can't be copied to it`);
  }

  private apart(node: FileNode): FileNode {
    if (node.kind !== 'file') return node;
    const content = this.contents.get(node.content) ?? { ...node.content };
    this.contents.set(node.content, content);
    return { ...node, content };
  }

  private put(path: string, node: FileNode): void {
    if (this.target.get(path)?.kind === 'directory') {
      throw new CopyError(`'/${path}' is a folder, so a file can't take its place`);
    }
    this.target.set(path, node);
    this.changed.add(path);
  }

  private owned(node: FileNode): FileNode {
    if (node.kind === 'special') throw new OutOfReach(`it copies ${node.what ?? 'a device or a pipe'}`);
    if (node.kind === 'file' && node.content.kind === 'base') {
      throw new OutOfReach('it copies files out of a base image');
    }
    const { owner, chmod } = this.options;
    if (node.kind === 'symlink' || !chmod) return { ...node, ...owner };
    return { ...node, ...owner, mode: chmod(node.mode, node.kind === 'directory') };
  }
}

/** The paths that a source names: itself, or all that match it, in order. */
function findSources(source: FileTree, name: string): string[] {
  const parts = posix.normalize(`/${name}`).split('/').filter(Boolean);
  const first = parts.findIndex(hasWildcard);
  if (first < 0) return [parts.join('/')];
  const pattern = parts.slice(first).join('/');
  // Of a pattern that can't be read, docker says no more than that nothing matches it.
  const matches = compileGlob(pattern);
  const folder = parts.slice(0, first).join('/');
  const start = source.resolve(folder);
  if (start !== '' && !source.get(start))
    throw new CopyError(`there is no '${folder}', where '${name}' begins`);
  const found: string[] = [];
  const walk = (folder: string, path: string) => {
    for (const child of source.list(folder)) {
      const relative = join(path, child);
      const full = join(folder, child);
      if (matches?.(relative)) found.push(full);
      else if (source.get(full)?.kind === 'directory') walk(full, relative);
    }
  };
  walk(start, '');
  if (!found.length) throw new NothingFound(name, start);
  return found;
}
