import { type ChildProcess, type SpawnOptions, spawn } from 'node:child_process';

/** Makes a child the head of a process group of its own, so that `killTree` reaches what it starts in turn. */
export const inOwnGroup: SpawnOptions = { detached: process.platform !== 'win32', windowsHide: true };

/** Ends a child that was started `inOwnGroup`, and everything it has started. Does nothing when it has ended. */
export function killTree(child: ChildProcess): void {
  if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return;
  if (process.platform === 'win32') {
    spawn('taskkill', ['/pid', String(child.pid), '/t', '/f'], { stdio: 'ignore', windowsHide: true });
    return;
  }
  try {
    process.kill(-child.pid, 'SIGKILL');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}

export interface Finished {
  /** `null` when a signal ended it. */
  readonly exitCode: number | null;
  /** Standard output and standard error, in the order they came. */
  readonly output: string;
}

export interface RunOptions {
  readonly env?: NodeJS.ProcessEnv;
  readonly signal?: AbortSignal | undefined;
  /** Called with each line as it comes. */
  readonly onLine?: (line: string) => void;
}

/**
 * Runs a program to its end, without a shell and with nothing to read.
 *
 * @throws when it cannot be started (`ENOENT` when there is none), or, with the signal's reason, when it was aborted;
 * by then it and its children are gone.
 */
export function run(program: string, args: readonly string[], options: RunOptions = {}): Promise<Finished> {
  const { signal } = options;
  return new Promise((resolve, reject) => {
    if (signal?.aborted) return reject(signal.reason);
    const child = spawn(program, args, {
      ...inOwnGroup,
      stdio: ['ignore', 'pipe', 'pipe'],
      env: options.env ?? process.env,
    });
    const onAbort = () => killTree(child);
    signal?.addEventListener('abort', onAbort, { once: true });

    let output = '';
    let line = '';
    const take = (text: string) => {
      output += text;
      const lines = (line + text).split(/\r?\n/);
      line = lines.pop() ?? '';
      lines.forEach((complete) => {
        options.onLine?.(complete);
      });
    };
    child.stdout?.setEncoding('utf8').on('data', take);
    child.stderr?.setEncoding('utf8').on('data', take);
    child.on('error', (error) => {
      signal?.removeEventListener('abort', onAbort);
      reject(error);
    });
    child.on('close', (exitCode) => {
      signal?.removeEventListener('abort', onAbort);
      if (signal?.aborted) return reject(signal.reason);
      if (line) options.onLine?.(line);
      resolve({ exitCode, output });
    });
  });
}
