import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { Context } from 'mocha';

interface Runnable {
  type?: string;
  title: string;
  parent?: Runnable;
}

/**
 * Skips the running test, or all tests of the suite when called from its `before` hook. The reason becomes part of the
 * title, which is all that comes out of the process that a file of tests runs in.
 */
export function skip(context: Context, reason: string): never {
  const runnable = context.test as Runnable;
  const owner = runnable.type === 'hook' ? runnable.parent! : runnable;
  owner.title += ` (skipped: ${reason})`;
  return context.skip() as never;
}

/** Skips as above where a program is not on the path. */
export function skipWithout(context: Context, program: string): void {
  const folders = (process.env.PATH ?? '').split(':');
  if (folders.some((folder) => existsSync(join(folder, program)))) return;
  skip(context, `${program} is not installed`);
}
