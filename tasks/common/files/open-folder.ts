import {
  type BigIntStats,
  closeSync,
  constants,
  type Dirent,
  existsSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readlinkSync,
  statSync,
} from 'node:fs';
import * as files from 'node:fs/promises';
import { join } from 'node:path';
import { codeOf } from '../errors';

/** Linux reaches a folder through its descriptor, whatever becomes of its path; other systems know none but paths. */
const DESCRIPTORS = process.platform === 'linux' && existsSync('/proc/self/fd') ? '/proc/self/fd' : undefined;

/** Linux's O_PATH, which Node has no name for: a folder may be passed through by whoever may not list it. */
const O_PATH = 0o10000000;

/** A file is never opened through a link, and a pipe in a file's place is not waited for. */
export const NO_LINK = (constants.O_NOFOLLOW ?? 0) | (constants.O_NONBLOCK ?? 0);

/** A name that leads elsewhere, or to something that is no folder, where a folder was expected. */
export class NoFolderError extends Error {
  constructor(
    readonly path: string,
    readonly isLink: boolean,
  ) {
    super(`'${path}' is ${isLink ? 'a link' : 'no folder'}`);
  }
}

/**
 * A folder that is held open. What is named in it is reached through it and no link is followed on the way, also where
 * somebody puts another folder, or a link, in the place of one that was looked at. Names are those of one level.
 *
 * Where the system knows no folders but by their paths (Windows, macOS), each level is looked at as it is opened.
 */
export class OpenFolder {
  private constructor(
    readonly path: string,
    private readonly descriptor: number | undefined,
  ) {}

  /**
   * Opens a folder by its path. Of its levels only the last may not be a link.
   *
   * @throws NoFolderError for a link and for a file
   */
  static open(path: string): OpenFolder {
    return OpenFolder.openAs(path, path);
  }

  private static openAs(place: string, path: string): OpenFolder {
    if (!DESCRIPTORS) {
      const stats = lstatSync(place);
      if (!stats.isDirectory()) throw new NoFolderError(path, stats.isSymbolicLink());
      return new OpenFolder(path, undefined);
    }
    try {
      const flags = O_PATH | constants.O_DIRECTORY | constants.O_NOFOLLOW;
      return new OpenFolder(path, openSync(place, flags));
    } catch (error) {
      if (!['ENOTDIR', 'ELOOP'].includes(codeOf(error) ?? '')) throw renamed(error, place, path);
      throw new NoFolderError(path, lstatSync(place, { throwIfNoEntry: false })?.isSymbolicLink() ?? false);
    }
  }

  /** The path by which the system is to be asked for something in this folder. It is good until the folder is closed. */
  at(name: string): string {
    return join(this.place, name);
  }

  private get place(): string {
    return this.descriptor === undefined ? this.path : `${DESCRIPTORS}/${this.descriptor}`;
  }

  /** A folder in this one. */
  folder(name: string): OpenFolder {
    return OpenFolder.openAs(this.at(name), join(this.path, name));
  }

  /** A folder in this one, undefined where there is none of that name. */
  folderIfThere(name: string): OpenFolder | undefined {
    try {
      return this.folder(name);
    } catch (error) {
      if (codeOf(error) === 'ENOENT') return undefined;
      throw error;
    }
  }

  /** Makes a folder that was not there. */
  make(name: string, mode = 0o777): OpenFolder {
    this.sync(name, (place) => mkdirSync(place, { mode }));
    return this.folder(name);
  }

  /** A folder in this one, which is made where there is none. */
  enter(name: string): OpenFolder {
    return this.folderIfThere(name) ?? this.makeOrEnter(name);
  }

  private makeOrEnter(name: string): OpenFolder {
    try {
      return this.make(name);
    } catch (error) {
      // Somebody else was faster.
      if (codeOf(error) === 'EEXIST') return this.folder(name);
      throw error;
    }
  }

  /** Opens a file, and never what a link leads to. The caller closes the descriptor. */
  openFile(name: string, flags: number, mode = 0o666): number {
    return this.sync(name, (place) => openSync(place, flags | NO_LINK, mode));
  }

  /** What a name stands for, undefined for nothing. */
  stats(name: string): BigIntStats | undefined {
    return this.sync(name, (place) => lstatSync(place, { bigint: true, throwIfNoEntry: false }));
  }

  /** This folder itself. */
  ownStats(): BigIntStats {
    return this.sync('', (place) => statSync(place, { bigint: true }));
  }

  /** The names of what is in it. */
  names(): string[] {
    return this.sync('', (place) => readdirSync(place));
  }

  entries(): Promise<Dirent[]> {
    return this.async('', (place) => files.readdir(place, { withFileTypes: true }));
  }

  readLink(name: string): string {
    return this.sync(name, (place) => readlinkSync(place));
  }

  symlink(target: string, name: string, type?: 'junction'): Promise<void> {
    return this.async(name, (place) => files.symlink(target, place, type));
  }

  link(name: string, folder: OpenFolder, newName: string): Promise<void> {
    return this.async(name, (place) => files.link(place, folder.at(newName)), folder);
  }

  copyFile(name: string, folder: OpenFolder, newName: string): Promise<void> {
    return this.async(
      name,
      (place) => files.copyFile(place, folder.at(newName), constants.COPYFILE_EXCL),
      folder,
    );
  }

  rename(name: string, folder: OpenFolder, newName: string): Promise<void> {
    return this.async(name, (place) => files.rename(place, folder.at(newName)), folder);
  }

  unlink(name: string): Promise<void> {
    return this.async(name, files.unlink);
  }

  removeFolder(name: string): Promise<void> {
    return this.async(name, files.rmdir);
  }

  /** Gives this folder itself permissions, the set-id and sticky bits among them. */
  chmod(mode: number): Promise<void> {
    return this.async('', (place) => files.chmod(place, mode));
  }

  chown(uid: number, gid: number): Promise<void> {
    return this.async('', (place) => files.chown(place, uid, gid));
  }

  /** Gives a file or link in this folder to another user; a link itself, not what it leads to. */
  chownFile(name: string, uid: number, gid: number): Promise<void> {
    return this.async(name, (place) => files.lchown(place, uid, gid));
  }

  close(): void {
    if (this.descriptor !== undefined) closeSync(this.descriptor);
  }

  /** Errors name paths that people know. */
  private sync<T>(name: string, action: (place: string) => T): T {
    const place = this.at(name);
    try {
      return action(place);
    } catch (error) {
      throw renamed(error, this.place, this.path);
    }
  }

  private async async<T>(
    name: string,
    action: (place: string) => Promise<T>,
    target: OpenFolder = this,
  ): Promise<T> {
    try {
      return await action(this.at(name));
    } catch (error) {
      throw renamed(renamed(error, this.place, this.path), target.place, target.path);
    }
  }
}

function renamed(error: unknown, place: string, path: string): unknown {
  const failure = error as NodeJS.ErrnoException & { dest?: string };
  if (place === path || typeof failure?.path !== 'string') return error;
  // One descriptor's number may begin as another's does.
  const rename = (text: string) => text.replace(new RegExp(`${place}(?!\\d)`, 'g'), () => path);
  failure.message = rename(failure.message);
  failure.path = rename(failure.path);
  if (failure.dest !== undefined) failure.dest = rename(failure.dest);
  return failure;
}
