import type { BigIntStats } from 'node:fs';
import { codeOf } from '../errors';
import { NoFolderError, type OpenFolder } from './open-folder';

/** What lies below a folder, reached by paths with slashes, none of whose levels is a link. */
export class OpenTree {
  /** The folders on the way to what was asked for last, which is mostly where the next is. */
  private readonly way: { readonly name: string; readonly folder: OpenFolder }[] = [];

  /** @param root is closed with the tree */
  constructor(readonly root: OpenFolder) {}

  /** The folder that a path's last name is in, and that name. Open until the tree is asked for the next. */
  parentOf(path: string, options: { make?: boolean } = {}): { folder: OpenFolder; name: string } {
    const names = path.split('/');
    const name = names.pop()!;
    return { folder: this.walk(names, options.make ?? false), name };
  }

  /** Opens a file; folders on the way to it are made where `make` says so. The caller closes the descriptor. */
  openFile(path: string, flags: number, options: { make?: boolean } = {}): number {
    const { folder, name } = this.parentOf(path, options);
    return folder.openFile(name, flags);
  }

  /** What is at a path; undefined where nothing is, and where a link or a file is on the way. */
  stats(path: string): BigIntStats | undefined {
    try {
      const { folder, name } = this.parentOf(path);
      return folder.stats(name);
    } catch (error) {
      if (error instanceof NoFolderError || codeOf(error) === 'ENOENT') return undefined;
      throw error;
    }
  }

  close(): void {
    this.leave(0);
    this.root.close();
  }

  private walk(names: readonly string[], make: boolean): OpenFolder {
    let depth = 0;
    while (depth < names.length && this.way[depth]?.name === names[depth]) depth++;
    this.leave(depth);
    for (const name of names.slice(depth)) {
      const above = this.way.at(-1)?.folder ?? this.root;
      this.way.push({ name, folder: make ? above.enter(name) : above.folder(name) });
    }
    return this.way.at(-1)?.folder ?? this.root;
  }

  private leave(depth: number): void {
    for (const { folder } of this.way.splice(depth)) folder.close();
  }
}
