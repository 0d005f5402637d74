import { StringDecoder } from 'node:string_decoder';
import { formatBytes } from '../../common/text';
import { BrokenAnswerError } from './errors';
import type { Head, Idle, Receiver } from './http/answer';
import { refusePage, refuseTextOfPage } from './web-page';

/** The code of what no answer may be; asking again is no use. */
export const TOO_LARGE = 'ERR_TOO_LARGE';

/** Hands on an answer that is a text, as a listing is, as it comes. */
export class TextReceiver implements Receiver {
  private readonly decoder = new StringDecoder('utf8');
  private size = 0;

  /**
   * @param what is awaited: `the listing`
   * @param most bytes of it
   * @param add gets the next part of the text
   */
  constructor(
    private readonly what: string,
    private readonly most: number,
    private readonly idle: Idle,
    private readonly add: (text: string) => void,
  ) {}

  begin(head: Head): void {
    refusePage(head);
    this.idle.touch();
  }

  take(piece: Buffer): void {
    this.size += piece.length;
    if (this.size > this.most) {
      throw new BrokenAnswerError(`${this.what} is larger than ${formatBytes(this.most)}`, TOO_LARGE);
    }
    const text = this.decoder.write(piece);
    if (this.size === piece.length) refuseTextOfPage(text);
    this.add(text);
    this.idle.touch();
  }
}

/** Takes an answer that is a text, and is wanted as a whole. */
export class WholeText extends TextReceiver {
  private readonly parts: string[];

  constructor(what: string, most: number, idle: Idle) {
    const parts: string[] = [];
    super(what, most, idle, (text) => parts.push(text));
    this.parts = parts;
  }

  get text(): string {
    return this.parts.join('');
  }
}
