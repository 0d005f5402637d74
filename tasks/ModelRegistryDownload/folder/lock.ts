import { randomUUID } from 'node:crypto';
import { mkdir, open, readFile, rename, rm, stat, utimes } from 'node:fs/promises';
import { hostname } from 'node:os';
import { dirname } from 'node:path';
import { TaskError } from '../../common/errors';

/** Milliseconds between two signs of life. */
const HEARTBEAT = 5_000;

/** Milliseconds without a sign of life after which whoever took the lock is taken for dead. */
const DEAD_AFTER = 60_000;

export interface Lock {
  release(): Promise<void>;
}

/**
 * Takes a lock that is a file; its folder is made as needed. A lock whose owner has died, with its process or with its machine, does not count.
 *
 * @param what is locked, for the message
 * @throws TaskError when somebody else has it
 */
export async function takeLock(file: string, what: string): Promise<Lock> {
  if (!(await create(file))) {
    if (await isHeld(file)) {
      throw new TaskError(
        `Another step is downloading to '${what}' at this moment. Let the steps run one after the other, or give each its own 'destinationFolder'.`,
      );
    }
    await bury(file);
    return takeLock(file, what);
  }
  const heartbeat = setInterval(() => {
    const now = new Date();
    // A sign of life that fails harms nobody before the lock counts as dead.
    utimes(file, now, now).catch(() => undefined);
  }, HEARTBEAT);
  heartbeat.unref();
  return {
    async release() {
      clearInterval(heartbeat);
      await rm(file, { force: true });
    },
  };
}

async function create(file: string): Promise<boolean> {
  await mkdir(dirname(file), { recursive: true });
  try {
    const handle = await open(file, 'wx');
    await handle.writeFile(JSON.stringify({ host: hostname(), pid: process.pid }));
    await handle.close();
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  }
}

/** Puts a dead lock aside. Of several that try, one succeeds, and the others find a fresh lock. */
async function bury(file: string): Promise<void> {
  const grave = `${file}.${randomUUID()}`;
  try {
    await rename(file, grave);
    await rm(grave);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
  }
}

async function isHeld(file: string): Promise<boolean> {
  try {
    const { mtimeMs } = await stat(file);
    if (Date.now() - mtimeMs > DEAD_AFTER) return false;
    const owner = JSON.parse(await readFile(file, 'utf8'));
    return owner.host !== hostname() || isAlive(owner.pid);
  } catch (error) {
    // Gone in between, or not yet written.
    return (error as NodeJS.ErrnoException).code !== 'ENOENT';
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}
