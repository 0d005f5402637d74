import { Worker } from 'node:worker_threads';
import type { Route } from '../client';
import { BrokenAnswerError } from '../errors';
import { type Answer, type Job, unpackError } from './messages';
import type { Place, RangeRequest } from './receive';
import type { Digests } from './verify';

/** Threads that bring ranges. One decrypts 0.7 GB/s; more than two would only take turns on a usual agent. */
const RECEIVERS = 2;

interface Pending {
  readonly onReceived: (count: number) => void;
  readonly resolve: (result: Digests | undefined) => void;
  readonly reject: (error: Error) => void;
}

/**
 * Worker threads for a big transfer: decrypting, writing and digesting take more than one processor where the network
 * is fast. All decisions stay in the main thread.
 */
export class TransferThreads {
  private readonly receivers: Thread[];
  private readonly digester: Thread;

  /** @param program file that becomes a worker of a transfer when it is started as one */
  constructor(program: string, route: Route) {
    this.receivers = Array.from({ length: RECEIVERS }, () => new Thread(program, route));
    this.digester = new Thread(program, route);
  }

  /** As {@link openRange} and {@link store}. Ends only when nothing more will be written. */
  async receive(
    request: RangeRequest,
    place: Place,
    onReceived: (count: number) => void,
    signal: AbortSignal,
  ): Promise<void> {
    const thread = this.receivers.reduce((a, b) => (b.busy < a.busy ? b : a));
    await thread.do({ kind: 'receive', request, place }, onReceived, signal);
  }

  /** Goes on with the digests of an open file, up to a position; the last call for a file returns them. */
  digest(file: number, md5: boolean, end: number, isLast: boolean): Promise<Digests | undefined> {
    return this.digester.do({ kind: 'digest', file, md5, end, isLast });
  }

  async close(): Promise<void> {
    await Promise.all([...this.receivers, this.digester].map((thread) => thread.close()));
  }
}

class Thread {
  private readonly worker: Worker;
  private readonly pending = new Map<number, Pending>();
  private lastId = 0;

  constructor(program: string, route: Route) {
    this.worker = new Worker(program, { workerData: route });
    this.worker.on('message', (answer: Answer) => this.take(answer));
    this.worker.on('error', (error) => this.fail(error as Error));
    this.worker.on('exit', () => this.fail(new Error('A thread of the transfer ended too early.')));
  }

  get busy(): number {
    return this.pending.size;
  }

  do(
    job: Job,
    onReceived: (count: number) => void = () => {},
    signal?: AbortSignal,
  ): Promise<Digests | undefined> {
    if (signal?.aborted) return Promise.reject(new BrokenAnswerError('it was stopped before it began'));
    this.lastId += 1;
    const id = this.lastId;
    const stop = () => this.worker.postMessage({ id, job: { kind: 'stop' } satisfies Job });
    signal?.addEventListener('abort', stop);
    return new Promise<Digests | undefined>((resolve, reject) => {
      this.pending.set(id, { onReceived, resolve, reject });
      this.worker.postMessage({ id, job });
    }).finally(() => signal?.removeEventListener('abort', stop));
  }

  async close(): Promise<void> {
    await this.worker.terminate();
  }

  private take(answer: Answer): void {
    const pending = this.pending.get(answer.id)!;
    if ('received' in answer) {
      pending.onReceived(answer.received);
      return;
    }
    this.pending.delete(answer.id);
    if ('error' in answer) pending.reject(unpackError(answer.error));
    else pending.resolve(answer.result);
  }

  private fail(error: Error): void {
    for (const { reject } of this.pending.values()) reject(error);
    this.pending.clear();
  }
}
