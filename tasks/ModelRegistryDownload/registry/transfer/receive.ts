import { writeSync } from 'node:fs';
import type { Agent, IncomingMessage } from 'node:http';
import type { Readable } from 'node:stream';
import { BrokenAnswerError, MovedError } from '../errors';
import { bareEtag, brokenBy, type ServiceRequest, send } from '../service';

/** A request for a part of a blob in one state. */
export interface RangeRequest extends ServiceRequest {
  readonly blob: string;
  readonly etag: string;
  /** Bytes that were asked for. */
  readonly length: number;
}

/** Where the bytes of a range go. */
export interface Place {
  /** Descriptor of an open file. Descriptors are good in all threads of a process. */
  readonly file: number;
  readonly position: number;
}

/**
 * Asks for a range, and makes sure that it is what comes.
 *
 * @returns the answer, whose body is the range
 * @throws MovedError when the blob is in another state
 */
export async function openRange(
  request: RangeRequest,
  agent: Agent,
  signal: AbortSignal,
): Promise<IncomingMessage> {
  const answer = await send(request, agent, signal);
  const fault = faultOf(answer, request);
  if (fault === undefined) return answer;
  answer.destroy();
  throw fault;
}

function faultOf({ headers }: IncomingMessage, { blob, etag, length }: RangeRequest): Error | undefined {
  if (bareEtag(headers.etag ?? '') !== etag) return new MovedError(blob);
  const size = Number(headers['content-length']);
  return size === length
    ? undefined
    : new BrokenAnswerError(`${size} bytes came where ${length} were asked for`);
}

/**
 * Writes what comes to its place on the disk, each piece at once and without a buffer in between, so that memory stays
 * flat. The writes are synchronous: they end in the system's cache, which takes less time than a trip to another
 * thread and back.
 *
 * @param onReceived is told of each piece that has been written, in bytes
 */
export function store(body: Readable, place: Place, onReceived: (count: number) => void): Promise<void> {
  let { position } = place;
  return new Promise<void>((resolve, reject) => {
    body.on('data', (piece: Buffer) => {
      try {
        writeAll(place.file, piece, position);
      } catch (error) {
        body.destroy();
        reject(error);
        return;
      }
      position += piece.length;
      onReceived(piece.length);
    });
    body.on('end', resolve);
    body.on('error', (error) => reject(brokenBy(error)));
    body.on('close', () => reject(new BrokenAnswerError('the connection ended too early')));
  });
}

/**
 * As {@link store}, for what is small enough to be kept in memory.
 *
 * @param position in the content, of the first byte that comes
 */
export async function collect(
  body: Readable,
  content: Buffer,
  position: number,
  onReceived: (count: number) => void,
): Promise<void> {
  let reached = position;
  try {
    for await (const piece of body) {
      reached += (piece as Buffer).copy(content, reached);
      onReceived(piece.length);
    }
  } catch (error) {
    throw brokenBy(error as Error);
  }
}

/** Writes all of some bytes to a position of an open file. */
export function writeAll(file: number, piece: Buffer, position: number): void {
  for (let done = 0; done < piece.length; ) {
    done += writeSync(file, piece, done, piece.length - done, position + done);
  }
}
