import { TaskError } from '../../common/errors';
import type { ModelContainer, Range } from '../registry/container';
import { crc64 } from '../registry/crc64';
import { asMoved, BrokenAnswerError, isThrottled } from '../registry/errors';
import type { ModelFile } from '../registry/listing';
import { type Connection, persist } from '../registry/persist';
import { Collector } from './collector';
import type { Lanes } from './lanes';
import { type Tries, type Watch, WORTHWHILE } from './watch';

/** The most bytes that the service tells a CRC64 of, besides the blob's own part. */
export const CHECKED_RANGE = 4 * 1024 * 1024;

/** Bytes of the smallest part that is asked for alone. */
const SMALLEST = 64 * 1024;

/**
 * Brings a range of a file with the CRC64 that the service tells of it. A part has to come in one try, since only then it
 * can be compared; so it is kept in memory until it has, and where connections break before, smaller parts are asked for.
 *
 * @throws MovedError when the blob is no longer the one that was listed
 */
export async function downloadChecked(
  container: ModelContainer,
  file: ModelFile,
  range: Range,
  lanes: Lanes,
  watch: Watch,
  connection: Connection,
): Promise<Buffer> {
  const content = Buffer.allocUnsafe(range.length);
  const tries: Tries = { silences: 0, trickles: 0 };
  let most = range.length;
  let faults = 0;
  for (let done = 0; done < range.length; ) {
    let received = 0;
    const tryOnce = () =>
      watch.over(tries, async (watched) => {
        received = 0;
        const part = { offset: range.offset + done, length: Math.min(most, range.length - done) };
        const place = content.subarray(done, done + part.length);
        const collector = new Collector(place, 0, (count) => {
          received += count;
          watched.touch(count);
        });
        const stated = await container.readChecked(file, part, collector, watched);
        const fault = compare(place, stated);
        if (fault !== undefined) throw damaged(file, fault, ++faults);
        done += part.length;
      });
    const progressed = () => {
      const isShorter = most > SMALLEST && received >= WORTHWHILE;
      if (isShorter) most = Math.max(SMALLEST, Math.floor(Math.min(received, most) / 2));
      return isShorter;
    };
    try {
      await persist(file.path, () => lanes.use(tryOnce, isThrottled), connection, progressed);
    } catch (error) {
      throw asMoved(error, file.path);
    }
  }
  return content;
}

/** How often a range arrives damaged before it is no accident. */
const MOST_FAULTS = 4;

function damaged({ path }: ModelFile, fault: string, times: number): Error {
  if (times < MOST_FAULTS) return new BrokenAnswerError(fault);
  return new TaskError(
    `'${path}' arrives damaged each time: ${fault}. Check the agent's memory and network, and what stands between it and the registry.`,
  );
}

/** @returns why the content is not what the service sent; undefined when it is */
function compare(content: Buffer, stated: string | undefined): string | undefined {
  if (stated === undefined) {
    throw new TaskError(
      "The registry does not tell the CRC64 of what it sends, which 'verify' asks for; emulators do not, Azure does. Set 'verify' to stored.",
    );
  }
  const own = crc64(content);
  return own === stated ? undefined : `the CRC64 of a part is ${own}, but ${stated} was sent with it`;
}
