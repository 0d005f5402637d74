import { setTimeout as delay } from 'node:timers/promises';
import { codeOf } from '../../common/files/open-folder';

/** What Windows answers while a scanner or an indexer has a file open, which it mostly has for some milliseconds. */
const HELD = new Set(['EPERM', 'EACCES', 'EBUSY', 'ENOTEMPTY']);

/** Milliseconds before each further try: five and a half seconds in all. */
const WAITS = [50, 100, 200, 400, 800, 1000, 1000, 1000, 1000];

interface Options {
  readonly platform?: NodeJS.Platform;
  readonly sleep?: (milliseconds: number) => Promise<unknown>;
}

/** Does something to a file or folder, and tries for some seconds where another process holds it, as on Windows. */
export async function whileHeld<T>(action: () => Promise<T>, options: Options = {}): Promise<T> {
  const { platform = process.platform, sleep = delay } = options;
  for (let tries = 0; ; tries++) {
    try {
      return await action();
    } catch (error) {
      const wait = WAITS[tries];
      if (platform !== 'win32' || wait === undefined || !HELD.has(codeOf(error) ?? '')) throw error;
      await sleep(wait);
    }
  }
}
