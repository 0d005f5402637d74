import { type FileHandle, mkdir, open } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { ModelFile } from '../listing';
import { type Digests, digestFile } from './verify';

/** A file of the new model on its way to the disk. Made at its full size at once, and written in any order. */
export class PartialFile {
  private readonly path: string;
  private handle: Promise<FileHandle> | undefined;
  /** Bytes of the ranges that have not come to their end. */
  private missing: number;

  constructor(
    readonly file: ModelFile,
    folder: string,
  ) {
    this.path = join(folder, file.path);
    this.missing = file.size;
  }

  async write(piece: Buffer, position: number): Promise<void> {
    const handle = await this.open();
    for (let done = 0; done < piece.length; ) {
      const { bytesWritten } = await handle.write(piece, done, piece.length - done, position + done);
      done += bytesWritten;
    }
  }

  /** Takes note that a range has come to its end; true, once, when it was the last. */
  finishRange(length: number): boolean {
    this.missing -= length;
    return this.missing === 0;
  }

  /** Reads the file back from the disk: what counts is what arrived there. */
  async digest(signal: AbortSignal): Promise<Digests> {
    return digestFile(await this.open(), { md5: this.file.md5 !== null }, signal);
  }

  async close(): Promise<void> {
    // A file that could not be opened has already failed the transfer.
    const handle = await this.handle?.catch(() => undefined);
    this.handle = undefined;
    await handle?.close();
  }

  private open(): Promise<FileHandle> {
    this.handle ??= this.create();
    return this.handle;
  }

  private async create(): Promise<FileHandle> {
    await mkdir(dirname(this.path), { recursive: true });
    const handle = await open(this.path, 'w+');
    await handle.truncate(this.file.size);
    return handle;
  }
}
