import { createHash } from 'node:crypto';
import { type BigIntStats, closeSync, constants, readFileSync, writeFileSync } from 'node:fs';
import { basename } from 'node:path';
import { describeError, TaskError } from '../../common/errors';
import { NoFolderError, type OpenFolder } from '../../common/files/open-folder';
import { OpenTree } from '../../common/files/open-tree';
import { realPath } from '../../common/files/paths';
import type { Logger } from '../../common/log';
import type { ModelFile } from '../registry/listing';
import { ancestors } from '../registry/names';
import type { ModelSource } from '../registry/source';
import { type AgentFolders, openDestination, openParent, refuseKept } from './destination';
import { carryOver, type Foreigner, findForeigners, keepFolders } from './foreigners';
import { Installed, seal } from './installed';
import { type EarlierTry, Journal } from './journal';
import { type Lock, takeLock } from './lock';
import { formatManifest, MANIFEST_NAME, type ModelManifest } from './manifest';
import { refuseMounts } from './mounts';
import { AgentState } from './state';
import { Workshop } from './workshop';

/** What a swap did besides the model's own files. */
export interface SwapReport {
  /** Files of others that are still in the folder. */
  readonly kept: readonly string[];
  /** Files of others whose names the model has too. */
  readonly replaced: readonly string[];
}

/** What a step gives to claim a folder. */
export interface ClaimOptions {
  readonly agent: AgentFolders;
  /** Where the task may remember something from one step to the next, out of the reach of commits. */
  readonly memory: string;
  readonly signal: AbortSignal;
  readonly log: Logger;
}

/** The longest name of a destination that others are made from, in bytes: a file system allows 255. */
const LONGEST_STEM = 120;

/**
 * The folder that a model is downloaded to. It holds the old model until the new one is whole: the new one is put
 * together in a workshop beside it, on the same disk, and takes its place by a rename. Until it is released, no other
 * step can claim it.
 *
 * What is there when a step begins may come from anybody. So no link is followed, nothing that can be read there proves
 * anything, and only what a step has made itself is removed.
 */
export class ModelFolder {
  private journal: Journal | undefined;
  private workshop: Workshop | undefined;
  private tree: OpenTree | undefined;
  /** Steps that have ended, and have left a workshop or a journal. */
  private readonly abandoned = new Set<string>();

  private constructor(
    readonly path: string,
    private readonly parent: OpenFolder,
    private readonly name: string,
    private readonly state: AgentState,
    private readonly options: ClaimOptions,
    private lock: Lock,
    /** What lies there, before this step changes anything. */
    readonly installed: Installed,
  ) {}

  /**
   * Takes the folder for this step, and puts right what a killed step left behind.
   *
   * @param path absolute
   * @throws TaskError where the folder can't be replaced, or another step has it
   */
  static async claim(path: string, options: ClaimOptions): Promise<ModelFolder> {
    const { agent, log, signal, memory } = options;
    const parent = openParent(path, agent);
    const name = basename(path);
    const abandoned = new Set<string>();
    let lock: Lock | undefined;
    let state: AgentState | undefined;
    try {
      const present = openDestination(parent, name);
      const real = realPath(parent.at(name));
      refuseKept(real, agent);
      if (present) closing(present, () => refuseMounts(parent, present, real));
      // While it is opened for the first time, this step has the lock, or is the only one that may take it over.
      const remembered = () => {
        state ??= AgentState.open(memory, real, log);
        return state;
      };
      const takeOver = async (step: string) => {
        abandoned.add(step);
        // Once its lock is removed, nothing else tells of it, and this step may be killed as well.
        remembered().remember(step);
        await fence(parent, name, step, path, log);
      };
      lock = await takeLock(parent, `.${stemOf(name)}.lock`, { what: path, signal, log, onBury: takeOver });
      const agentState = remembered();
      for (const step of await agentState.journals()) await takeOver(step);
      const installed = Installed.look(openDestination(parent, name), agentState);
      const folder = new ModelFolder(path, parent, name, agentState, options, lock, installed);
      for (const step of abandoned) folder.abandoned.add(step);
      return folder;
    } catch (error) {
      await lock?.release();
      state?.close();
      parent.close();
      throw error;
    }
  }

  /** Where the new model is put together, once it is prepared. */
  get staging(): OpenTree {
    return this.tree!;
  }

  /**
   * Makes the new model's folder ready: it holds what a killed step, or an earlier try of this one, has brought of these
   * files, and nothing else.
   *
   * @returns the journal of what is there, to be gone on with
   */
  async prepare(files: readonly ModelFile[], source: ModelSource): Promise<Journal> {
    const { parent, state, lock } = this;
    const soFar = this.journal?.soFar;
    this.journal?.close();
    this.tree?.close();
    this.workshop ??= Workshop.create(parent, stemOf(this.name), lock.id);
    const { workshop } = this;
    await workshop.fence();
    this.tree = await workshop.makeStaging(this.installed.tree?.root.ownStats());
    const head = { source, workshop: workshop.identity };
    this.journal = new Journal(state.createJournal(lock.id), head, this.options.log);
    const wanted = new Map(files.map((file) => [file.path, file]));
    if (soFar) await this.goOn(workshop, soFar, wanted);
    for (const step of this.abandoned) {
      const left = Workshop.find(parent, stemOf(this.name), step);
      const earlier = left && Journal.read(state.readJournal(step), { source, workshop: left.identity });
      if (earlier) await this.goOn(left, earlier, wanted);
      left?.folder.close();
      await this.retire(step);
    }
    await workshop.removeLost();
    return this.journal;
  }

  /**
   * Checks that the new model can lie beside what others put into the folder.
   *
   * @param paths the model's files
   * @throws TaskError when one of their files stands where the model needs a folder, or the other way round
   */
  async refuseClashes(paths: readonly string[]): Promise<void> {
    const files = new Set([...paths, MANIFEST_NAME]);
    const folders = new Set(paths.flatMap(ancestors));
    const foreigners = await this.foreigners(this.installed);
    const repository = foreigners.find(({ path }) => /(^|\/)\.git(\/|$)/i.test(path));
    if (repository) {
      throw new TaskError(
        `'${this.path}' holds a git repository ('${repository.path}'), and the task replaces its folder as a whole. Give a folder for the model alone as 'destinationFolder'.`,
      );
    }
    const clash = foreigners.find(({ path, kind }) =>
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

  /**
   * Takes a file of the old model over into the new one.
   *
   * @throws TaskError when it is no longer the file that was looked at
   */
  async reuse(path: string): Promise<void> {
    const { tree } = this.installed;
    const before = tree!.stats(path);
    await carryOver({ path, kind: 'file' }, tree!, this.staging);
    const after = this.staging.stats(path);
    const isSame =
      before?.isFile() && after?.isFile() && before.size === after.size && before.mtimeNs === after.mtimeNs;
    if (!isSame) throw this.changed();
  }

  /** Whether the folder holds just this model, as far as its manifest says; its files are the caller's affair. */
  holds(manifest: ModelManifest): boolean {
    const present = this.installed.manifest;
    return present !== undefined && formatManifest(present) === formatManifest(manifest);
  }

  /** Takes note that the model in the folder was verified anew. */
  async confirmVerified(manifest: ModelManifest): Promise<void> {
    await this.keepReceipt(this.installed.tree!.root, manifest);
  }

  /** @throws TaskError when another step has the folder by now */
  confirm(): void {
    this.lock.confirm();
  }

  /**
   * Why a step failed. Where another step has the folder by now, that is why, whatever came of it; and where a link or a file
   * stands in the place of a folder, something else has changed what was there.
   */
  explain(error: unknown): unknown {
    try {
      this.lock.confirm();
      return error instanceof NoFolderError ? this.changed() : error;
    } catch (lost) {
      return lost;
    }
  }

  /**
   * Puts the new model in the old one's place, in one step. Files of others go along.
   *
   * @throws TaskError when the folder cannot be replaced; it is then as before
   */
  async swap(manifest: ModelManifest): Promise<SwapReport> {
    const { staging, parent, name, state } = this;
    this.lock.confirm();
    writeNew(staging, MANIFEST_NAME, formatManifest(manifest));
    const present = openDestination(parent, name);
    const old = Installed.look(present, state, this.installed);
    try {
      const report = await this.takeAlong(old, manifest);
      await state.forgetReceipt();
      this.lock.confirm();
      await this.exchange(present);
      // Without it, the next step reads the files. It comes last, since the old folder's end shows in files of both.
      await this.keepReceipt(this.staging.root, manifest);
      this.lock.confirm();
      return report;
    } finally {
      old.close();
    }
  }

  /** Opens a file of the model, wherever the model is now. The caller closes the descriptor. */
  open(path: string): number {
    const tree = this.tree ?? this.installed.tree;
    return tree!.openFile(path, constants.O_RDONLY);
  }

  /** Reads a small file of the model that is in place; undefined where there is none. */
  read(path: string, most: number): Buffer | undefined {
    const tree = this.tree ?? this.installed.tree;
    const stats = tree?.stats(path);
    if (!tree || !stats?.isFile() || stats.size > BigInt(most)) return undefined;
    const file = tree.openFile(path, constants.O_RDONLY);
    try {
      return readFileSync(file);
    } finally {
      closeSync(file);
    }
  }

  /**
   * Gives the folder free for other steps, and removes all that is not in its place.
   *
   * @param keep leaves what has come for the next step, as a step that is killed does; also what earlier ones
   *   have left, where this one did not come to go on from it
   */
  async release({ keep = false } = {}): Promise<void> {
    const { installed, state, lock, parent } = this;
    this.journal?.close();
    this.tree?.close();
    installed.close();
    this.workshop?.folder.close();
    // Where another step has the folder, its agent may not know of what would be kept.
    const isKept = keep && this.explain(undefined) === undefined;
    const done = isKept ? [] : [...this.abandoned];
    if (this.workshop && !(isKept && this.journal?.isBegun)) done.push(lock.id);
    for (const step of done) await this.retire(step);
    state.close();
    await lock.release();
    parent.close();
  }

  /** Moves what an earlier try has brought into this one's place. */
  private async goOn(from: Workshop, earlier: EarlierTry, wanted: Map<string, ModelFile>): Promise<void> {
    const lost = from.lost();
    if (!lost) return;
    try {
      for (const file of wanted.values()) {
        if (earlier.rangesOf(file).length === 0) continue;
        const stats = lost.stats(file.path);
        // A file with a second name is a file of the old model as well.
        if (!stats?.isFile() || stats.nlink !== 1n || stats.size !== BigInt(file.size)) continue;
        const source = lost.parentOf(file.path);
        const target = this.staging.parentOf(file.path, { make: true });
        await source.folder.rename(source.name, target.folder, target.name);
        this.journal!.takeOver(file, earlier);
        wanted.delete(file.path);
      }
    } finally {
      lost.close();
    }
  }

  /** Removes what a step has left. What cannot be removed now, because something has it open, the next step will remove. */
  private async retire(step: string): Promise<void> {
    const workshop = Workshop.find(this.parent, stemOf(this.name), step);
    try {
      await workshop?.remove();
      await this.state.removeJournal(step);
      this.abandoned.delete(step);
    } catch (error) {
      this.options.log.warning(
        `What is beside '${this.path}' could not be removed: ${describeError(error)}. The next step will try again.`,
      );
    }
  }

  private async takeAlong(old: Installed, manifest: ModelManifest): Promise<SwapReport> {
    const kept: string[] = [];
    const replaced: string[] = [];
    if (!old.tree) return { kept, replaced };
    for (const foreigner of await this.foreigners(old)) {
      const isCarried = await carryOver(foreigner, old.tree, this.staging);
      if (foreigner.kind === 'folder') continue;
      if (isCarried) kept.push(foreigner.path);
      else if (!(await this.isSame(foreigner.path, old, manifest))) replaced.push(foreigner.path);
    }
    const lost = await keepFolders(old.tree.root, this.staging.root);
    if (lost !== undefined) {
      this.options.log.warning(
        `'${lost}' in '${this.path}' belonged to another user or group, and now belongs to the agent's: only an administrator could keep that.`,
      );
    }
    return { kept, replaced };
  }

  /** Whether a file has just the content that the new model's has: then nothing is lost with it. */
  private async isSame(path: string, old: Installed, { files }: ModelManifest): Promise<boolean> {
    const file = files.find((one) => one.path === path);
    const digests = file && (await old.read(path, file.size, { md5: false }, this.options.signal));
    return digests !== undefined && digests.sha256 === file?.sha256;
  }

  /** @param looked the folder whose files of others were taken along */
  private async exchange(looked: OpenFolder | undefined): Promise<void> {
    const { parent, name } = this;
    const workshop = this.workshop!;
    // Looked up before anything moves: where a folder is known by its path alone, it is not found there afterwards.
    const expected = looked?.ownStats();
    const made = this.staging.root.ownStats();
    const mode = Number(expected?.mode ?? 0);
    if (parent.stats(name)) {
      // A folder that may not be written to may not be moved into another either.
      if (looked && (mode & 0o200) === 0) await looked.chmod((mode & 0o7777) | 0o200);
      await workshop.moveAway(parent, name);
      const moved = workshop.oldStats();
      if (!moved || !expected || moved.dev !== expected.dev || moved.ino !== expected.ino) {
        await workshop.putBack(parent, name);
        throw this.changed();
      }
    }
    try {
      await workshop.putInPlace(parent, name);
    } catch (error) {
      if (workshop.oldStats()) await workshop.putBack(parent, name);
      throw error;
    }
    this.moveTree(made);
    if (looked && (mode & 0o700) !== 0o700) await this.staging.root.chmod(mode & 0o7777);
    await workshop
      .removeOld()
      .catch((error) =>
        this.options.log.warning(
          `The old model beside '${this.path}' could not be removed: ${describeError(error)}. The next step will try again.`,
        ),
      );
  }

  /** The new model is reached by its new path from here on. */
  private moveTree({ dev, ino }: BigIntStats): void {
    const { parent, name, staging } = this;
    staging.close();
    const placed = parent.folder(name);
    this.tree = new OpenTree(placed);
    const now = placed.ownStats();
    if (now.dev !== dev || now.ino !== ino) throw this.changed();
  }

  private changed(): TaskError {
    return new TaskError(
      `'${this.path}' was changed by something else while the model was downloaded, and was left as it is. Let nothing else write there while the step runs, and run it again.`,
    );
  }

  private async keepReceipt(folder: OpenFolder, manifest: ModelManifest): Promise<void> {
    try {
      await this.state.writeReceipt(seal(folder, manifest), this.lock.id);
    } catch (error) {
      this.options.log.debug(`The next step will read the files: ${describeError(error)}`);
    }
  }

  private async foreigners(model: Installed): Promise<Foreigner[]> {
    if (!model.tree) return [];
    return findForeigners(model.tree.root, (path) => model.isOwn(path, this.options.signal));
  }
}

/** A step that has the folder no more can finish nothing; if it has moved the old model away, that is put back. */
async function fence(
  parent: OpenFolder,
  name: string,
  step: string,
  path: string,
  log: Logger,
): Promise<void> {
  const workshop = Workshop.find(parent, stemOf(name), step);
  if (!workshop) return;
  try {
    await workshop.fence();
    if (!workshop.hasOld() || parent.stats(name)) return;
    log.info(`A step that was killed had moved '${path}' away. It is put back.`);
    await workshop.putBack(parent, name);
  } finally {
    workshop.folder.close();
  }
}

function writeNew(tree: OpenTree, path: string, text: string): void {
  const file = tree.openFile(path, constants.O_CREAT | constants.O_EXCL | constants.O_WRONLY);
  try {
    writeFileSync(file, text);
  } finally {
    closeSync(file);
  }
}

function stemOf(name: string): string {
  if (Buffer.byteLength(name) <= LONGEST_STEM) return name;
  return createHash('sha256').update(name).digest('hex').slice(0, 32);
}

function closing(folder: OpenFolder, action: () => void): void {
  try {
    action();
  } finally {
    folder.close();
  }
}
