import { formatBytes } from '../../common/text';
import { BrokenAnswerError } from './errors';
import type { Head, Idle, Receiver } from './http/answer';
import { refusePage } from './web-page';

/** The code of what no answer may be; asking again is no use. */
export const TOO_LARGE = 'ERR_TOO_LARGE';

/** Takes an answer that is a text, as a listing is. */
export class TextReceiver implements Receiver {
  private pieces: Buffer[] = [];
  private size = 0;

  /**
   * @param what is awaited: `the listing`
   * @param most bytes of it
   */
  constructor(
    private readonly what: string,
    private readonly most: number,
    private readonly idle: Idle,
  ) {}

  get text(): string {
    return Buffer.concat(this.pieces).toString('utf8');
  }

  begin(head: Head): void {
    refusePage(head);
    this.idle.touch();
  }

  take(piece: Buffer): void {
    // It is good only until this call returns.
    this.pieces.push(Buffer.from(piece));
    this.size += piece.length;
    if (this.size > this.most) {
      this.pieces = [];
      throw new BrokenAnswerError(`${this.what} is larger than ${formatBytes(this.most)}`, TOO_LARGE);
    }
    this.idle.touch();
  }
}
