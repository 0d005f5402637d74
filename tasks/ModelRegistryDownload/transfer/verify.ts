import { createHash, type Hash, hash } from 'node:crypto';
import { readSync } from 'node:fs';
import { throwIfCancelled } from '../../common/cancel';
import type { LeastProof } from '../registry/container';

/** Digests of a file as it lies on the disk, in hexadecimal digits. */
export interface Digests {
  readonly sha256: string;
  readonly md5: string | undefined;
}

/** By what a file was found to be the publisher's, best first. Length and state hold for every file. */
export type Proof =
  | 'SHA-256 in the version'
  | 'Content-MD5'
  | 'MD5 in the version'
  | 'CRC64 of each part'
  | LeastProof;

/** What a version itself says that a file's digests are, in hexadecimal digits. */
export interface StatedDigests {
  readonly sha256?: string;
  readonly md5?: string;
}

/** What a check of a file came to. */
export type Verdict = Proven | Fault;

export interface Proven {
  readonly proof: Proof;
  /** Whether the MD5 that is stored with the blob is not of its content, though something surer proves the file. */
  readonly isStale: boolean;
}

/** Why a file is not what the registry tells of it. */
export interface Fault {
  /** As the end of a sentence. */
  readonly fault: string;
  /** Whose word the file does not agree with. */
  readonly by: 'registry' | 'version';
}

/** Bytes that are read at a time: they stay in the processor's cache on their way to the hash. */
const PIECE = 256 * 1024;

/** Bytes after which other work gets its turn. */
const TURN = 8 * 1024 * 1024;

/** What is read goes through here: it is used within one turn, and one turn only. */
const buffer = Buffer.allocUnsafeSlow(PIECE);

/** Digests an open file from its start; MD5 too, where there is one to compare with. */
export class FileDigest {
  private readonly sha256 = createHash('sha256');
  private readonly md5: Hash | undefined;
  private position = 0;

  /** @param file its descriptor */
  constructor(
    private readonly file: number,
    withMd5: boolean,
  ) {
    this.md5 = withMd5 ? createHash('md5') : undefined;
  }

  /** Reads on, up to a position or the end of the file. */
  readTo(end: number): void {
    while (this.position < end) {
      const most = Math.min(buffer.length, end - this.position);
      const count = readSync(this.file, buffer, 0, most, this.position);
      if (count === 0) return;
      const piece = buffer.subarray(0, count);
      this.sha256.update(piece);
      this.md5?.update(piece);
      this.position += count;
    }
  }

  finish(): Digests {
    return { sha256: this.sha256.digest('hex'), md5: this.md5?.digest('hex') };
  }
}

/** Digests a whole file in this thread, and lets other work have its turn in between. */
export async function digestFile(
  file: number,
  size: number,
  { md5 }: { md5: boolean },
  signal: AbortSignal,
): Promise<Digests> {
  if (size <= PIECE) return digestSmall(file, size, md5);
  const digest = new FileDigest(file, md5);
  for (let end = Math.min(TURN, size); ; end = Math.min(end + TURN, size)) {
    throwIfCancelled(signal);
    digest.readTo(end);
    if (end === size) return digest.finish();
    await new Promise((resolve) => setImmediate(resolve));
  }
}

/** As {@link digestFile}, for what fits into the buffer: it is much of the work that a small file makes. */
function digestSmall(file: number, size: number, md5: boolean): Digests {
  const content = buffer.subarray(0, readSync(file, buffer, 0, size, 0));
  return { sha256: hash('sha256', content), md5: md5 ? hash('md5', content) : undefined };
}

/**
 * Compares a file with the best that the registry tells about it.
 *
 * @param stated what the version says of the file
 * @param partsChecked whether each part was compared on its way
 * @param leastProof what holds for it already
 */
export function verify(
  { md5 }: { readonly md5: string | null },
  digests: Digests,
  stated: StatedDigests,
  { partsChecked, leastProof }: { readonly partsChecked: boolean; readonly leastProof: LeastProof },
): Verdict {
  const isStale = md5 !== null && digests.md5 !== md5;
  if (stated.sha256 !== undefined) {
    return digests.sha256 === stated.sha256
      ? { proof: 'SHA-256 in the version', isStale }
      : { fault: `its SHA-256 is ${digests.sha256}, but the version states ${stated.sha256}`, by: 'version' };
  }
  // Whoever replaced the content and left the blob's MD5 may have told the right one in the version.
  if (isStale && stated.md5 !== undefined && digests.md5 === stated.md5) {
    return { proof: 'MD5 in the version', isStale };
  }
  if (isStale)
    return { fault: `its MD5 is ${digests.md5}, but ${md5} is stored with the blob`, by: 'registry' };
  if (stated.md5 !== undefined && digests.md5 !== stated.md5) {
    return { fault: `its MD5 is ${digests.md5}, but the version states ${stated.md5}`, by: 'version' };
  }
  if (md5 !== null) return { proof: 'Content-MD5', isStale };
  if (stated.md5 !== undefined) return { proof: 'MD5 in the version', isStale };
  return { proof: partsChecked ? 'CRC64 of each part' : leastProof, isStale };
}
