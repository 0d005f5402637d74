import { createHash } from 'node:crypto';
import type { FileHandle } from 'node:fs/promises';
import { throwIfCancelled } from '../../../common/cancel';
import type { ModelFile } from '../listing';

/** Digests of a file as it lies on the disk, in hexadecimal digits. */
export interface Digests {
  readonly sha256: string;
  readonly md5: string | undefined;
}

/** By what a file was found to be the publisher's, best first. Length and ETag hold for every file. */
export type Proof = 'SHA-256 in the version' | 'Content-MD5' | 'length and ETag';

/** What a check of a file came to. */
export type Verdict = { readonly proof: Proof } | { readonly fault: string };

/** Big enough to keep the hash busy, small enough not to hold up the other transfers. */
const PIECE = 1024 * 1024;

/** Reads a file from its start and digests it; MD5 too, where there is one to compare with. */
export async function digestFile(
  handle: FileHandle,
  { md5: withMd5 }: { md5: boolean },
  signal: AbortSignal,
): Promise<Digests> {
  const sha256 = createHash('sha256');
  const md5 = withMd5 ? createHash('md5') : undefined;
  const { size } = await handle.stat();
  const buffer = Buffer.allocUnsafe(Math.min(PIECE, size));
  for (let position = 0; position < size; ) {
    throwIfCancelled(signal);
    const { bytesRead } = await handle.read(buffer, 0, buffer.length, position);
    if (bytesRead === 0) break;
    const piece = buffer.subarray(0, bytesRead);
    sha256.update(piece);
    md5?.update(piece);
    position += bytesRead;
  }
  return { sha256: sha256.digest('hex'), md5: md5?.digest('hex') };
}

/**
 * Compares a file with the best that the registry tells about it.
 *
 * @param declared the SHA-256 that the version itself states for the file
 */
export function verify(file: ModelFile, digests: Digests, declared: string | undefined): Verdict {
  if (file.md5 !== null && digests.md5 !== file.md5) {
    return { fault: `its MD5 is ${digests.md5}, but ${file.md5} is stored with the blob` };
  }
  if (declared !== undefined && digests.sha256 !== declared) {
    return { fault: `its SHA-256 is ${digests.sha256}, but the version states ${declared}` };
  }
  if (declared !== undefined) return { proof: 'SHA-256 in the version' };
  return { proof: file.md5 === null ? 'length and ETag' : 'Content-MD5' };
}
