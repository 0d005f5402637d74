import { BrokenAnswerError, RestError } from '../errors';

/** The first part of an answer. */
export interface Head {
  readonly status: number;
  /** By names in lower case. */
  readonly headers: ReadonlyMap<string, string>;
}

/** What becomes of an answer as it comes. Pieces are good only until the call returns. */
export interface Receiver {
  /** The service grants the request. Throws when this is not the answer that was hoped for. */
  begin(head: Head): void;
  /** The next piece of the body. */
  take(piece: Buffer): void;
}

/** Heads of the service have a few hundred bytes. */
const LONGEST_HEAD = 64 * 1024;

/** Errors of the service are short; what is longer is a page of some proxy. */
const LONGEST_ERROR = 64 * 1024;

const END_OF_HEAD = '\r\n\r\n';

/**
 * Reads one answer of HTTP/1.1 to a GET request, as pieces of it come. Of answers that grant the request it takes those
 * with a length only, as the service gives one to every range.
 */
export class AnswerReader {
  private begun = Buffer.alloc(0);
  private head: Head | undefined;
  private missing = 0;
  private readonly refusal: Buffer[] = [];

  constructor(private readonly receiver: Receiver) {}

  /** Whether a part of the answer has come. */
  get hasBegun(): boolean {
    return this.head !== undefined || this.begun.length > 0;
  }

  /** Whether the answer is whole, and its connection can take another request. */
  get leavesOpen(): boolean {
    if (!this.head || this.missing > 0) return false;
    const { headers } = this.head;
    const length = Number(headers.get('content-length') ?? Number.POSITIVE_INFINITY);
    const isWhole = this.head.status < 300 || length <= LONGEST_ERROR;
    return isWhole && headers.get('connection')?.toLowerCase() !== 'close';
  }

  /**
   * Takes the next piece of what comes.
   *
   * @returns whether the answer is whole
   * @throws RestError for an answer that refuses the request, once it is whole; BrokenAnswerError for what is none; and
   *   whatever the receiver throws
   */
  read(piece: Buffer): boolean {
    let body: Buffer | undefined = piece;
    while (!this.head) {
      body = this.readHead(body);
      if (!body) return false;
    }
    if (body.length > this.missing) throw new BrokenAnswerError('more came than was announced');
    this.missing -= body.length;
    if (this.head.status >= 300) this.refusal.push(Buffer.from(body));
    else if (body.length > 0) this.receiver.take(body);
    if (this.missing > 0) return false;
    if (this.head.status >= 300) throw this.refused();
    return true;
  }

  /** The connection has ended. A refusal counts all the same. */
  end(): Error {
    if (this.head && this.head.status >= 300) return this.refused();
    return new BrokenAnswerError('the connection broke', 'ECONNRESET');
  }

  /** @returns what follows the head; undefined when the head is not whole */
  private readHead(piece: Buffer): Buffer | undefined {
    const text = this.begun.length === 0 ? piece : Buffer.concat([this.begun, piece]);
    const end = text.indexOf(END_OF_HEAD);
    if (end < 0) {
      if (text.length > LONGEST_HEAD) throw notHttp();
      // The piece itself is good only until this call returns.
      this.begun = Buffer.from(text);
      return undefined;
    }
    this.begun = Buffer.alloc(0);
    const head = parseHead(text.toString('latin1', 0, end));
    // Answers below 200 only announce the real one.
    if (head.status >= 200) this.begin(head);
    return text.subarray(end + END_OF_HEAD.length);
  }

  private begin(head: Head): void {
    this.head = head;
    const length = head.headers.get('content-length');
    if (head.status >= 300) {
      // Without a length, it goes on until its connection ends.
      this.missing = Math.min(
        length === undefined ? Number.POSITIVE_INFINITY : Number(length),
        LONGEST_ERROR,
      );
      return;
    }
    if (!/^\d+$/.test(length ?? '')) throw new BrokenAnswerError('the answer does not tell its length');
    this.missing = Number(length);
    this.receiver.begin(head);
  }

  private refused(): RestError {
    const { status, headers } = this.head!;
    const body = Buffer.concat(this.refusal).toString('utf8');
    const code = /<Code>([^<]*)<\/Code>/.exec(body)?.[1] || headers.get('x-ms-error-code');
    const message = /<Message>([^<]*)<\/Message>/.exec(body)?.[1] ?? '';
    return new RestError(message, status, code, headers);
  }
}

function parseHead(text: string): Head {
  const [first, ...lines] = text.split('\r\n');
  const status = /^HTTP\/1\.[01] (\d{3})( |$)/.exec(first!)?.[1];
  if (status === undefined) throw notHttp();
  const headers = new Map<string, string>();
  for (const line of lines) {
    const colon = line.indexOf(':');
    const name = line.slice(0, colon).toLowerCase();
    const value = line.slice(colon + 1).trim();
    headers.set(name, headers.has(name) ? `${headers.get(name)}, ${value}` : value);
  }
  return { status: Number(status), headers };
}

function notHttp(): BrokenAnswerError {
  return new BrokenAnswerError('the answer is not HTTP');
}
