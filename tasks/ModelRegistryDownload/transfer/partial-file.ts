import { closeSync, constants, ftruncateSync, futimesSync, writeSync } from 'node:fs';
import type { Range } from '../registry/container';
import type { ModelFile } from '../registry/listing';

/** Bytes of one request. Sixteen of these at once fill a link of 20 ms and 60 MB/s a connection; 4 MiB lose a tenth. */
export const RANGE = 8 * 1024 * 1024;

/** Where files can be opened by their paths, and no link is followed. */
export interface FileOpener {
  /** @returns a descriptor, which the caller closes */
  openFile(path: string, flags: number, options: { readonly make: boolean }): number;
}

/** A file of the new model on its way to the disk. A big one has its full size at once, and is written in any order. */
export class PartialFile {
  private descriptor: number | undefined;
  private readonly finished: Set<number>;
  /** Everything before it has come. */
  private reached = 0;

  /** @param finished ranges that an earlier step has brought; those of another size are brought again */
  constructor(
    readonly file: ModelFile,
    private readonly folder: FileOpener,
    finished: readonly Range[],
    /** Bytes of one request for it. */
    private readonly rangeSize = RANGE,
  ) {
    const isOurs = ({ offset, length }: Range) =>
      offset % rangeSize === 0 && length === Math.min(rangeSize, file.size - offset);
    this.finished = new Set(finished.filter(isOurs).map(({ offset }) => offset));
  }

  /** The ranges that have not come. The service refuses any range of an empty blob; its one here is 0 bytes long. */
  *missingRanges(): Generator<Range> {
    const { size } = this.file;
    for (let offset = 0; offset === 0 || offset < size; offset += this.rangeSize) {
      if (!this.finished.has(offset)) yield { offset, length: Math.min(this.rangeSize, size - offset) };
    }
  }

  /** Its descriptor. Opens it at the first call; all of this is in the system's cache, and takes microseconds. */
  open(): number {
    this.descriptor ??= this.finished.size > 0 ? this.openAs(0) : this.create();
    return this.descriptor;
  }

  /** Writes all of some bytes to a position. */
  write(piece: Buffer, position: number): void {
    const descriptor = this.open();
    for (let done = 0; done < piece.length; ) {
      done += writeSync(descriptor, piece, done, piece.length - done, position + done);
    }
  }

  /** Takes note that a range is on the disk. */
  finishRange({ offset }: Range): void {
    this.finished.add(offset);
  }

  /** The position up to which everything is there. */
  frontier(): number {
    while (this.reached < this.file.size && this.finished.has(this.reached)) this.reached += this.rangeSize;
    return Math.min(this.reached, this.file.size);
  }

  isWhole(): boolean {
    return this.finished.size >= Math.max(1, Math.ceil(this.file.size / this.rangeSize));
  }

  /** Closes it with the time of its blob, by which a later step can tell that nobody has touched it. */
  finish(): void {
    const { lastModified } = this.file;
    futimesSync(this.open(), lastModified, lastModified);
    this.close();
  }

  close(): void {
    if (this.descriptor !== undefined) closeSync(this.descriptor);
    this.descriptor = undefined;
  }

  private create(): number {
    const descriptor = this.openAs(constants.O_CREAT | constants.O_TRUNC);
    if (this.file.size > this.rangeSize) ftruncateSync(descriptor, this.file.size);
    return descriptor;
  }

  private openAs(flags: number): number {
    return this.folder.openFile(this.file.path, constants.O_RDWR | flags, { make: true });
  }
}
