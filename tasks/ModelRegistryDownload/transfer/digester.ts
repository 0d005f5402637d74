import { parentPort, Worker } from 'node:worker_threads';
import { throwIfCancelled } from '../../common/cancel';
import { CancelledError } from '../../common/errors';
import { type Digests, digestFile, FileDigest } from './verify';

/** Digests open files from their start, as far as they have come. */
export interface Digester {
  /** Everything before a position of the file has come. */
  reach(file: number, withMd5: boolean, position: number): void;
  /** All of the file has come. */
  finish(file: number, withMd5: boolean, size: number, signal: AbortSignal): Promise<Digests>;
}

/** Digests each file at its end, between the other work of this thread: the best for what is small. */
export class LocalDigester implements Digester {
  reach(): void {}

  async finish(file: number, withMd5: boolean, size: number, signal: AbortSignal): Promise<Digests> {
    return digestFile(file, size, { md5: withMd5 }, signal);
  }
}

/** Goes on with the digests of an open file, up to a position. Descriptors are good in all threads of a process. */
interface Job {
  readonly file: number;
  readonly withMd5: boolean;
  readonly end: number;
  readonly isLast: boolean;
}

type Answer =
  | { readonly file: number; readonly digests: Digests }
  | { readonly file: number; readonly fault: string };

/** Megabytes of a thread that only digests; Node would give it as much as the step itself. */
const MEMORY = { maxYoungGenerationSizeMb: 2, maxOldGenerationSizeMb: 32 };

/** Digests files in another thread while they come: a digest takes as long as the decryption of what comes. */
export class ThreadDigester implements Digester {
  private readonly worker: Worker;
  private readonly pending = new Map<number, (answer: Answer | Error) => void>();
  /** Why the thread is gone; it may have ended while nobody waited for it. */
  private failure: Error | undefined;

  /** @param program file that calls {@link serveDigests} when it is started as a thread */
  constructor(program: string) {
    this.worker = new Worker(program, { resourceLimits: MEMORY });
    this.worker.on('message', (answer: Answer) => this.pending.get(answer.file)?.(answer));
    this.worker.on('error', (error) => this.fail(error as Error));
    this.worker.on('exit', () => this.fail(new Error('The thread that digests ended too early.')));
  }

  reach(file: number, withMd5: boolean, end: number): void {
    this.worker.postMessage({ file, withMd5, end, isLast: false } satisfies Job);
  }

  async finish(file: number, withMd5: boolean, end: number, signal: AbortSignal): Promise<Digests> {
    throwIfCancelled(signal);
    if (this.failure) throw this.failure;
    let stop = () => {};
    const answer = await new Promise<Answer | Error>((resolve) => {
      stop = () => resolve(new CancelledError());
      signal.addEventListener('abort', stop);
      this.pending.set(file, resolve);
      this.worker.postMessage({ file, withMd5, end, isLast: true } satisfies Job);
    });
    signal.removeEventListener('abort', stop);
    this.pending.delete(file);
    if (answer instanceof Error) throw answer;
    if ('fault' in answer) throw new Error(answer.fault);
    return answer.digests;
  }

  async close(): Promise<void> {
    await this.worker.terminate();
  }

  private fail(error: Error): void {
    this.failure ??= error;
    for (const settle of this.pending.values()) settle(error);
  }
}

/** What the thread of a {@link ThreadDigester} does. */
export function serveDigests(): void {
  const begun = new Map<number, FileDigest>();
  const digest = ({ file, withMd5, end, isLast }: Job): Answer | undefined => {
    const own = begun.get(file) ?? new FileDigest(file, withMd5);
    begun.set(file, own);
    own.readTo(end);
    if (!isLast) return undefined;
    begun.delete(file);
    return { file, digests: own.finish() };
  };
  parentPort!.on('message', (job: Job) => {
    try {
      const answer = digest(job);
      if (answer) parentPort!.postMessage(answer);
    } catch (error) {
      // What cannot be read now, the last job of the file will fail on.
      if (job.isLast) parentPort!.postMessage({ file: job.file, fault: String(error) } satisfies Answer);
    }
  });
}
