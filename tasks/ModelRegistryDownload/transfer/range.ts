import type { Range } from '../registry/container';
import { asMoved, isThrottled } from '../registry/errors';
import type { Stop } from '../registry/http/answer';
import type { ModelFile } from '../registry/listing';
import { type Connection, persist } from '../registry/persist';
import type { Lanes } from './lanes';
import { type Tries, type Watch, type Watched, WORTHWHILE } from './watch';

/**
 * Makes one try at a part of a file, and brings what comes to where it belongs.
 *
 * @param onReceived is told of each piece that is in its place, in bytes; of 0 bytes when the answer has begun. It is
 *   told of nothing more once the try has ended, however it ended
 */
export type Fetch = (part: Range, onReceived: (count: number) => void, stop: Stop) => Promise<void>;

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
  watch: Watch,
  connection: Connection,
): Promise<void> {
  let received = 0;
  let receivedBefore = 0;
  const tries: Tries = { silences: 0, trickles: 0 };
  const progressed = () => {
    const worthwhile = received - receivedBefore >= WORTHWHILE;
    receivedBefore = received;
    if (worthwhile) tries.silences = 0;
    return worthwhile;
  };

  const readOn = (watched: Watched) => {
    const rest = { offset: range.offset + received, length: range.length - received };
    // A connection that breaks with the last byte has brought all the same.
    if (rest.length === 0) return Promise.resolve();
    const onReceived = (count: number) => {
      received += count;
      watched.touch(count);
    };
    return fetch(rest, onReceived, watched);
  };

  const tryOnce = () => watch.over(tries, readOn);
  try {
    await persist(file.path, () => lanes.use(tryOnce, isThrottled), connection, progressed);
  } catch (error) {
    throw asMoved(error, file.path);
  }
}
