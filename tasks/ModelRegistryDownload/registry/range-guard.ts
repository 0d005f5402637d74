import type { BlobGeneration, Range, RangeReceiver } from './container';
import { AlteredError, BrokenAnswerError, bareEtag, MovedError } from './errors';
import type { Head, Receiver } from './http/answer';
import { refusePage } from './web-page';

/** Hands on what comes of a range, and makes sure that it is what was asked for. */
export class RangeGuard implements Receiver {
  headers: ReadonlyMap<string, string> = new Map();
  private missing: number;

  /** @param refuseOther throws where an answer is of another file, or of another state of it */
  constructor(
    private readonly range: Range,
    private readonly receiver: RangeReceiver,
    private readonly refuseOther: (head: Head) => void,
  ) {
    this.missing = range.length;
  }

  begin(head: Head): void {
    const { headers } = head;
    const { offset, length } = this.range;
    refusePage(head);
    this.refuseOther(head);
    const size = headers.get('content-length');
    if (size !== undefined && Number(size) !== length) {
      throw new BrokenAnswerError(`${size} bytes came where ${length} were asked for`);
    }
    const place = headers.get('content-range');
    if (place !== undefined && !place.startsWith(`bytes ${offset}-${offset + length - 1}/`)) {
      throw new BrokenAnswerError(`the range '${place}' came, which was not asked for`);
    }
    this.headers = headers;
    this.receiver.begin();
  }

  take(piece: Buffer): void {
    if (piece.length > this.missing) throw new BrokenAnswerError('more came than was asked for');
    this.missing -= piece.length;
    this.receiver.take(piece);
  }

  end(): void {
    if (this.missing > 0) throw new BrokenAnswerError(`${this.missing} bytes of the range did not come`);
  }
}

/** The size of a whole file, as an answer tells it that brings a part of it. */
export function totalOf({ headers }: Head): number | undefined {
  const total = /\/(\d+)$/.exec(headers.get('content-range') ?? '')?.[1];
  return total === undefined ? undefined : Number(total);
}

/** @throws MovedError or AlteredError for an answer that is not of this state of a blob */
export function refuseOtherBlob(blob: BlobGeneration, head: Head): void {
  const { name, size, etag } = blob;
  const { status, headers } = head;
  const told = headers.get('etag') ?? '';
  if (bareEtag(told.replace(/^W\//, '')) !== etag) throw new MovedError(name);
  // It is the blob that was asked for, and yet not its content: to ask again brings the same.
  const total = totalOf(head);
  const length = headers.get('content-length');
  if (told.startsWith('W/')) throw new AlteredError(name, 'it says so itself, by a weak ETag');
  if (total !== undefined && total !== size) {
    throw new AlteredError(name, `it has ${total} bytes in all, where ${size} are listed`);
  }
  if (status === 200 && (length === undefined || Number(length) !== size)) {
    throw new AlteredError(
      name,
      `${length ?? 'no told number of'} bytes come of it, where ${size} are listed`,
    );
  }
}
