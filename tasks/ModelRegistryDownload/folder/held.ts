import { setTimeout as delay } from 'node:timers/promises';
import { codeOf } from '../../common/errors';

/** What Windows answers while a scanner or an indexer has a file open, which it mostly has for some milliseconds. */
const HELD = new Set(['EPERM', 'EACCES', 'EBUSY', 'ENOTEMPTY']);

/** How long somebody may hold it, in milliseconds. */
const PATIENCE = 10_000;

/** Milliseconds before a further try: at random, so as not to keep in step with a program that opens it again and again. */
const PAUSE = { least: 30, most: 170 };

interface Options {
  readonly platform?: NodeJS.Platform;
  readonly sleep?: (milliseconds: number) => Promise<unknown>;
}

/** Does something to a file or folder, and tries for some seconds where another process holds it, as on Windows. */
export async function whileHeld<T>(action: () => Promise<T>, options: Options = {}): Promise<T> {
  const { platform = process.platform, sleep = delay } = options;
  for (let waited = 0; ; ) {
    try {
      return await action();
    } catch (error) {
      if (platform !== 'win32' || waited >= PATIENCE || !HELD.has(codeOf(error) ?? '')) throw error;
      const pause = PAUSE.least + Math.round(Math.random() * (PAUSE.most - PAUSE.least));
      await sleep(pause);
      waited += pause;
    }
  }
}
