import { createHash, type Hash, randomBytes, randomUUID } from 'node:crypto';
import { createReadStream, mkdirSync, type ReadStream, rmSync } from 'node:fs';
import { open, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';

/** A blob that is being sent. Its bytes are on disk and in the running hash, in the same order. */
export interface Upload {
  readonly id: string;
  readonly repository: string;
  /** Comes back with every request of the upload, in the address that the registry gave out. */
  readonly state: string;
  readonly file: string;
  readonly hash: Hash;
  received: number;
  /** Whether a request is adding bytes right now. */
  busy: boolean;
}

/** Blobs by digest, as files; nothing is ever held in memory as a whole but manifests. */
export class BlobStore {
  private readonly blobs: string;
  private readonly incoming: string;
  private readonly uploads = new Map<string, Upload>();

  constructor(folder: string) {
    this.blobs = join(folder, 'blobs');
    this.incoming = join(folder, 'uploads');
    mkdirSync(this.blobs, { recursive: true });
    rmSync(this.incoming, { recursive: true, force: true });
    mkdirSync(this.incoming);
  }

  /** Bytes. */
  async size(digest: string): Promise<number> {
    return (await stat(this.path(digest))).size;
  }

  read(digest: string, first: number, last: number): ReadStream {
    return createReadStream(this.path(digest), { start: first, end: last });
  }

  readWhole(digest: string): Promise<Buffer> {
    return readFile(this.path(digest));
  }

  /** Stores a small blob and returns its digest. */
  async write(content: Buffer, algorithm = 'sha256'): Promise<string> {
    const digest = `${algorithm}:${createHash(algorithm).update(content).digest('hex')}`;
    const file = join(this.incoming, randomUUID());
    await writeFile(file, content);
    await rename(file, this.path(digest));
    return digest;
  }

  async startUpload(repository: string): Promise<Upload> {
    const id = randomUUID();
    const file = join(this.incoming, id);
    await writeFile(file, '');
    const state = randomBytes(32).toString('base64url');
    const upload = { id, repository, state, file, hash: createHash('sha256'), received: 0, busy: false };
    this.uploads.set(id, upload);
    return upload;
  }

  findUpload(id: string): Upload | undefined {
    return this.uploads.get(id);
  }

  /** Adds bytes to an upload. When the sender breaks off, what came before stays and can be continued from. */
  async append(upload: Upload, content: AsyncIterable<Buffer>): Promise<void> {
    upload.busy = true;
    const file = await open(upload.file, 'a');
    try {
      for await (const chunk of content) {
        await file.writeFile(chunk);
        upload.hash.update(chunk);
        upload.received += chunk.length;
      }
    } finally {
      upload.busy = false;
      await file.close();
    }
  }

  /** Turns an upload into a blob. Either way the upload is over; false when its content has another digest. */
  async finishUpload(upload: Upload, digest: string): Promise<boolean> {
    this.uploads.delete(upload.id);
    if ((await digestOf(upload, algorithmOf(digest))) !== digest) {
      await rm(upload.file, { force: true });
      return false;
    }
    await rename(upload.file, this.path(digest));
    return true;
  }

  async cancelUpload(upload: Upload): Promise<void> {
    this.uploads.delete(upload.id);
    await rm(upload.file, { force: true });
  }

  private path(digest: string): string {
    return join(this.blobs, digest.slice(digest.indexOf(':') + 1));
  }
}

/** `sha256` of `sha256:0a1b…`. */
export function algorithmOf(digest: string): string {
  return digest.slice(0, digest.indexOf(':'));
}

/** Nearly everybody wants SHA-256, which is at hand; for another, the file is read once more. */
async function digestOf({ hash, file }: Upload, algorithm: string): Promise<string> {
  const whole = algorithm === 'sha256' ? hash : createHash(algorithm);
  if (whole !== hash) await pipeline(createReadStream(file), whole);
  return `${algorithm}:${whole.digest('hex')}`;
}
