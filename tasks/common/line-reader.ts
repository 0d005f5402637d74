import { StringDecoder } from 'node:string_decoder';

/** Characters of a line that are read. A log shows far fewer. */
const LONGEST_LINE = 100_000;

/**
 * Divides bytes into lines, whatever chunks they come in. What a line has beyond the most that is read is left out: shown by
 * itself, it could begin in the middle of a secret, which nothing would recognize.
 */
export class LineReader {
  private readonly decoder = new StringDecoder('utf8');
  private rest = '';
  private isTooLong = false;

  /** @param onLine called with each whole line, without its end */
  constructor(
    private readonly onLine: (line: string) => void,
    private readonly longest = LONGEST_LINE,
  ) {}

  add(bytes: Buffer): void {
    this.take(this.decoder.write(bytes));
  }

  /** Hands on a last line without a line feed. */
  end(): void {
    this.take(this.decoder.end());
    if (this.rest) this.finish();
  }

  private take(text: string): void {
    const [first = '', ...more] = text.split('\n');
    this.append(first);
    for (const piece of more) {
      this.finish();
      this.append(piece);
    }
  }

  private append(piece: string): void {
    if (this.isTooLong) return;
    this.rest += piece;
    if (this.rest.length <= this.longest) return;
    this.isTooLong = true;
    this.onLine(this.rest.slice(0, this.longest));
    this.rest = '';
  }

  private finish(): void {
    if (!this.isTooLong) this.onLine(withoutReturns(this.rest));
    this.isTooLong = false;
    this.rest = '';
  }
}

/** Without carriage returns at its end; a pattern would look at many of them again and again. */
function withoutReturns(line: string): string {
  let end = line.length;
  while (end > 0 && line[end - 1] === '\r') end--;
  return line.slice(0, end);
}
