import { BrokenAnswerError, RestError } from '../errors';

/** The first part of an answer. */
export interface Head {
  readonly status: number;
  /** By names in lower case. */
  readonly headers: ReadonlyMap<string, string>;
}

/** What tells a request to end. An AbortSignal takes longer to make than a request to be sent. */
export interface Stop {
  readonly stopped: boolean;
  /** Is called when it is stopped, once. */
  onStop: (() => void) | undefined;
}

/** Makes a request that stops with the abort of a signal, and leaves nothing with the signal when it ends. */
export async function stoppedBy<T>(signal: AbortSignal, request: (stop: Stop) => Promise<T>): Promise<T> {
  const stop: Stop = {
    get stopped() {
      return signal.aborted;
    },
    onStop: undefined,
  };
  const onAbort = () => stop.onStop?.();
  signal.addEventListener('abort', onAbort);
  try {
    return await request(stop);
  } finally {
    signal.removeEventListener('abort', onAbort);
  }
}

/** The watch over a request that may be silent for a time only; an IdleTimer is one. */
export interface Idle {
  readonly signal: AbortSignal;
  /** Is called at every sign of life. */
  touch(): void;
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

/** Reads one answer of HTTP/1.1 to a GET request, as pieces of it come. */
export class AnswerReader {
  private begun = Buffer.alloc(0);
  private head: Head | undefined;
  private body: Body | undefined;
  private refusal = '';

  constructor(private readonly receiver: Receiver) {}

  /** Whether a part of the answer has come. */
  get hasBegun(): boolean {
    return this.head !== undefined || this.begun.length > 0;
  }

  /** Whether the answer is whole, and its connection can take another request. */
  get leavesOpen(): boolean {
    return this.body?.isWhole === true && this.head?.headers.get('connection')?.toLowerCase() !== 'close';
  }

  /**
   * Takes the next piece of what comes.
   *
   * @returns whether the answer is whole
   * @throws RestError for an answer that refuses the request, once it is whole; BrokenAnswerError for what is none; and
   *   whatever the receiver throws
   */
  read(piece: Buffer): boolean {
    let rest: Buffer | undefined = piece;
    while (!this.head) {
      rest = this.readHead(rest);
      if (!rest) return false;
    }
    const isRefusal = this.head.status >= 300;
    this.body!.read(rest, (part) => {
      if (isRefusal) this.refusal += part.toString('latin1');
      else this.receiver.take(part);
    });
    if (isRefusal && (this.body!.isWhole || this.refusal.length > LONGEST_ERROR)) throw this.refused();
    return this.body!.isWhole;
  }

  /** The connection has ended. A refusal counts all the same. */
  end(): Error {
    if (this.head && this.head.status >= 300) return this.refused();
    return new BrokenAnswerError('the connection broke', 'ECONNRESET', this.hasBegun);
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
    if (head.status >= 200) {
      this.head = head;
      this.body = bodyOf(head);
      if (head.status < 300) this.receiver.begin(head);
    }
    return text.subarray(end + END_OF_HEAD.length);
  }

  private refused(): RestError {
    const { status, headers } = this.head!;
    const body = this.refusal;
    const code =
      /<Code>([^<]*)<\/Code>/.exec(body)?.[1] ||
      headers.get('x-ms-error-code') ||
      /"error_code"\s*:\s*"(\w+)"/.exec(body)?.[1];
    const message = /<Message>([^<]*)<\/Message>/.exec(body)?.[1] ?? '';
    return new RestError(message, status, code, headers, body);
  }
}

/** The way in which an answer tells where its body ends. */
interface Body {
  readonly isWhole: boolean;
  read(piece: Buffer, take: (part: Buffer) => void): void;
}

function bodyOf({ status, headers }: Head): Body {
  if (headers.get('transfer-encoding')?.toLowerCase() === 'chunked') return new ChunkedBody();
  const length = headers.get('content-length');
  if (length !== undefined && /^\d+$/.test(length)) return new BodyOfLength(Number(length));
  // It ends with its connection; of a refusal, that does no harm.
  if (status >= 300) return new BodyOfLength(Number.POSITIVE_INFINITY);
  throw new BrokenAnswerError('the answer does not tell its length');
}

class BodyOfLength implements Body {
  constructor(private missing: number) {}

  get isWhole(): boolean {
    return this.missing === 0;
  }

  read(piece: Buffer, take: (part: Buffer) => void): void {
    if (piece.length > this.missing) throw new BrokenAnswerError('more came than was announced');
    this.missing -= piece.length;
    if (piece.length > 0) take(piece);
  }
}

/** Each chunk has its size before it, as a line, and an empty line after it; one of no bytes and trailers end it. */
class ChunkedBody implements Body {
  isWhole = false;
  private missing = 0;
  private line = '';
  private next: 'size' | 'end of chunk' | 'trailer' = 'size';

  read(piece: Buffer, take: (part: Buffer) => void): void {
    for (let at = 0; at < piece.length; ) {
      if (this.isWhole) throw new BrokenAnswerError('more came than was announced');
      if (this.missing > 0) {
        const part = piece.subarray(at, at + this.missing);
        take(part);
        at += part.length;
        this.missing -= part.length;
      } else {
        const end = piece.indexOf('\n', at);
        this.line += piece.toString('latin1', at, end < 0 ? piece.length : end);
        if (this.line.length > LONGEST_HEAD) throw notHttp();
        at = end < 0 ? piece.length : end + 1;
        if (end >= 0) this.takeLine();
      }
    }
  }

  private takeLine(): void {
    const line = this.line.trimEnd();
    this.line = '';
    if (this.next === 'size') {
      if (!/^[0-9a-f]+( *;.*)?$/i.test(line)) throw notHttp();
      this.missing = Number.parseInt(line, 16);
      this.next = this.missing > 0 ? 'end of chunk' : 'trailer';
    } else if (this.next === 'end of chunk') {
      if (line !== '') throw notHttp();
      this.next = 'size';
    } else if (line === '') {
      this.isWhole = true;
    }
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
