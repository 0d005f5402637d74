import { parentPort, workerData } from 'node:worker_threads';
import { createAgent } from '../../../common/connection';
import type { Route } from '../client';
import { type Answer, type Job, packError } from './messages';
import { openRange, store } from './receive';
import { FileDigest } from './verify';

/** Bytes, or milliseconds, after which a range's progress is told: not of every piece, of which there are thousands. */
const TELL_BYTES = 512 * 1024;
const TELL_EVERY = 100;

/** What a worker thread of a transfer does: it brings ranges, and digests files, as the main thread says. */
export function serveTransfer(): void {
  const { origin, proxy, tls } = workerData as Route;
  const agent = createAgent(new URL(origin), { proxyFor: () => proxy, tls });
  const stops = new Map<number, AbortController>();
  const digests = new Map<number, FileDigest>();

  const receive = async (id: number, { request, place }: Extract<Job, { kind: 'receive' }>) => {
    const stop = new AbortController();
    stops.set(id, stop);
    const told = createTeller(id);
    try {
      const body = await openRange(request, agent, stop.signal);
      tell({ id, received: 0 });
      await store(body, place, told.add);
    } finally {
      told.flush();
      stops.delete(id);
    }
  };

  const digest = ({ file, md5, end, isLast }: Extract<Job, { kind: 'digest' }>) => {
    const own = digests.get(file) ?? new FileDigest(file, md5);
    digests.set(file, own);
    own.readTo(end);
    if (!isLast) return undefined;
    digests.delete(file);
    return own.finish();
  };

  parentPort!.on('message', async ({ id, job }: { id: number; job: Job }) => {
    try {
      if (job.kind === 'receive') {
        await receive(id, job);
        tell({ id, result: undefined });
      } else if (job.kind === 'digest') {
        tell({ id, result: digest(job) });
      } else {
        stops.get(id)?.abort();
      }
    } catch (error) {
      tell({ id, error: packError(error as Error) });
    }
  });
}

function createTeller(id: number): { add(count: number): void; flush(): void } {
  let untold = 0;
  let toldAt = 0;
  const flush = () => {
    if (untold > 0) tell({ id, received: untold });
    untold = 0;
    toldAt = performance.now();
  };
  return {
    add(count) {
      untold += count;
      if (untold >= TELL_BYTES || performance.now() - toldAt >= TELL_EVERY) flush();
    },
    flush,
  };
}

function tell(answer: Answer): void {
  parentPort!.postMessage(answer);
}
