import { createHash } from 'node:crypto';
import { closeSync, constants, ftruncateSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { basename, dirname } from 'node:path';
import { describeError } from '../../common/errors';
import { OpenFolder } from '../../common/files/open-folder';
import { removeTree } from '../../common/files/remove';
import type { Logger } from '../../common/log';

/** Permissions by which others could write. */
const OTHERS_WRITE = 0o022n;

/** That a model was verified, and how its manifest was left then. */
export interface Receipt {
  /** SHA-256 of the manifest's file. */
  readonly manifest: string;
  /** When the manifest's file last changed (`ctime`), in nanoseconds. */
  readonly sealed: string;
  /** The file itself: its number on its disk. */
  readonly file: string;
}

const RECEIPT = 'receipt.json';
const JOURNAL = /^([0-9a-f-]{36})\.journal$/;

/**
 * What the task remembers of a destination from one step to the next: whether the model in it was verified, and what a
 * step that was killed had brought. It lies in the agent's work folder beside `_tasks` and `_tool`, where no commit can
 * put anything, since a checkout could otherwise vouch for its own files.
 *
 * Where it can't be kept, every step begins with nothing.
 */
export class AgentState {
  private constructor(
    private readonly folder: OpenFolder | undefined,
    private readonly log: Logger,
  ) {}

  /**
   * @param root the task's folder at the agent; made as needed
   * @param destination its real path
   */
  static open(root: string, destination: string, log: Logger): AgentState {
    try {
      mkdirSync(dirname(root), { recursive: true });
      const above = OpenFolder.open(dirname(root));
      try {
        const own = openOwn(above, basename(root));
        try {
          const name = createHash('sha256').update(destination).digest('hex').slice(0, 32);
          return new AgentState(openOwn(own, name), log);
        } finally {
          own.close();
        }
      } finally {
        above.close();
      }
    } catch (error) {
      log.debug(nothingRemembered(error));
      return new AgentState(undefined, log);
    }
  }

  receipt(): Receipt | undefined {
    try {
      const { manifest, sealed, file } = JSON.parse(this.read(RECEIPT) ?? '');
      return { manifest, sealed, file };
    } catch {
      return undefined;
    }
  }

  async writeReceipt(receipt: Receipt, step: string): Promise<void> {
    if (!this.folder) return;
    const draft = `${step}.receipt`;
    this.write(draft, JSON.stringify(receipt));
    await this.folder.rename(draft, this.folder, RECEIPT);
  }

  async forgetReceipt(): Promise<void> {
    if (this.folder) await removeTree(this.folder, RECEIPT);
  }

  /** Takes note that a step has left something, where it has no journal that tells. */
  remember(step: string): void {
    const file = this.openJournal(step, constants.O_CREAT | constants.O_WRONLY);
    if (file !== undefined) closeSync(file);
  }

  /** The steps that have left a journal. */
  async journals(): Promise<string[]> {
    const entries = (await this.folder?.entries()) ?? [];
    return entries.flatMap(({ name }) => JOURNAL.exec(name)?.[1] ?? []);
  }

  readJournal(step: string): string {
    return this.read(`${step}.journal`) ?? '';
  }

  /** Opens a new journal to write to; undefined where nothing can be remembered. */
  createJournal(step: string): number | undefined {
    return this.openJournal(
      step,
      constants.O_CREAT | constants.O_TRUNC | constants.O_WRONLY | constants.O_APPEND,
    );
  }

  /** Forgets what a step has left; its journal last, which tells that there is something. */
  async removeJournal(step: string): Promise<void> {
    if (!this.folder) return;
    for (const name of [`${step}.receipt`, `${step}.journal`]) await removeTree(this.folder, name);
  }

  close(): void {
    this.folder?.close();
  }

  private openJournal(step: string, flags: number): number | undefined {
    try {
      return this.folder?.openFile(`${step}.journal`, flags, 0o600);
    } catch (error) {
      this.log.debug(nothingRemembered(error));
      return undefined;
    }
  }

  private read(name: string): string | undefined {
    if (!this.folder?.stats(name)?.isFile()) return undefined;
    const file = this.folder.openFile(name, constants.O_RDONLY);
    try {
      return readFileSync(file, 'utf8');
    } finally {
      closeSync(file);
    }
  }

  private write(name: string, text: string): void {
    const file = this.folder!.openFile(name, constants.O_CREAT | constants.O_WRONLY, 0o600);
    try {
      ftruncateSync(file);
      writeFileSync(file, text);
    } finally {
      closeSync(file);
    }
  }
}

function nothingRemembered(error: unknown): string {
  return `Nothing can be remembered from one step to the next: ${describeError(error)}`;
}

/** A folder that this user alone can write to. */
function openOwn(above: OpenFolder, name: string): OpenFolder {
  const folder = above.folderIfThere(name) ?? above.make(name, 0o700);
  const { uid, mode } = folder.ownStats();
  const user = process.getuid?.();
  // Windows has no such permissions; there, work folders are the agent's user's.
  const isOwn = user === undefined || ((user === 0 || Number(uid) === user) && (mode & OTHERS_WRITE) === 0n);
  if (isOwn) return folder;
  folder.close();
  throw new Error(`'${folder.path}' is not this user's own`);
}
