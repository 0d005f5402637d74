/** Bytes that are handed on at a time, at most. */
const MOST = 128 * 1024;

/** Bytes of a whole record of TLS, which is what comes of a connection at a time. */
const RECORD = 16 * 1024;

/**
 * Joins what a connection brings in one go: each piece that is handed on costs a write to the disk, so that 1 GiB over
 * TLS in single records takes a tenth longer.
 */
export class Gatherer {
  private readonly buffer = Buffer.allocUnsafeSlow(MOST);
  /** Where in the buffer what was not handed on begins and ends. */
  private start = 0;
  private end = 0;
  private soon: NodeJS.Immediate | undefined;

  /** @param handOn gets pieces that are good only until the call returns */
  constructor(private readonly handOn: (piece: Buffer) => void) {}

  /** Where the next bytes go. */
  get room(): Buffer {
    return this.end === 0 ? this.buffer : this.buffer.subarray(this.end);
  }

  /** So many bytes have come into the room. */
  add(length: number): void {
    this.end += length;
    const mayGoOn = length === RECORD && this.buffer.length - this.end >= RECORD;
    if (mayGoOn) {
      this.soon ??= setImmediate(() => this.flush());
    } else {
      this.flush();
      this.start = this.end = 0;
    }
  }

  /** Hands on what there is. */
  flush(): void {
    const piece = this.buffer.subarray(this.start, this.end);
    this.drop();
    if (piece.length > 0) this.handOn(piece);
  }

  /** Forgets what was not handed on. */
  drop(): void {
    clearImmediate(this.soon);
    this.soon = undefined;
    this.start = this.end;
  }
}
