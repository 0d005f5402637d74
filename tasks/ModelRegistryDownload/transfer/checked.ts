import { TaskError } from '../../common/errors';
import type { ModelContainer, Range } from '../registry/container';
import { crc64 } from '../registry/crc64';
import { asMoved, BrokenAnswerError, isThrottled } from '../registry/errors';
import type { ModelFile } from '../registry/listing';
import { type Connection, persist } from '../registry/persist';
import { Collector } from './collector';
import type { Lanes } from './lanes';
import type { Tries, Watch } from './watch';

/** The most bytes that the service tells a CRC64 of, besides the blob's own part. */
export const CHECKED_RANGE = 4 * 1024 * 1024;

/** A part is not what the service sent. */
class DamagedPartError extends BrokenAnswerError {}

/**
 * Brings a range of a file with the CRC64 that the service tells of it. All of the range has to come in one try, since
 * only then it can be compared; so it is kept in memory until it has.
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
  const tries: Tries = { silences: 0 };
  const tryOnce = () =>
    watch.over(tries, async (watched) => {
      const content = Buffer.allocUnsafe(range.length);
      const collector = new Collector(content, 0, () => watched.touch());
      compare(content, await container.readChecked(file, range, collector, watched));
      return content;
    });
  try {
    return await persist(file.path, () => lanes.use(tryOnce, isThrottled), connection);
  } catch (error) {
    if (error instanceof DamagedPartError) {
      throw new TaskError(
        `'${file.path}' arrives damaged each time: ${error.message}. Check the agent's memory and network, and what stands between it and the registry.`,
      );
    }
    throw asMoved(error, file.path);
  }
}

function compare(content: Buffer, stated: string | undefined): void {
  if (stated === undefined) {
    throw new TaskError(
      "The registry does not tell the CRC64 of what it sends, which 'verify' asks for; emulators do not, Azure does. Set 'verify' to stored.",
    );
  }
  const own = crc64(content);
  if (own !== stated)
    throw new DamagedPartError(`the CRC64 of a part is ${own}, but ${stated} was sent with it`);
}
