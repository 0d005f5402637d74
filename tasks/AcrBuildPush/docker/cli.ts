import type { Readable } from 'node:stream';
import { CancelledError, codeOf, describeError, TaskError } from '../../common/errors';
import { LineReader } from '../../common/line-reader';
import type { Logger } from '../../common/log';
import { type ChildProcess, startProgram } from '../../common/program';

/** There is no docker here, or no engine behind it. */
export class NoEngineError extends TaskError {}

export interface DockerResult {
  readonly exitCode: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** What became of a command whose output was read as it came. */
export interface ReadResult<T> extends Omit<DockerResult, 'stdout'> {
  readonly result: PromiseSettledResult<T>;
}

/** Called with each line of a command's output, without its line feed. */
export type OnLine = (line: string, source: 'stdout' | 'stderr') => void;

/** Takes what a command writes. */
type Listen = (stdout: Readable, stderr: Readable) => void;

interface RunOptions {
  readonly env?: NodeJS.ProcessEnv;
  /** Milliseconds. */
  readonly timeout?: number;
  /** Stops the command when its output is of no use any more. */
  readonly giveUp?: AbortSignal;
}

export interface DockerCliOptions {
  /** The child's whole environment; `DOCKER_CONFIG` in it says which configuration it uses. */
  readonly env: NodeJS.ProcessEnv;
  readonly signal: AbortSignal;
  readonly log: Logger;
}

/** Milliseconds for docker and its engine to answer a question. */
export const ANSWER_LIMIT = 20_000;

/** Milliseconds that docker has to end by itself when the step is cancelled; it takes some 40. */
const STOP_LIMIT = 2_500;

/** Runs the docker command line tool, and stops it when the step is cancelled. */
export class DockerCli {
  constructor(private readonly options: DockerCliOptions) {}

  /** The same client, for what has to be cleaned up also when the step is cancelled. */
  lasting(): DockerCli {
    return new DockerCli({ ...this.options, signal: new AbortController().signal });
  }

  /**
   * Runs a short command and collects its output.
   *
   * @param timeout milliseconds after which docker is stopped; the engine may be at the far end of a dead line
   */
  async capture(args: readonly string[], timeout: number): Promise<DockerResult> {
    const stdout: string[] = [];
    const stderr: string[] = [];
    const exitCode = await this.run(
      args,
      // An answer is one line of JSON, however long.
      byLine((line, source) => (source === 'stdout' ? stdout : stderr).push(line), Number.POSITIVE_INFINITY),
      { timeout },
    );
    return { exitCode, stdout: stdout.join('\n'), stderr: stderr.join('\n') };
  }

  /** Runs a long command, hands on its output line by line, and returns its exit code. */
  stream(args: readonly string[], onLine: OnLine, env: NodeJS.ProcessEnv = {}): Promise<number> {
    return this.run(args, byLine(onLine), { env });
  }

  /**
   * Runs a command whose output is no text, such as `docker save`, and hands it to a reader. Docker is stopped when
   * the reader fails, or when it is told to give up.
   */
  async read<T>(
    args: readonly string[],
    reader: (output: Readable) => Promise<T>,
    giveUp: AbortSignal,
    env: NodeJS.ProcessEnv = {},
  ): Promise<ReadResult<T>> {
    const stderr: string[] = [];
    const failed = new AbortController();
    let reading: Promise<T> | undefined;
    const listen: Listen = (stdout, errors) => {
      reading = reader(stdout);
      reading.catch(() => {
        stdout.destroy();
        failed.abort();
      });
      splitLines(errors, (line) => stderr.push(line));
    };
    const useless = AbortSignal.any([giveUp, failed.signal]);
    const exitCode = await this.run(args, listen, { env, giveUp: useless });
    const [result] = await Promise.allSettled([reading!]);
    return { exitCode, stderr: stderr.join('\n'), result };
  }

  private async run(
    args: readonly string[],
    listen: Listen,
    { env, timeout, giveUp }: RunOptions,
  ): Promise<number> {
    const { signal, log } = this.options;
    if (signal.aborted) throw new CancelledError();
    log.debug(`docker ${args.join(' ')}`);

    const child = start(args, { ...this.options.env, ...env });
    listen(child.stdout!, child.stderr!);

    let timedOut = false;
    const timers: NodeJS.Timeout[] = [];
    const stop = () => {
      kill(child, 'SIGINT');
      timers.push(setTimeout(() => kill(child, 'SIGKILL'), STOP_LIMIT));
    };
    const timeUp = () => {
      timedOut = true;
      stop();
    };
    if (timeout !== undefined) timers.push(setTimeout(timeUp, timeout));
    const killAtExit = () => kill(child, 'SIGKILL');
    signal.addEventListener('abort', stop, { once: true });
    giveUp?.addEventListener('abort', stop, { once: true });
    if (giveUp?.aborted) stop();
    process.once('exit', killAtExit);
    try {
      const exitCode = await new Promise<number>((resolve, reject) => {
        child.once('error', (error) => reject(startError(error)));
        child.once('close', (code) => resolve(code ?? 1));
      });
      if (signal.aborted) throw new CancelledError();
      if (timedOut) {
        throw new NoEngineError(
          `Docker did not answer within ${timeout! / 1000} s ('docker ${args[0]}'). Check the engine, and DOCKER_HOST or the docker context if the engine is on another machine.`,
        );
      }
      return exitCode;
    } finally {
      process.removeListener('exit', killAtExit);
      signal.removeEventListener('abort', stop);
      giveUp?.removeEventListener('abort', stop);
      for (const timer of timers) clearTimeout(timer);
    }
  }
}

function start(args: readonly string[], env: NodeJS.ProcessEnv): ChildProcess {
  try {
    return startProgram('docker', args, {
      env,
      stdio: ['ignore', 'pipe', 'pipe'],
      // A process group of its own, so that docker's plugins can be stopped with it.
      detached: process.platform !== 'win32',
    });
  } catch (error) {
    throw startError(error);
  }
}

function byLine(onLine: OnLine, longest?: number): Listen {
  return (stdout, stderr) => {
    splitLines(stdout, (line) => onLine(line, 'stdout'), longest);
    splitLines(stderr, (line) => onLine(line, 'stderr'), longest);
  };
}

/** Sends a signal to docker and its plugins; nothing happens when they have ended. */
function kill(child: ChildProcess, signal: NodeJS.Signals): void {
  if (child.pid === undefined) return;
  try {
    if (process.platform === 'win32') killTree(child.pid);
    else process.kill(-child.pid, signal);
  } catch {
    // It ended meanwhile.
  }
}

/**
 * Ends a process and its children on Windows, where docker's plugins outlive it otherwise. There are no signals there that
 * a program without a console would see, so this is the only way.
 */
function killTree(pid: number): void {
  startProgram('taskkill', ['/T', '/F', '/PID', String(pid)], { stdio: 'ignore' }).on(
    'error',
    () => undefined,
  );
}

/** Calls back with every line, a last one without a line feed included. */
export function splitLines(stream: Readable, onLine: (line: string) => void, longest?: number): void {
  const reader = new LineReader(onLine, longest);
  stream.on('data', (chunk: Buffer) => reader.add(chunk));
  stream.on('end', () => reader.end());
}

function startError(error: unknown): NoEngineError {
  if (codeOf(error) === 'ENOENT') {
    return new NoEngineError(
      'Docker is not installed on this agent, or not on its PATH. Install it there, or run the job on an agent that has it, such as ubuntu-latest.',
      { cause: error },
    );
  }
  return new NoEngineError(
    `Docker could not be started: ${describeError(error)}. Check the installation on this agent.`,
    { cause: error },
  );
}
