import type { HttpClient } from '../../../common/http';
import { LineReader } from '../../../common/line-reader';
import type { Logger } from '../../../common/log';

/** Bytes of the log that are asked for at a time. */
const LONGEST_PART = 4 * 1024 * 1024;

/** The log of a run in Azure: a blob that grows, and says in its metadata when it is complete. */
export class RemoteLog {
  private offset = 0;
  private readonly lines: LineReader;

  /** @param link the blob's address with a signature */
  constructor(
    private readonly link: string,
    private readonly http: Pick<HttpClient, 'send'>,
    log: Logger,
    onLine: (line: string) => void,
  ) {
    this.lines = new LineReader(onLine);
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
    this.lines.end();
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
    this.lines.add(fresh);
  }
}
