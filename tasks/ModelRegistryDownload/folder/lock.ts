import { randomUUID } from 'node:crypto';
import { closeSync, constants, fdatasync, readSync, write, writeSync } from 'node:fs';
import { promisify } from 'node:util';
import { sleep } from '../../common/cancel';
import { codeOf, TaskError } from '../../common/errors';
import type { OpenFolder } from '../../common/files/open-folder';
import type { Logger } from '../../common/log';
import { whileHeld } from './held';
import { type Owner, type Processes, processesOf } from './owner';

/** Milliseconds between two signs of life. */
export const HEARTBEAT = 5_000;

/** Milliseconds between two looks at a lock whose owner can't be asked after. */
const LOOK_EVERY = 500;

/**
 * Looks that find a lock unchanged before its owner is taken for dead: those of two heartbeats. Looks are counted, and
 * no clock is read: who was stopped together with the owner, as with their machine, goes on looking where it was.
 */
const LOOKS = (2 * HEARTBEAT) / LOOK_EVERY;

/** Bytes of a lock's file, at most. */
const LARGEST = 4096;

/** How time passes. */
export interface Timing {
  sleep(milliseconds: number, signal: AbortSignal): Promise<void>;
  /** Calls `beat` again and again, and never holds the process up; returns what ends it. */
  every(milliseconds: number, beat: () => Promise<void>): () => void;
}

const REAL_TIME: Timing = {
  sleep,
  every(milliseconds, beat) {
    const timer = setInterval(() => void beat(), milliseconds);
    timer.unref();
    return () => clearInterval(timer);
  },
};

export interface Lock {
  readonly id: string;
  /** @throws TaskError when another step has taken this one for dead, and taken its place */
  confirm(): void;
  release(): Promise<void>;
}

export interface Claim {
  /** What is locked, for messages. */
  readonly what: string;
  readonly signal: AbortSignal;
  readonly log: Logger;
  /** Called for each dead owner's id before its lock is removed, while no other claimant can be. */
  readonly onBury?: (id: string) => Promise<void>;
  readonly processes?: Processes;
  readonly timing?: Timing;
}

/** Who has a lock, as its file says. */
interface Holder {
  readonly id: string;
  /** Undefined in a file that its writer has not come to write. */
  readonly owner: Owner | undefined;
  readonly text: string;
}

class HeldError extends TaskError {}

/**
 * Takes a lock, which is a file in a folder that several agents may share. The lock of a process of this host counts
 * for as long as the process is there; that of another host until it has shown no sign of life for two heartbeats,
 * which is found out by watching it.
 *
 * @throws TaskError when somebody else has it, and when something else has its name
 */
export async function takeLock(folder: OpenFolder, name: string, claim: Claim): Promise<Lock> {
  const locksmith = new Locksmith(folder, claim);
  const lock = await locksmith.take(name);
  try {
    await locksmith.clear(name);
    return lock;
  } catch (error) {
    await lock.release();
    throw error;
  }
}

class Locksmith {
  private readonly processes: Processes;
  private readonly timing: Timing;
  private hasTold = false;

  constructor(
    private readonly folder: OpenFolder,
    private readonly claim: Claim,
  ) {
    this.processes = claim.processes ?? processesOf();
    this.timing = claim.timing ?? REAL_TIME;
  }

  async take(name: string): Promise<Lock> {
    for (;;) {
      const lock = await this.create(name);
      if (lock) return lock;
      const holder = this.read(name);
      if (!holder) continue;
      if (await this.isLiving(name, holder)) throw this.held(name, holder);
      await this.bury(name, holder);
    }
  }

  /** Removes what claimants of this host have left that were killed while they buried a lock. */
  async clear(name: string): Promise<void> {
    const { folder, processes } = this;
    for (const entry of await folder.entries()) {
      if (!entry.name.startsWith(`${name}.`) || !entry.isFile()) continue;
      const owner = this.read(entry.name)?.owner;
      if (owner?.host !== processes.self.host || processes.isAlive(owner)) continue;
      await folder.unlink(entry.name).catch(() => undefined);
    }
  }

  private async create(name: string): Promise<Lock | undefined> {
    const { folder, timing } = this;
    const flags = constants.O_CREAT | constants.O_EXCL | constants.O_RDWR;
    const file = await whileHeld(async () => {
      try {
        return folder.openFile(name, flags, 0o644);
      } catch (error) {
        if (codeOf(error) === 'EEXIST') return undefined;
        throw error;
      }
    });
    if (file === undefined) return undefined;
    const id = randomUUID();
    const text = (beat: number) =>
      JSON.stringify({ id, ...this.processes.self, beat: String(beat).padStart(8, '0') });
    try {
      writeSync(file, text(0), 0);
    } catch (error) {
      closeSync(file);
      await folder.unlink(name);
      throw error;
    }
    const isOurs = () => this.read(name)?.id === id;
    let beats = 0;
    let lastBeat: Promise<unknown> = Promise.resolve();
    const stop = timing.every(HEARTBEAT, () => {
      // It says so in the file and not by the file's time, which not every disk keeps. Into the file that is open: under
      // its name there may be another's by now. A sign of life that fails is one that others do not see.
      lastBeat = promisify(write)(file, Buffer.from(text(++beats)), 0, undefined, 0)
        .then(() => promisify(fdatasync)(file))
        .catch(() => undefined);
      return lastBeat.then(() => undefined);
    });
    const letGo = async () => {
      stop();
      await lastBeat;
      closeSync(file);
    };
    if (!isOurs()) {
      // While it was empty, it may have been taken for a dead one's.
      await letGo();
      return undefined;
    }
    return {
      id,
      confirm: () => {
        if (!isOurs()) throw this.lost();
      },
      release: async () => {
        await letGo();
        if (isOurs()) await whileHeld(() => folder.unlink(name));
      },
    };
  }

  /**
   * Removes a dead owner's lock. Of several claimants one may at a time: the one who has the lock on it. Else the second
   * would remove what the first has put into its place.
   */
  private async bury(name: string, dead: Holder): Promise<void> {
    const { folder, claim, timing } = this;
    let guard: Lock;
    try {
      guard = await this.take(`${name}.${dead.id || 'unwritten'}`);
    } catch (error) {
      if (!(error instanceof HeldError)) throw error;
      await timing.sleep(LOOK_EVERY / 5, claim.signal);
      return;
    }
    try {
      if (this.read(name)?.text !== dead.text) return;
      if (dead.id) await claim.onBury?.(dead.id);
      await folder.unlink(name);
    } finally {
      await guard.release();
    }
  }

  private async isLiving(name: string, holder: Holder): Promise<boolean> {
    const { processes, timing, claim } = this;
    if (holder.owner?.host === processes.self.host) return processes.isAlive(holder.owner);
    if (!this.hasTold) {
      this.hasTold = true;
      claim.log.info(
        `Another agent's step has '${claim.what}', or had it when it was killed. Watching for ${(LOOKS * LOOK_EVERY) / 1000} seconds whether it is still at work.`,
      );
    }
    for (let looks = 0; looks < LOOKS; looks++) {
      await timing.sleep(LOOK_EVERY, claim.signal);
      const now = this.read(name);
      if (!now) return false;
      if (now.text !== holder.text) return true;
    }
    return false;
  }

  /** @throws TaskError for what can be no lock of this task's */
  private read(name: string): Holder | undefined {
    const stats = this.folder.stats(name);
    if (!stats) return undefined;
    if (!stats.isFile()) throw this.inTheWay(name, stats.isSymbolicLink() ? 'is a link' : 'is no file');
    const text = this.readText(name);
    if (text === undefined) return undefined;
    if (text === '') return { id: '', owner: undefined, text };
    try {
      const { id, host, pid, started } = JSON.parse(text);
      if (/^[0-9a-f-]{36}$/.test(id) && typeof host === 'string' && Number.isSafeInteger(pid) && pid > 0) {
        return { id, owner: { host, pid, started: typeof started === 'string' ? started : null }, text };
      }
    } catch {
      // Told below.
    }
    throw this.inTheWay(name, 'holds something else');
  }

  private readText(name: string): string | undefined {
    let file: number;
    try {
      file = this.folder.openFile(name, constants.O_RDONLY);
    } catch (error) {
      if (codeOf(error) === 'ENOENT') return undefined;
      throw error;
    }
    try {
      const content = Buffer.alloc(LARGEST);
      return content.toString('utf8', 0, readSync(file, content, 0, LARGEST, 0));
    } finally {
      closeSync(file);
    }
  }

  private held(name: string, { owner }: Holder): HeldError {
    const who = owner?.host === this.processes.self.host ? `process ${owner.pid}` : 'a step of another agent';
    return new HeldError(
      `Another step is downloading to '${this.claim.what}' at this moment. Let the steps run one after the other, or give each its own 'destinationFolder'.`,
      { details: [`The lock '${this.folder.path}/${name}' is that of ${who}.`] },
    );
  }

  private lost(): TaskError {
    return new TaskError(
      `Another step has taken '${this.claim.what}' over, since this one gave no sign of life for a while: its machine was stopped, or its disk did not answer. What the folder holds is the other step's. Let the steps run one after the other, or give each its own 'destinationFolder'.`,
    );
  }

  private inTheWay(name: string, how: string): TaskError {
    return new TaskError(
      `'${this.folder.path}/${name}' ${how}, where the task keeps the lock of '${this.claim.what}'. Remove it, from the repository too if it was committed, or choose another 'destinationFolder'.`,
    );
  }
}
