import type { Range } from '../client';
import { isMoved, isThrottled, MovedError } from '../errors';
import type { ModelFile } from '../listing';
import { type Connection, limitSilence, persist, SilenceError } from '../persist';
import type { Lanes } from './lanes';

/** Bytes that a broken try must have brought for the tries to be counted anew. Bounds the tries of a range. */
const WORTHWHILE = 64 * 1024;

/** Ranges that must have come before a silence is taken for the fault of one connection. */
const ENOUGH_TO_JUDGE = 4;

/** Milliseconds of such a silence. */
const SUSPICIOUS = 2_000;

/**
 * Makes one try at a part of a file, and brings what comes to where it belongs.
 *
 * @param onReceived is told of each piece that is in its place, in bytes; of 0 bytes when the answer has begun. It is
 *   told of nothing more once the try has ended, however it ended
 */
export type Fetch = (part: Range, onReceived: (count: number) => void, signal: AbortSignal) => Promise<void>;

/** What a transfer knows about the service that answers it. */
export class Experience {
  private ranges = 0;

  rangeCame(): void {
    this.ranges += 1;
  }

  /**
   * Milliseconds that a connection may be silent. Where others have brought their ranges, one that falls silent is soon
   * tried again in another connection; each time a range was too hasty, it is given twice as long.
   */
  patience(silences: number, most: number): number {
    return this.ranges < ENOUGH_TO_JUDGE ? most : Math.min(most, SUSPICIOUS * 2 ** silences);
  }
}

/**
 * Brings a range of a file, and goes on from the byte it had reached where a connection breaks, stalls or is refused.
 *
 * @throws MovedError when the blob is no longer the one that was listed
 */
export async function downloadRange(
  file: ModelFile,
  range: Range,
  fetch: Fetch,
  lanes: Lanes,
  connection: Connection,
  experience = new Experience(),
): Promise<void> {
  let received = 0;
  let receivedBefore = 0;
  let silences = 0;
  const progressed = () => {
    const worthwhile = received - receivedBefore >= WORTHWHILE;
    receivedBefore = received;
    return worthwhile;
  };

  const readOn = (idle: { signal: AbortSignal; touch(): void }) => {
    const rest = { offset: range.offset + received, length: range.length - received };
    // A connection that breaks with the last byte has brought all the same.
    if (rest.length === 0) return Promise.resolve();
    const onReceived = (count: number) => {
      received += count;
      idle.touch();
    };
    return fetch(rest, onReceived, idle.signal);
  };

  const tryOnce = () =>
    limitSilence(readOn, connection, experience.patience(silences, connection.patience.idle));
  try {
    await persist(
      file.path,
      () =>
        lanes.use(tryOnce, isThrottled).catch((error) => {
          if (error instanceof SilenceError) silences += 1;
          throw error;
        }),
      connection,
      progressed,
    );
    experience.rangeCame();
  } catch (error) {
    throw isMoved(error) ? new MovedError(file.path) : error;
  }
}
