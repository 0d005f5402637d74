import { createHash } from 'node:crypto';
import { availableParallelism } from 'node:os';
import { Readable } from 'node:stream';
import { promisify } from 'node:util';
import { gzip } from 'node:zlib';
import { awaitedLater } from '../../common/awaited-later';
import type { LocalLayer } from '../image/image';
import type { BlobSource } from '../registry/send-blob';

const compress = promisify(gzip);

/**
 * The best trade by far: level 6 takes six times as long to save three more percent of model data. A larger hash table and
 * a smaller window than usual are a fifth faster at the same size.
 */
const SETTINGS = { level: 1, memLevel: 9, windowBits: 14 };

/** Bytes that are compressed as one piece; smaller ones cost compression, larger ones memory. */
export const MEMBER_SIZE = 512 * 1024;

/** Pieces in work at once: enough for all cores, and one more while the first is being sent. */
const MEMBERS_AT_ONCE = availableParallelism() + 1;

/** As many pieces as Node compresses at once show the speed of all cores; the second time, what came between can be told. */
const HEAD_MEMBERS = Math.min(4, availableParallelism());
const HEAD_ROUNDS = 2;

/** Where a gzip header names the operating system, and its value for "unknown": the same bytes on every agent. */
const OS_BYTE = 9;
const UNKNOWN_OS = 255;

/** Compresses some bytes to one gzip member. */
export async function gzipMember(content: Buffer): Promise<Buffer> {
  const member = await compress(content, { ...SETTINGS, chunkSize: MEMBER_SIZE });
  member[OS_BYTE] = UNKNOWN_OS;
  return member;
}

/**
 * A layer as gzip, compressed on all cores while it is sent: its pieces become members of their own, which
 * decompressors join (RFC 1952). Nothing is kept but where each member ends, so that a broken upload goes on by
 * compressing again no more than the member it broke in.
 */
export class GzippedLayer implements BlobSource {
  /** Bytes of the compressed blob, once all of it was read. */
  size: number | undefined;
  private readonly hash = createHash('sha256');
  private hashed = 0;
  /** Where the members begin in the compressed blob. */
  private readonly starts = [0];
  private result: string | undefined;

  constructor(
    readonly name: string,
    private readonly layer: LocalLayer,
  ) {}

  digest(): string {
    this.result ??= `sha256:${this.hash.digest('hex')}`;
    return this.result;
  }

  open(start: number): Readable {
    return Readable.from(this.members(start), { objectMode: false });
  }

  /** Compresses the first pieces, and tells how many bytes a second that gets through when nothing comes between. */
  async head(now = () => performance.now()): Promise<{ content: Buffer; speed: number }> {
    const first: Buffer[] = [];
    for await (const piece of pieces(this.layer.open(), true)) {
      first.push(piece);
      if (first.length === HEAD_MEMBERS * HEAD_ROUNDS) break;
    }
    const members: Buffer[] = [];
    let speed = 0;
    for (let at = 0; at < first.length; at += HEAD_MEMBERS) {
      const round = first.slice(at, at + HEAD_MEMBERS);
      const bytes = round.reduce((sum, { length }) => sum + length, 0);
      const begin = now();
      members.push(...(await Promise.all(round.map(gzipMember))));
      const milliseconds = Math.max(1, now() - begin);
      speed = Math.max(speed, (bytes / milliseconds) * 1000);
    }
    for (const [index, member] of members.entries()) this.note(index, member);
    return { content: Buffer.concat(members), speed };
  }

  private async *members(start: number): AsyncGenerator<Buffer> {
    let index = this.starts.findLastIndex((begin) => begin <= start);
    const content = this.layer.open(index * MEMBER_SIZE);
    try {
      for await (const member of inOrder(pieces(content, index === 0), gzipMember)) {
        const begin = this.starts[index]!;
        this.note(index++, member);
        if (begin + member.length <= start) continue;
        yield member.subarray(Math.max(0, start - begin));
      }
      this.size = this.hashed;
    } finally {
      content.destroy();
    }
  }

  /** Takes in where a member ends; each of them is made in order the first time. */
  private note(index: number, member: Buffer): void {
    const end = this.starts[index]! + member.length;
    if (end <= this.hashed) return;
    this.hash.update(member);
    this.hashed = end;
    this.starts.push(end);
  }
}

/** Cuts a stream into pieces of the same size but for the last. An empty stream is one piece where it must be. */
async function* pieces(content: Readable, evenIfEmpty: boolean): AsyncGenerator<Buffer> {
  let parts: Buffer[] = [];
  let length = 0;
  let given = 0;
  for await (let chunk of content as AsyncIterable<Buffer>) {
    while (length + chunk.length >= MEMBER_SIZE) {
      const head = chunk.subarray(0, MEMBER_SIZE - length);
      chunk = chunk.subarray(head.length);
      yield Buffer.concat([...parts, head]);
      parts = [];
      length = 0;
      given += 1;
    }
    if (chunk.length > 0) parts.push(chunk);
    length += chunk.length;
  }
  if (length > 0 || (given === 0 && evenIfEmpty)) yield Buffer.concat(parts);
}

/** Works on several items at once, and gives the results in the items' order. */
async function* inOrder<T, R>(items: AsyncIterable<T>, work: (item: T) => Promise<R>): AsyncGenerator<R> {
  const running: Promise<R>[] = [];
  for await (const item of items) {
    running.push(awaitedLater(work(item)));
    if (running.length >= MEMBERS_AT_ONCE) yield await running.shift()!;
  }
  while (running.length > 0) yield await running.shift()!;
}
