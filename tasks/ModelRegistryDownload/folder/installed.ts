import { createHash } from 'node:crypto';
import { closeSync, constants, fstatSync, futimesSync, readFileSync } from 'node:fs';
import { codeOf } from '../../common/errors';
import { NoFolderError, type OpenFolder } from '../../common/files/open-folder';
import { OpenTree } from '../../common/files/open-tree';
import { type Digests, digestFile } from '../transfer/verify';
import {
  formatManifest,
  LARGEST_MANIFEST,
  MANIFEST_NAME,
  type ManifestFile,
  type ModelManifest,
  parseManifest,
} from './manifest';
import type { AgentState, Receipt } from './state';

/** Milliseconds of a blob's time are kept with its file. */
const MILLISECOND = 1_000_000n;

/*
 * How a later step knows without reading them that the files of a model are as they were when they were verified. Each
 * file has the time at which its blob was written. Then the manifest's time is set, and when the system saw that change
 * (ctime) is written down where no commit reaches: no program can set that time. Whatever writes to a file changes its
 * time, and who sets the time back changes ctime to one after the manifest's.
 */

/** What lies in a destination before a step changes anything. */
export class Installed {
  /** What the manifest says of each file, by its path. */
  private readonly files: ReadonlyMap<string, ManifestFile>;

  private constructor(
    readonly tree: OpenTree | undefined,
    /** What the manifest there says, which a commit can have made up. */
    readonly manifest: ModelManifest | undefined,
    /** Whether this agent has verified the model that the manifest tells of. */
    readonly isProven: boolean,
    private readonly sealed: bigint | undefined,
    /** By what a file is, so that one that was replaced is read again. */
    private readonly digests: Map<string, Digests>,
  ) {
    this.files = new Map(manifest?.files.map((file) => [file.path, file]));
  }

  /** @param earlier an earlier look, whose readings count where nothing has changed */
  static look(folder: OpenFolder | undefined, state: AgentState, earlier?: Installed): Installed {
    const digests = earlier?.digests ?? new Map<string, Digests>();
    if (!folder) return new Installed(undefined, undefined, false, undefined, digests);
    const tree = new OpenTree(folder);
    const found = readManifest(tree);
    if (!found) return new Installed(tree, undefined, false, undefined, digests);
    const { text, stats } = found;
    const receipt = state.receipt();
    const isProven = receipt !== undefined && receipt.manifest === sha256(text);
    const isSealed =
      isProven && receipt.sealed === String(stats.ctimeNs) && receipt.file === String(stats.ino);
    return new Installed(
      tree,
      parseManifest(text.toString()),
      isProven,
      isSealed ? stats.ctimeNs : undefined,
      digests,
    );
  }

  /** Whether a file is as it was when it was verified, as far as its size and times tell. */
  isUntouched(path: string, size: number, lastModified: Date): boolean {
    const { sealed, tree } = this;
    if (sealed === undefined) return false;
    const stats = tree?.stats(path);
    return (
      stats?.isFile() === true &&
      stats.size === BigInt(size) &&
      stats.mtimeNs === BigInt(lastModified.getTime()) * MILLISECOND &&
      stats.ctimeNs <= sealed
    );
  }

  /** Reads a file; undefined where there is none of this size. */
  async read(
    path: string,
    size: number,
    options: {
      md5: boolean;
      /** The time of its blob, which the file is given back. */
      lastModified?: Date;
    },
    signal: AbortSignal,
  ): Promise<Digests | undefined> {
    const { md5, lastModified } = options;
    const file = this.openFile(path);
    if (file === undefined) return undefined;
    try {
      const stats = fstatSync(file, { bigint: true });
      if (!stats.isFile() || stats.size !== BigInt(size)) return undefined;
      // Before it is read: whoever writes to it from now on gives it another time.
      if (lastModified) setTime(file, lastModified);
      const { ino, mtimeNs } = fstatSync(file, { bigint: true });
      const key = `${path} ${ino} ${size} ${mtimeNs}`;
      const known = this.digests.get(key);
      if (known && (known.md5 !== undefined || !md5)) return known;
      const digests = await digestFile(file, size, { md5 }, signal);
      this.digests.set(key, digests);
      return digests;
    } finally {
      closeSync(file);
    }
  }

  /** The content of a small file; undefined where there is none. */
  readWhole(path: string, most: number): Buffer | undefined {
    const file = this.openFile(path);
    if (file === undefined) return undefined;
    try {
      const stats = fstatSync(file);
      return stats.isFile() && stats.size <= most ? readFileSync(file) : undefined;
    } finally {
      closeSync(file);
    }
  }

  /**
   * Whether a file that the manifest names is one that this task has put there. Without a proof of the manifest, only one
   * with just the content that it states.
   */
  async isOwn(path: string, signal: AbortSignal): Promise<boolean> {
    if (path === MANIFEST_NAME) return true;
    const file = this.files.get(path);
    if (!file || this.isProven) return file !== undefined;
    return (await this.read(path, file.size, { md5: false }, signal))?.sha256 === file.sha256;
  }

  close(): void {
    this.tree?.close();
  }

  private openFile(path: string): number | undefined {
    try {
      return this.tree?.openFile(path, constants.O_RDONLY);
    } catch (error) {
      if (error instanceof NoFolderError || ['ENOENT', 'ELOOP', 'ENXIO'].includes(codeOf(error)!))
        return undefined;
      throw error;
    }
  }
}

/** Marks the files in a folder, all of which have the times of their blobs, as verified at this moment. */
export function seal(folder: OpenFolder, manifest: ModelManifest): Receipt {
  const time = new Date(
    manifest.files.reduce((latest, { lastModified }) => Math.max(latest, Date.parse(lastModified)), 0),
  );
  const file = folder.openFile(MANIFEST_NAME, constants.O_RDONLY);
  try {
    futimesSync(file, time, time);
    const { ctimeNs, ino } = fstatSync(file, { bigint: true });
    return { manifest: sha256(formatManifest(manifest)), sealed: String(ctimeNs), file: String(ino) };
  } finally {
    closeSync(file);
  }
}

/** Where it can't be set, the file is read each time. */
function setTime(file: number, time: Date): void {
  try {
    futimesSync(file, time, time);
  } catch {}
}

function readManifest(tree: OpenTree) {
  if (!tree.stats(MANIFEST_NAME)?.isFile()) return undefined;
  const file = tree.openFile(MANIFEST_NAME, constants.O_RDONLY);
  try {
    const stats = fstatSync(file, { bigint: true });
    if (!stats.isFile() || stats.size > LARGEST_MANIFEST) return undefined;
    return { text: readFileSync(file), stats };
  } finally {
    closeSync(file);
  }
}

function sha256(content: Buffer | string): string {
  return createHash('sha256').update(content).digest('hex');
}
