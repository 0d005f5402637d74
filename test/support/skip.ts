import type { Context } from 'mocha';

interface Runnable {
  type?: string;
  parent?: Runnable;
  skipReason?: string;
}

/**
 * Skips the running test, or all tests of the suite when called from its `before` hook, and keeps the reason for the
 * report at the end of the run.
 */
export function skip(context: Context, reason: string): never {
  const runnable = context.test as Runnable;
  const owner = runnable.type === 'hook' ? runnable.parent! : runnable;
  owner.skipReason = reason;
  return context.skip() as never;
}
