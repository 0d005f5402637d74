import type { RangeReceiver } from '../registry/container';

/** Takes a part of a blob into memory. */
export class Collector implements RangeReceiver {
  /**
   * @param position in the content, of the first byte that comes
   * @param onReceived is told of each piece, in bytes; of 0 bytes when the answer has begun
   */
  constructor(
    private readonly content: Buffer,
    private position: number,
    private readonly onReceived: (count: number) => void,
  ) {}

  begin(): void {
    this.onReceived(0);
  }

  take(piece: Buffer): void {
    this.position += piece.copy(this.content, this.position);
    this.onReceived(piece.length);
  }
}
