import type { EventEmitter } from 'node:events';
import { read } from 'node:fs';
import { promisify } from 'node:util';
import { createGunzip, createInflate, createInflateRaw } from 'node:zlib';
import { formatBytes } from '../../common/text';

const readFile = promisify(read);

/** Bytes that are brought at a time. */
const PIECE = 256 * 1024;

/** Part of an open file, or of memory: what can be read at any place. */
export interface Content {
  readonly size: number;
  /** Fewer bytes only at its end. */
  read(offset: number, length: number): Promise<Buffer>;
}

/** @param file its descriptor, which stays open */
export function fileContent(file: number, start: number, size: number): Content {
  return {
    size,
    async read(offset, length) {
      const most = Math.max(0, Math.min(length, size - offset));
      const buffer = Buffer.allocUnsafe(most);
      let done = 0;
      while (done < most) {
        const { bytesRead } = await readFile(file, buffer, done, most - done, start + offset + done);
        if (bytesRead === 0) break;
        done += bytesRead;
      }
      return buffer.subarray(0, done);
    },
  };
}

export function memoryContent(buffer: Buffer): Content {
  return {
    size: buffer.length,
    read: async (offset, length) => buffer.subarray(offset, offset + length),
  };
}

/** A part of a content. */
export function slice(content: Content, start: number, size: number): Content {
  return {
    size,
    read: (offset, length) => content.read(start + offset, Math.max(0, Math.min(length, size - offset))),
  };
}

/** Where a reader's bytes come from, piece by piece. */
export interface Source {
  /** The next piece; undefined at the end. */
  next(): Promise<Buffer | undefined>;
  /** Passes over bytes without bringing them, where that can be done. */
  pass?(count: number): number;
  close(): Promise<void>;
}

export function sourceOf(content: Content): Source {
  let offset = 0;
  return {
    async next() {
      const piece = await content.read(offset, PIECE);
      offset += piece.length;
      return piece.length > 0 ? piece : undefined;
    },
    pass(count) {
      const passed = Math.min(count, content.size - offset);
      offset += passed;
      return passed;
    },
    async close() {},
  };
}

/**
 * What a compressed source unpacks to. All members of a gzip file are one content, as they are for Python.
 *
 * @param most bytes that it may come to
 */
export function inflated(source: Source, kind: 'zlib' | 'gzip' | 'raw', most: number): Source {
  const stream = kind === 'raw' ? createInflateRaw() : kind === 'gzip' ? createGunzip() : createInflate();
  let given = 0;
  let total = 0;
  const feed = async () => {
    for (let piece = await source.next(); piece && !stream.destroyed; piece = await source.next()) {
      given += piece.length;
      if (!stream.write(piece)) await anyOf(stream, ['drain', 'close', 'end']);
    }
    stream.end();
  };
  const feeding = feed().catch((error) => void stream.destroy(error));
  const pieces = stream[Symbol.asyncIterator]();
  return {
    async next() {
      const { value, done } = await pieces.next();
      if (done) {
        // Python goes on with a second stream behind the first; Node ends there, without a word.
        if (stream.bytesWritten < given || (await source.next()))
          throw new Error('something follows the compressed data');
        return undefined;
      }
      total += (value as Buffer).length;
      if (total > most) throw new Error(`it unpacks to more than ${formatBytes(most)}`);
      return value as Buffer;
    },
    async close() {
      stream.destroy();
      await feeding;
      await source.close();
    },
  };
}

function anyOf(emitter: EventEmitter, events: readonly string[]): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      for (const event of events) emitter.off(event, done);
      resolve();
    };
    for (const event of events) emitter.on(event, done);
  });
}

/** Reads a source's bytes in order. Where `left` is enough, nothing has to be waited for. */
export class ByteReader {
  private piece: Buffer = Buffer.alloc(0);
  private at = 0;
  /** Offset of the piece. */
  private base = 0;
  private isEnded = false;

  constructor(private readonly source: Source) {}

  /** Of the next byte. */
  get position(): number {
    return this.base + this.at;
  }

  /** Bytes at hand. */
  get left(): number {
    return this.piece.length - this.at;
  }

  /** Sees to it that so many bytes are at hand; false where the source has fewer. */
  async need(count: number): Promise<boolean> {
    while (this.left < count && !this.isEnded) {
      const next = await this.source.next();
      if (!next) {
        this.isEnded = true;
        break;
      }
      const rest = this.piece.subarray(this.at);
      this.base += this.at;
      this.at = 0;
      this.piece = rest.length === 0 ? next : Buffer.concat([rest, next]);
    }
    return this.left >= count;
  }

  /** The bytes at hand, to be looked at. */
  peek(count: number): Buffer {
    return this.piece.subarray(this.at, this.at + count);
  }

  byte(): number {
    return this.piece[this.at++]!;
  }

  uint(bytes: 1 | 2 | 4): number {
    const value = this.piece.readUIntLE(this.at, bytes);
    this.at += bytes;
    return value;
  }

  int32(): number {
    this.at += 4;
    return this.piece.readInt32LE(this.at - 4);
  }

  take(count: number): Buffer {
    this.at += count;
    return this.piece.subarray(this.at - count, this.at);
  }

  /** Passes over bytes; false where the source has fewer. */
  async skip(count: number): Promise<boolean> {
    let rest = count;
    for (;;) {
      const here = Math.min(rest, this.left);
      this.at += here;
      rest -= here;
      if (rest === 0) return true;
      const passed = this.source.pass?.(rest) ?? 0;
      this.base += this.piece.length + passed;
      this.piece = this.piece.subarray(0, 0);
      this.at = 0;
      rest -= passed;
      if (rest > 0 && !(await this.need(1))) return false;
    }
  }

  /** A line without its end; undefined where no end comes. Of one that is longer than `most`, the beginning. */
  async line(most: number): Promise<Buffer | undefined> {
    let begun: Buffer = Buffer.alloc(0);
    for (;;) {
      const end = this.piece.indexOf(10, this.at);
      const part = this.piece.subarray(this.at, end === -1 ? undefined : end);
      if (begun.length <= most) begun = Buffer.concat([begun, part.subarray(0, most + 1)]);
      this.at = end === -1 ? this.piece.length : end + 1;
      if (end !== -1) return begun;
      if (!(await this.need(1))) return undefined;
    }
  }
}
