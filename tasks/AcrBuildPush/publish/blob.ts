import { Readable } from 'node:stream';
import { type Descriptor, digestOfBytes } from '../image/image';
import type { UploadOptions } from '../registry/send-blob';
import type { Place } from './destination';

/** A blob that fits into memory. */
export interface SmallBlob {
  /** What it is, as messages name it: `The configuration`. */
  readonly name: string;
  readonly mediaType: string;
  readonly content: Buffer;
}

export interface BlobOptions extends UploadOptions {
  /** Whether the registry can't have it, so that it need not be asked. */
  readonly isNew?: boolean | undefined;
}

/** Brings a blob into the repository, unless it is there. */
export async function publishBlob(
  { registry, uploads }: Place,
  { name, mediaType, content }: SmallBlob,
  options: BlobOptions,
): Promise<{ readonly descriptor: Descriptor; readonly sentBytes: number }> {
  const digest = digestOfBytes(content);
  const descriptor = { mediaType, digest, size: content.length };
  const isThere = !options.isNew && (await registry.hasBlob(digest, options.signal));
  if (isThere) return { descriptor, sentBytes: 0 };
  const source = {
    name,
    size: content.length,
    digest: () => digest,
    open: (start: number) => Readable.from([content.subarray(start)], { objectMode: false }),
  };
  return { descriptor, sentBytes: await uploads.send(source, options) };
}
