import type { Dirent } from 'node:fs';
import {
  copyFile,
  link,
  lstat,
  mkdir,
  readdir,
  readFile,
  readlink,
  rename,
  rm,
  rmdir,
  symlink,
  writeFile,
} from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { describeError, TaskError } from '../../common/errors';
import type { Logger } from '../../common/log';
import type { ModelFile } from '../registry/listing';
import { ancestors } from '../registry/names';
import { Journal } from './journal';
import { type Lock, takeLock } from './lock';
import { formatManifest, MANIFEST_NAME, type ModelManifest, parseManifest } from './manifest';
import { seal } from './seal';

/** Something in the folder that this task did not put there. Folders are listed only when they are empty. */
interface Foreigner {
  readonly path: string;
  readonly kind: 'file' | 'link' | 'folder';
}

/** What a swap did besides the model's own files. */
export interface SwapReport {
  /** Files of others that are still in the folder. */
  readonly kept: readonly string[];
  /** Files of others whose names the model has too. */
  readonly replaced: readonly string[];
}

/**
 * The folder that a model is downloaded to. It holds the old model until the new one is whole: the new one is put
 * together in `.<name>.partial` beside it, on the same disk, and takes its place by a rename. Until it is released,
 * no other step can claim it.
 */
export class ModelFolder {
  private journal: Journal | undefined;

  private constructor(
    readonly path: string,
    private readonly workshop: string,
    private readonly lock: Lock,
    /** What this task left in the folder; undefined when it left nothing. */
    readonly manifest: ModelManifest | undefined,
    private readonly log: Logger,
  ) {}

  /** Takes the folder for this step, and puts right what a killed step left behind. */
  static async claim(path: string, log: Logger): Promise<ModelFolder> {
    await refuseNonFolder(path);
    const workshop = join(dirname(path), `.${basename(path)}.partial`);
    const lock = await takeLock(join(workshop, 'lock'), path);
    try {
      await recover(path, workshop, log);
      const manifest = await readFile(join(path, MANIFEST_NAME), 'utf8').then(parseManifest, () => undefined);
      return new ModelFolder(path, workshop, lock, manifest, log);
    } catch (error) {
      await lock.release();
      throw error;
    }
  }

  /** Where the new model is put together. */
  get staging(): string {
    return join(this.workshop, 'model');
  }

  /**
   * Makes the new model's folder ready: it holds what a killed step, or an earlier try of this one, has brought of these
   * files, and nothing else.
   *
   * @returns the journal of what is there, to be gone on with
   */
  async prepare(files: readonly ModelFile[], source: ModelManifest['source']): Promise<Journal> {
    this.journal?.close();
    this.journal = await Journal.open(join(this.workshop, 'journal'), source);
    const journal = this.journal;
    const begun = new Map(files.filter((file) => journal.has(file)).map((file) => [file.path, file]));
    await mkdir(this.staging, { recursive: true });
    await keepPartialFiles(this.staging, '', begun);
    for (const lost of begun.values()) journal.forget(lost);
    return journal;
  }

  /**
   * Checks that the new model can lie beside what others put into the folder.
   *
   * @param paths the model's files
   * @throws TaskError when one of their files stands where the model needs a folder, or the other way round
   */
  async refuseClashes(paths: readonly string[]): Promise<void> {
    const files = new Set(paths);
    const folders = new Set(paths.flatMap(ancestors));
    const clash = (await this.foreigners()).find(({ path, kind }) =>
      kind === 'folder'
        ? files.has(path)
        : folders.has(path) || ancestors(path).some((ancestor) => files.has(ancestor)),
    );
    if (clash) {
      throw new TaskError(
        `'${clash.path}' in '${this.path}' does not come from this task, and is in the way of the model: one is a file where the other is a folder. Move it away, or choose another 'destinationFolder'.`,
      );
    }
  }

  /** Takes a file of the old model over into the new one. */
  async reuse(path: string): Promise<void> {
    await this.carryOver({ path, kind: 'file' });
  }

  /**
   * Puts the new model in the old one's place, in one step. Files of others go along.
   *
   * @throws TaskError when the folder cannot be replaced; it is then as before
   */
  async swap(manifest: ModelManifest): Promise<SwapReport> {
    await writeFile(join(this.staging, MANIFEST_NAME), formatManifest(manifest));
    const report = await this.takeForeignersAlong();
    await this.exchange();
    // Without it, the next step reads the files. It comes last, since the old folder's end shows in files of both.
    await seal(this.path, manifest).catch(() => undefined);
    return report;
  }

  /** Gives the folder free for other steps, and removes all that is not in its place. */
  async release(): Promise<void> {
    this.journal?.close();
    await this.discard(join(this.workshop, 'journal'));
    await this.discard(this.staging);
    await this.lock.release();
    // Not empty when another step has claimed it by now.
    await rmdir(this.workshop).catch(() => undefined);
  }

  private async takeForeignersAlong(): Promise<SwapReport> {
    const kept: string[] = [];
    const replaced: string[] = [];
    for (const foreigner of await this.foreigners()) {
      const list = (await this.carryOver(foreigner)) ? kept : replaced;
      if (foreigner.kind !== 'folder') list.push(foreigner.path);
    }
    return { kept, replaced };
  }

  /** Puts something of the old folder into the new one as well; false when the new one has that name already. */
  private async carryOver({ path, kind }: Foreigner): Promise<boolean> {
    const from = join(this.path, path);
    const to = join(this.staging, path);
    await mkdir(kind === 'folder' ? to : dirname(to), { recursive: true });
    try {
      if (kind === 'link') await symlink(await readlink(from), to);
      if (kind === 'file') await linkOrCopy(from, to);
      return true;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
      throw error;
    }
  }

  private async exchange(): Promise<void> {
    const old = join(this.workshop, OLD);
    const hadOne = await exists(this.path);
    if (hadOne) await rename(this.path, old);
    try {
      await rename(this.staging, this.path);
    } catch (error) {
      if (hadOne) await rename(old, this.path);
      throw error;
    }
    await this.discard(old);
  }

  /** What cannot be removed now, because something has it open, the next step will remove. */
  private async discard(folder: string): Promise<void> {
    await rm(folder, { recursive: true, force: true }).catch((error) =>
      this.log.warning(`'${folder}' could not be removed: ${describeError(error)}.`),
    );
  }

  private async foreigners(): Promise<Foreigner[]> {
    const own = new Set<string>(this.manifest?.files.map(({ path }) => path).concat(MANIFEST_NAME));
    return findForeigners(this.path, '', own);
  }
}

/** Where the old model waits for the blink of an eye in which the new one takes its place. */
const OLD = 'old';

/** A step that was killed between the two renames of a swap has left no folder, and the old model in the workshop. */
async function recover(path: string, workshop: string, log: Logger): Promise<void> {
  const old = join(workshop, OLD);
  if (!(await exists(old))) return;
  if (await exists(path)) {
    await rm(old, { recursive: true, force: true });
  } else {
    log.info(`A step that was killed had moved '${path}' away. It is put back.`);
    await rename(old, path);
  }
}

/**
 * Removes everything from a folder but the partial files that a download can go on with, which it takes off the list.
 * A file with a second name is never one of them: it is a file of the old model as well.
 */
async function keepPartialFiles(root: string, folder: string, wanted: Map<string, ModelFile>): Promise<void> {
  for (const entry of await readdir(join(root, folder), { withFileTypes: true })) {
    const path = folder ? `${folder}/${entry.name}` : entry.name;
    const place = join(root, path);
    if (entry.isDirectory()) {
      await keepPartialFiles(root, path, wanted);
      await rmdir(place).catch(() => undefined);
      continue;
    }
    const { size, nlink } = await lstat(place);
    const isKept = entry.isFile() && nlink === 1 && wanted.get(path)?.size === size;
    if (isKept) wanted.delete(path);
    else await rm(place);
  }
}

async function findForeigners(root: string, folder: string, own: ReadonlySet<string>): Promise<Foreigner[]> {
  let entries: Dirent[];
  try {
    entries = await readdir(join(root, folder), { withFileTypes: true });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw error;
  }
  if (entries.length === 0 && folder) return [{ path: folder, kind: 'folder' }];
  const found: Foreigner[] = [];
  for (const entry of entries.sort((a, b) => (a.name < b.name ? -1 : 1))) {
    const path = folder ? `${folder}/${entry.name}` : entry.name;
    if (entry.isDirectory()) found.push(...(await findForeigners(root, path, own)));
    else if (!own.has(path)) found.push({ path, kind: entry.isSymbolicLink() ? 'link' : 'file' });
  }
  return found;
}

async function refuseNonFolder(path: string): Promise<void> {
  const found = await lstat(path).catch(() => undefined);
  if (found?.isSymbolicLink()) {
    throw new TaskError(
      `'${path}' is a link, and the task does not write through links. Give the folder itself as 'destinationFolder'.`,
    );
  }
  if (found && !found.isDirectory()) {
    throw new TaskError(`'${path}' is a file. Give a folder as 'destinationFolder'.`);
  }
}

async function linkOrCopy(from: string, to: string): Promise<void> {
  try {
    await link(from, to);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') throw error;
    // Not every file system can give a file a second name.
    await copyFile(from, to);
  }
}

async function exists(path: string): Promise<boolean> {
  return lstat(path).then(
    () => true,
    () => false,
  );
}
