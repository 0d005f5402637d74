import type { ModelContainer } from '../client';
import { BrokenAnswerError, isMoved, isThrottled, MovedError } from '../errors';
import type { ModelFile } from '../listing';
import { type Connection, limitSilence, persist } from '../persist';
import type { Lanes } from './lanes';

/** Bytes that a broken try must have brought for the tries to be counted anew. Bounds the tries of a range. */
const WORTHWHILE = 64 * 1024;

export interface Range {
  readonly offset: number;
  readonly length: number;
}

/**
 * Reads a range of a file, and goes on from the byte it had reached where a connection breaks, stalls or is refused.
 *
 * @param write takes each piece with its position in the file; its errors are not retried
 * @throws MovedError when the blob is no longer the one that was listed
 */
export async function downloadRange(
  container: ModelContainer,
  file: ModelFile,
  range: Range,
  write: (piece: Buffer, position: number) => Promise<void>,
  lanes: Lanes,
  connection: Connection,
): Promise<void> {
  let received = 0;
  let receivedBefore = 0;
  const progressed = () => {
    const worthwhile = received - receivedBefore >= WORTHWHILE;
    receivedBefore = received;
    return worthwhile;
  };

  const readOn = async (idle: { signal: AbortSignal; touch(): void }) => {
    const rest = { offset: range.offset + received, length: range.length - received };
    const body = await container.read(file, rest, idle.signal);
    idle.touch();
    for await (const piece of body) {
      if (received + piece.length > range.length)
        throw new BrokenAnswerError('more bytes came than were asked for');
      await write(piece, range.offset + received);
      received += piece.length;
      idle.touch();
    }
    if (received < range.length) throw new BrokenAnswerError('the connection ended too early');
  };

  try {
    await persist(
      file.path,
      () => lanes.use(() => limitSilence(readOn, connection), isThrottled),
      connection,
      progressed,
    );
  } catch (error) {
    throw isMoved(error) ? new MovedError(file.path) : error;
  }
}
