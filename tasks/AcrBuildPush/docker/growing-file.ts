import { EventEmitter, once } from 'node:events';
import { type FileHandle, open } from 'node:fs/promises';
import { Readable } from 'node:stream';
import { awaitedLater } from '../../common/awaited-later';

/** Bytes that are written and read at once. */
const PIECE = 1024 * 1024;

/** A file that can be read, from any place and as often as it takes, while it is still being written. */
export class GrowingFile {
  private handle: FileHandle | undefined;
  private parts: Buffer[] = [];
  private waiting = 0;
  private writing: Promise<void> = Promise.resolve();
  /** Bytes that are in the file. */
  private length = 0;
  private isWhole = false;
  private failure: Error | undefined;
  private readonly changes = new EventEmitter().setMaxListeners(0);

  /** @param path where there is no file yet */
  constructor(private readonly path: string) {}

  /** Adds to the file. Writes one piece while the next is put together, and holds no more than these two. */
  async append(chunk: Buffer): Promise<void> {
    this.parts.push(chunk);
    this.waiting += chunk.length;
    if (this.waiting >= PIECE) await this.flush();
  }

  /** Says that the file is whole. */
  async end(): Promise<void> {
    await this.flush();
    await this.writing;
    this.isWhole = true;
    this.changes.emit('change');
  }

  /** Ends all readers with an error, also those of a file that is whole: it is about to be closed. */
  fail(error: Error): void {
    this.failure = error;
    this.changes.emit('change');
  }

  /** Closes the file, which nobody may read any more. */
  async close(): Promise<void> {
    await this.writing.catch(() => undefined);
    await this.handle?.close();
  }

  /** The file from byte `start` on, up to its end, which may still have to be written. */
  open(start = 0): Readable {
    return Readable.from(this.pieces(start), { objectMode: false, highWaterMark: PIECE });
  }

  private async flush(): Promise<void> {
    await this.writing;
    const content = Buffer.concat(this.parts);
    this.parts = [];
    this.waiting = 0;
    this.writing = awaitedLater(this.write(content));
  }

  private async write(content: Buffer): Promise<void> {
    this.handle ??= await open(this.path, 'wx+', 0o600);
    await this.handle.appendFile(content);
    this.length += content.length;
    this.changes.emit('change');
  }

  private async *pieces(start: number): AsyncGenerator<Buffer> {
    for (let at = start; ; ) {
      while (this.length - at < PIECE && !this.isWhole && !this.failure) await once(this.changes, 'change');
      if (this.failure) throw this.failure;
      const size = Math.min(PIECE, this.length - at);
      if (size <= 0) return;
      const { buffer, bytesRead } = await this.handle!.read(Buffer.allocUnsafe(size), 0, size, at);
      at += bytesRead;
      yield buffer.subarray(0, bytesRead);
    }
  }
}
