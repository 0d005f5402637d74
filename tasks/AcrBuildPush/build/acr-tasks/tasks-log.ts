import { StringDecoder } from 'node:string_decoder';
import type { HttpClient } from '../../../common/http';
import type { Logger } from '../../../common/log';

/** Bytes of the log that are asked for at a time. */
const LONGEST_PART = 4 * 1024 * 1024;

/** The log of a run in Azure: a blob that grows, and says in its metadata when it is complete. */
export class RemoteLog {
  private offset = 0;
  private rest = '';
  private readonly decoder = new StringDecoder('utf8');

  /** @param link the blob's address with a signature */
  constructor(
    private readonly link: string,
    private readonly http: Pick<HttpClient, 'send'>,
    log: Logger,
    private readonly onLine: (line: string) => void,
  ) {
    const signature = new URL(link).searchParams.get('sig');
    if (signature) log.maskSecret(signature);
  }

  /** Reads what is new. The blob is not there before the run has begun. */
  async read(): Promise<{ grew: boolean; isComplete: boolean }> {
    const head = await this.http.send({ method: 'HEAD', url: this.link });
    if (head.status !== 200) return { grew: false, isComplete: false };
    const length = Number(head.headers.get('content-length') ?? 0);
    const grew = length > this.offset;
    if (grew) await this.readFrom(this.offset);
    return { grew, isComplete: head.headers.has('x-ms-meta-complete') && this.offset >= length };
  }

  /** Shows a last line without a line feed. */
  end(): void {
    this.take(this.decoder.end());
    if (this.rest) this.onLine(this.rest);
    this.rest = '';
  }

  private async readFrom(offset: number): Promise<void> {
    const answer = await this.http.send({
      method: 'GET',
      url: this.link,
      headers: { Range: `bytes=${offset}-${offset + LONGEST_PART - 1}` },
      answer: 'blob',
    });
    if (answer.status !== 206 && answer.status !== 200) return;
    const fresh = answer.status === 206 ? answer.body : answer.body.subarray(offset);
    this.offset += fresh.length;
    this.take(this.decoder.write(fresh));
  }

  private take(text: string): void {
    const lines = (this.rest + text).split('\n');
    this.rest = lines.pop()!;
    for (const line of lines) this.onLine(line.replace(/\r+$/, ''));
  }
}
