import type { BigIntStats } from 'node:fs';
import { NoFolderError, type OpenFolder } from '../../common/files/open-folder';
import { OpenTree } from '../../common/files/open-tree';
import { removeTree } from '../../common/files/remove';
import { whileHeld } from './held';

/** Where the new model is put together. */
const MODEL = 'model';

/** Where the old model waits for the blink of an eye in which the new one takes its place. */
const OLD = 'old';

/** What an earlier try has brought, and nobody works at any more. */
const LOST = 'lost';

const OTHERS = 0o077n;
const OWNER = 0o700;
export const PERMISSIONS = 0o7777;

/**
 * A step's own folder beside the destination, on the same disk. It is named for the step, which no commit can foresee,
 * made where nothing was, and private to the agent's user.
 */
export class Workshop {
  private constructor(
    private readonly parent: OpenFolder,
    private readonly name: string,
    readonly folder: OpenFolder,
  ) {}

  /** @param stem the destination's name */
  static create(parent: OpenFolder, stem: string, step: string): Workshop {
    const name = nameOf(stem, step);
    return new Workshop(parent, name, parent.make(name, OWNER));
  }

  /** An earlier step's workshop, if it is there and can be one. */
  static find(parent: OpenFolder, stem: string, step: string): Workshop | undefined {
    const name = nameOf(stem, step);
    let folder: OpenFolder | undefined;
    try {
      folder = parent.folderIfThere(name);
    } catch (error) {
      if (!(error instanceof NoFolderError)) throw error;
    }
    if (!folder) return undefined;
    const { uid, mode } = folder.ownStats();
    const user = process.getuid?.();
    // A checkout makes folders that others may enter.
    if (user === undefined || (Number(uid) === user && (mode & OTHERS) === 0n))
      return new Workshop(parent, name, folder);
    folder.close();
    return undefined;
  }

  /** What tells this folder from one that takes its name later. */
  get identity(): string {
    const { dev, ino } = this.folder.ownStats();
    return `${dev}:${ino}`;
  }

  /**
   * Makes an empty place for the new model.
   *
   * @param like the folder that it is to replace, whose owner and permissions it gets
   */
  async makeStaging(like: BigIntStats | undefined): Promise<OpenTree> {
    const staging = this.folder.make(MODEL);
    if (like) {
      // Before anything is in it: what is made in a folder may inherit its group.
      await staging.chown(Number(like.uid), Number(like.gid)).catch(() => undefined);
      await staging.chmod((Number(like.mode) & PERMISSIONS) | OWNER);
    }
    return new OpenTree(staging);
  }

  /**
   * Makes sure that whoever has worked here can't finish: a step that was stopped for long enough to be taken for dead
   * finds no new model to put in the old one's place.
   */
  async fence(): Promise<void> {
    if (!this.folder.stats(MODEL)?.isDirectory()) return;
    await removeTree(this.folder, LOST);
    await whileHeld(() => this.folder.rename(MODEL, this.folder, LOST));
  }

  /** What was brought before it was fenced. */
  lost(): OpenTree | undefined {
    const folder = this.folder.folderIfThere(LOST);
    return folder && new OpenTree(folder);
  }

  async removeLost(): Promise<void> {
    await whileHeld(() => removeTree(this.folder, LOST));
  }

  /** Whether a model waits here to be put back. */
  hasOld(): boolean {
    return this.oldStats()?.isDirectory() ?? false;
  }

  oldStats(): BigIntStats | undefined {
    return this.folder.stats(OLD);
  }

  async moveAway(from: OpenFolder, name: string): Promise<void> {
    await whileHeld(() => from.rename(name, this.folder, OLD));
  }

  async putBack(to: OpenFolder, name: string): Promise<void> {
    await whileHeld(() => this.folder.rename(OLD, to, name));
  }

  async putInPlace(to: OpenFolder, name: string): Promise<void> {
    await whileHeld(() => this.folder.rename(MODEL, to, name));
  }

  async removeOld(): Promise<void> {
    await whileHeld(() => removeTree(this.folder, OLD));
  }

  /** Removes it with all that is in it. What can't be removed is left whole enough to be found by the next step. */
  async remove(): Promise<void> {
    this.folder.close();
    await whileHeld(() => removeTree(this.parent, this.name));
  }
}

function nameOf(stem: string, step: string): string {
  return `.${stem}.${step}.partial`;
}
