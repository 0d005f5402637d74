import { sleep } from './cancel';
import { TaskError } from './errors';
import { formatDuration } from './text';

/**
 * Waits for something that a step can do without, though not forever.
 *
 * @param limit milliseconds
 * @throws TaskError when it has taken too long; CancelledError when the step is cancelled
 */
export async function inTime<T>(work: Promise<T>, signal: AbortSignal, limit: number): Promise<T> {
  const stop = new AbortController();
  const late = async () => {
    await sleep(limit, AbortSignal.any([signal, stop.signal]));
    throw new TaskError(`it took longer than ${formatDuration(limit)}`);
  };
  try {
    return await Promise.race([work, late()]);
  } finally {
    stop.abort();
  }
}
