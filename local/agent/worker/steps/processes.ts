import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { constants } from 'node:os';

export interface ProcessOptions {
  readonly file: string;
  readonly args: string[];
  readonly cwd: string;
  readonly env: NodeJS.ProcessEnv;
  /** Lines of both streams as they come. */
  readonly onLine: (line: string, stream: 'stdout' | 'stderr') => void;
  /** Aborted when the step is to end early. */
  readonly signal: AbortSignal;
  /** Milliseconds to wait after SIGINT and after SIGTERM. */
  readonly patience: { sigint: number; sigterm: number };
  /** Sends no more than SIGINT. */
  readonly graceful: boolean;
}

/** How long the streams of a process that has ended may stay open, in milliseconds. */
const STREAMS_MAY_LINGER = 5_000;

const running = new Set<number>();
process.on('exit', killRunning);

/** Ends at once every process group that the agent has started and not seen end; for a forced exit. */
function killRunning(): void {
  for (const pid of running) kill(-pid, 'SIGKILL');
}

/**
 * Runs a process as the agent does: no input, both streams read line by line, and when it is to end early SIGINT,
 * then SIGTERM, then SIGKILL, each to the process itself and not to its children.
 * @returns the exit code; 128 plus the signal's number when a signal ended it
 */
export async function runProcess(options: ProcessOptions): Promise<number> {
  if (!existsSync(options.cwd)) throw new Error(`The working directory ${options.cwd} does not exist.`);
  // A session of its own: Ctrl-C in a terminal must reach the agent only, which then sends its own signals.
  const child = spawn(options.file, options.args, {
    cwd: options.cwd,
    env: options.env,
    stdio: ['pipe', 'pipe', 'pipe'],
    detached: true,
  });
  await new Promise<void>((resolve, reject) => {
    child.once('spawn', resolve);
    child.once('error', reject);
  });
  const pid = child.pid!;
  running.add(pid);
  child.stdin.on('error', () => {});
  child.stdin.end();
  readLines(child, options.onLine);

  const ended = whenEnded(child);
  const cancel = () => void endEarly(pid, ended, options);
  if (options.signal.aborted) cancel();
  options.signal.addEventListener('abort', cancel, { once: true });
  try {
    return await ended;
  } finally {
    options.signal.removeEventListener('abort', cancel);
    running.delete(pid);
  }
}

function readLines(child: ChildProcess, onLine: ProcessOptions['onLine']): void {
  for (const name of ['stdout', 'stderr'] as const) {
    let rest = '';
    const stream = child[name]!;
    stream.setEncoding('utf8');
    stream.on('data', (chunk: string) => {
      // CR, LF and CRLF all end a line; a CR at the end of a chunk may be the first half of a CRLF.
      const lines = (rest + chunk).split(/\r\n|\n|\r(?!$)/);
      rest = lines.pop()!;
      for (const line of lines) onLine(line, name);
    });
    stream.on('end', () => {
      if (rest !== '') onLine(rest.replace(/\r$/, ''), name);
    });
  }
}

function whenEnded(child: ChildProcess): Promise<number> {
  return new Promise((resolve) => {
    let linger: NodeJS.Timeout | undefined;
    const finish = () => {
      clearTimeout(linger);
      child.stdout?.destroy();
      child.stderr?.destroy();
      resolve(child.exitCode ?? 128 + constants.signals[child.signalCode!]);
    };
    // A child of the process may hold the streams open.
    child.once('exit', () => {
      linger = setTimeout(finish, STREAMS_MAY_LINGER);
    });
    child.once('close', finish);
  });
}

async function endEarly(pid: number, ended: Promise<number>, options: ProcessOptions): Promise<void> {
  kill(pid, 'SIGINT');
  if (await within(options.patience.sigint, ended)) return;
  if (options.graceful) return;
  kill(pid, 'SIGTERM');
  if (await within(options.patience.sigterm, ended)) return;
  kill(pid, 'SIGKILL');
}

async function within(milliseconds: number, ended: Promise<unknown>): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined;
  const timeout = new Promise<false>((resolve) => {
    timer = setTimeout(resolve, milliseconds, false);
  });
  try {
    return await Promise.race([ended.then(() => true), timeout]);
  } finally {
    clearTimeout(timer);
  }
}

function kill(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}

/**
 * Kills every process that carries a variable in its environment, as the agent does at the end of a job with what
 * its steps have left behind. Needs Linux; elsewhere nothing is found.
 */
export function killByEnvironment(
  name: string,
  value: string,
  onKill: (pid: number, command: string) => void,
): void {
  const wanted = `${name}=${value}`;
  for (const pid of processIds()) {
    try {
      if (!readFileSync(`/proc/${pid}/environ`, 'utf8').split('\0').includes(wanted)) continue;
      const command = readFileSync(`/proc/${pid}/comm`, 'utf8').trim();
      kill(pid, 'SIGKILL');
      onKill(pid, command);
    } catch {
      // The process has ended meanwhile, or belongs to somebody else.
    }
  }
}

function processIds(): number[] {
  if (process.platform !== 'linux') return [];
  return readdirSync('/proc')
    .filter((entry) => /^\d+$/.test(entry))
    .map(Number)
    .filter((pid) => pid !== process.pid);
}
