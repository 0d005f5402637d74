import { Readable } from 'node:stream';
import { sleep } from '../../common/cancel';
import { describeError, TaskError } from '../../common/errors';
import { ConnectionError, type HttpAnswer } from '../../common/http';
import type { Logger } from '../../common/log';
import type { RegistryClient } from './client';
import { hasOtherBytes, isLost, isStored, isTaken, type Outcome, STORED } from './upload-outcome';
import type { UploadSession } from './upload-session';

/* How the bytes of a blob go to a registry by an upload that has begun there, in one try. */

/** The bytes of a blob that is to be uploaded. */
export interface BlobSource {
  /** What it is, as messages name it: `the configuration`. */
  readonly name: string;
  /** Known once the whole blob was read. */
  digest(): string;
  /** Bytes; undefined where only reading it tells, until it was read. */
  readonly size: number | undefined;
  /** The blob from byte `start` on; the same bytes each time. */
  open(start: number): Readable | Promise<Readable>;
}

export interface UploadOptions {
  readonly log: Logger;
  readonly signal: AbortSignal;
  readonly sleep?: typeof sleep | undefined;
  /** Milliseconds without a byte moving after which a connection is given up. */
  readonly idleTimeout?: number | undefined;
}

/** A registry may have to read a large blob once more before it answers to the last request. Milliseconds. */
const COMMIT_LIMIT = 300_000;

/** Between two looks at an upload that may still grow. Milliseconds. */
const SETTLE_TIME = 1_000;

/** How often an upload that a registry does not know is looked for: of several servers, one may not know it yet. */
const LOOKS = 3;

/** What came of a try, and the bytes that were sent in it. */
export interface Sent {
  readonly outcome: Outcome;
  readonly bytes: number;
}

/** Sends what a registry lacks of a blob, and has it stored. */
export async function sendRest(
  registry: RegistryClient,
  session: UploadSession,
  source: BlobSource,
  options: UploadOptions,
): Promise<Sent> {
  let bytes = 0;
  // Some registries take an empty stream for none.
  if (!isWhole(session, source)) {
    const { offset } = session;
    const sent = await sendBytes('PATCH', registry, session, source, options);
    bytes = sent.bytes;
    if (!isTaken(sent.outcome)) return sent;
    session.follow(sent.outcome, offset + bytes);
    if (session.offset !== offset + bytes) return sent;
  }
  return { outcome: await store(registry, session, source, options), bytes };
}

/** Says that an upload is whole. Where the answer to that was lost, the blob itself is the answer. */
async function store(
  registry: RegistryClient,
  session: UploadSession,
  source: BlobSource,
  { signal }: UploadOptions,
): Promise<HttpAnswer> {
  const digest = source.digest();
  const answer = await registry.send(session.closingAddress(digest), {
    method: 'PUT',
    repeatable: true,
    idleTimeout: COMMIT_LIMIT,
    signal,
  });
  if (isStored(answer)) return answer;
  if (await registry.hasBlob(digest, signal)) return { ...answer, status: STORED };
  if (isLost(answer) || hasOtherBytes(answer)) return answer;
  throw registry.refusal(answer, `store ${source.name}`);
}

/** Sends a blob from the byte on that an upload has reached. */
export async function sendBytes(
  method: 'PATCH' | 'PUT',
  registry: RegistryClient,
  session: UploadSession,
  source: BlobSource,
  { signal, idleTimeout }: UploadOptions,
): Promise<Sent> {
  const { offset } = session;
  const content = await source.open(offset);
  const chunks: AsyncIterator<Buffer> = content[Symbol.asyncIterator]();
  const { size } = source;
  let bytes = 0;
  let unreadable: unknown;
  // A connection that breaks throws its own error into the `yield`, which says nothing about the source.
  async function* counted() {
    for (;;) {
      const next = await chunks.next().catch((error) => {
        unreadable = error;
        throw error;
      });
      if (next.done) return;
      bytes += next.value.length;
      yield next.value;
    }
  }
  try {
    const outcome = await registry.sendStream(
      method === 'PUT' ? session.closingAddress(source.digest()) : session.location,
      {
        method,
        headers: {
          'Content-Type': 'application/octet-stream',
          ...(size !== undefined && {
            'Content-Length': String(size - offset),
            ...(offset > 0 && { 'Content-Range': `${offset}-${size - 1}` }),
          }),
        },
        body: () => Readable.from(counted(), { objectMode: false }),
        signal,
        ...(idleTimeout !== undefined && { idleTimeout }),
      },
    );
    return { outcome, bytes };
  } catch (error) {
    if (unreadable instanceof TaskError) throw unreadable;
    if (unreadable) {
      throw new TaskError(
        `${source.name} could not be read: ${describeError(unreadable)}. Run the step again.`,
        {
          cause: unreadable,
        },
      );
    }
    if (error instanceof ConnectionError) return { outcome: error, bytes };
    throw error;
  } finally {
    content.destroy();
  }
}

/**
 * Whether a registry has something of an upload that broke off, to go on from. How far that came is known once the
 * registry has taken in what the broken connection left: where the blob's size is known, the range that is sent next tells
 * the registry if it is wrong; else two answers have to agree.
 */
export async function isFound(
  session: UploadSession,
  { size }: BlobSource,
  options: UploadOptions,
): Promise<boolean> {
  for (let looks = 1; !(await session.find(options.signal)); looks++) {
    if (looks === LOOKS) return false;
    await pause(looks * SETTLE_TIME, options);
  }
  for (let last = -1; size === undefined && session.offset !== last; ) {
    last = session.offset;
    await pause(SETTLE_TIME, options);
    if (!(await session.find(options.signal))) return false;
  }
  // Registries write `0-0` for one byte and for none.
  return session.offset > 1 && session.offset <= (size ?? session.offset);
}

/** Waits, unless the step is cancelled. */
export async function pause(milliseconds: number, options: UploadOptions): Promise<void> {
  await (options.sleep ?? sleep)(milliseconds, options.signal);
}

function isWhole({ offset }: UploadSession, { size }: BlobSource): boolean {
  return size !== undefined && offset >= size;
}
