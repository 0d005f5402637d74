import { createHash } from 'node:crypto';
import { Readable, Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import * as zlib from 'node:zlib';
import { throwIfCancelled } from '../../common/cancel';
import { describeError, TaskError } from '../../common/errors';
import type { Layer, LocalLayer } from '../image/image';
import { readTar, type Sink, type TarMember } from './tar-reader';

/** Bytes that come unpacked at once: with Node's default of 16 KiB, a layer takes twice as long. */
const CHUNK = 256 * 1024;

const REMEDY =
  'Run the step again; if that does not help, have the base image built and pushed again, or use another one.';

/**
 * Reads all of a layer as it streams by, in whatever form it is stored.
 *
 * @param onMember told of every member; what it returns gets the member's bytes, which are passed over otherwise
 * @throws TaskError when the layer can't be read or is not what its digest says; CancelledError
 */
export async function readLayer(
  layer: Layer,
  onMember: (member: TarMember) => Sink | undefined,
  signal: AbortSignal,
): Promise<void> {
  const digest = layer.kind === 'local' ? layer.diffId : layer.descriptor.digest;
  const hash = createHash('sha256');
  const check = new Transform({
    transform(chunk: Buffer, _encoding, done) {
      hash.update(chunk);
      done(null, chunk);
    },
  });
  const collect = async (chunks: AsyncIterable<Buffer>) => readTar(chunks, onMember);
  let source: Readable | undefined;
  try {
    source = await layer.open();
    const { magic, stream } = await peek(source);
    const unpack = decompressor(magic);
    await (unpack
      ? pipeline(stream, check, unpack, collect, { signal })
      : pipeline(stream, check, collect, { signal }));
  } catch (error) {
    throwIfCancelled(signal);
    if (error instanceof TaskError) throw error;
    throw new TaskError(
      `Layer ${digest} of the base image can't be read: ${describeError(error)}. ${REMEDY}`,
      {
        cause: error,
      },
    );
  } finally {
    source?.destroy();
  }
  if (`sha256:${hash.digest('hex')}` !== digest) {
    throw new TaskError(
      `Layer ${digest} of the base image arrived damaged: its bytes don't match its digest. ${REMEDY}`,
    );
  }
}

/**
 * Looks through a layer whose tar can be read from any byte on, and passes over the bytes of large files without
 * reading them. They are not held against the digest.
 *
 * @throws Error when it can't be read
 */
export async function lookThroughLayer(
  layer: LocalLayer,
  onMember: (member: TarMember) => Sink | undefined,
): Promise<void> {
  const tar = new LocalTar(layer);
  try {
    await readTar(tar, onMember);
  } finally {
    tar.close();
  }
}

/** A tar of this machine, as chunks, of which some can be left out. */
class LocalTar implements AsyncIterable<Buffer> {
  private at = 0;
  private stream: Readable | undefined;
  private chunks: AsyncIterator<Buffer> | undefined;

  constructor(private readonly layer: LocalLayer) {}

  async *[Symbol.asyncIterator](): AsyncGenerator<Buffer> {
    for (;;) {
      if (!this.chunks) {
        this.stream = this.layer.open(this.at);
        this.chunks = this.stream[Symbol.asyncIterator]();
      }
      const { done, value } = await this.chunks.next();
      if (done) return;
      this.at += value.length;
      yield value;
    }
  }

  /** Has the next chunk begin so many bytes later. */
  leaveOut(bytes: number): void {
    this.close();
    this.chunks = undefined;
    this.at += bytes;
  }

  close(): void {
    this.stream?.destroy();
  }
}

/** The first bytes of a stream, and all of it. Whoever opened the stream closes it. */
async function peek(stream: Readable): Promise<{ magic: string; stream: Readable }> {
  const chunks = stream[Symbol.asyncIterator]();
  const first = await chunks.next();
  async function* all() {
    for (let next = first; !next.done; next = await chunks.next()) yield next.value as Buffer;
  }
  const magic = first.done ? '' : (first.value as Buffer).toString('latin1', 0, 4);
  return { magic, stream: Readable.from(all(), { objectMode: false, highWaterMark: CHUNK }) };
}

/** What unpacks a layer. As engines do, it goes by how the bytes begin: media types are wrong now and then. */
function decompressor(magic: string): Transform | undefined {
  if (magic.startsWith('\x1f\x8b')) return zlib.createGunzip({ chunkSize: CHUNK });
  if (magic !== '\x28\xb5\x2f\xfd') return undefined;
  // Node has it from version 22.15 on.
  const { createZstdDecompress } = zlib as unknown as { createZstdDecompress?: () => Transform };
  if (createZstdDecompress) return createZstdDecompress();
  throw new TaskError(
    "The base image is compressed with zstd, which this version of Node.js does not know. Set input 'builder' to 'docker', or take an image that is compressed with gzip.",
  );
}
