import { Readable } from 'node:stream';
import { sleep } from '../../common/cancel';
import { isHopeless } from '../../common/connection';
import { describeError, TaskError } from '../../common/errors';
import { ConnectionError, type HttpAnswer } from '../../common/http';
import type { Logger } from '../../common/log';
import { isRetryableStatus, retryDelay } from '../../common/retry';
import { formatBytes } from '../../common/text';
import type { RegistryClient } from './client';

/** The bytes of a blob that is to be uploaded. */
export interface BlobSource {
  /** What it is, as messages name it: `the configuration`. */
  readonly name: string;
  /** Known once the whole blob was read. */
  digest(): string;
  /** Bytes; undefined where only reading it tells. */
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

/** How often an upload may break off without a single byte more having arrived. */
const MAX_FAILURES = 5;

/** A registry may have to read a large blob once more before it answers to the last request. Milliseconds. */
const COMMIT_LIMIT = 300_000;

/** Between two looks at an upload that may still grow. Milliseconds. */
const SETTLE_TIME = 300;

/** The place of an upload that has begun, and how far it came. */
interface Session {
  readonly location: string;
  /** Bytes that the registry has. */
  readonly offset: number;
}

/** A blob of no more bytes goes with the request that stores it: it is sent again sooner than it is gone on with. */
const AT_ONCE = 8 * 1024 * 1024;

/** A blob of no more bytes leaves the upload that the check began to a larger one. */
const SMALL = 512 * 1024;

/**
 * Uploads a blob as one stream. When that breaks off, it goes on from the byte that the registry has reached, and
 * begins anew only where the registry has dropped the upload.
 *
 * @returns the bytes that were sent, those that were sent twice included
 * @throws TaskError when the registry refuses, or the upload breaks off too often
 */
export async function upload(
  registry: RegistryClient,
  source: BlobSource,
  options: UploadOptions,
): Promise<number> {
  let sent = 0;
  if (source.size !== undefined && source.size <= AT_ONCE) {
    const { location } = await begin(registry, source, options);
    const { outcome, bytes } = await send(
      registry,
      'PUT',
      { location: commitAddress(location, source), offset: 0 },
      source,
      options,
    );
    if (isStored(outcome)) return bytes;
    // Whatever it was, the way of larger blobs can cope with it.
    options.log.info(`The upload of ${source.name} broke off: ${reasonOf(outcome)}. It is sent again.`);
    sent = bytes;
  }
  const first = await sendAll(registry, source, options);
  sent += first.sent;
  if (await commit(registry, first.session, source, options)) return sent;
  // A registry may take in bytes of the broken connection after it has said how far it came.
  const second = first.breaks > 0 ? await sendAll(registry, source, options) : undefined;
  if (second && (await commit(registry, second.session, source, options))) return sent + second.sent;
  throw new TaskError(
    `${registry.host} received other bytes of ${source.name} than were read before. Its files may have changed meanwhile: run the step again.`,
  );
}

function commitAddress(location: string, source: BlobSource): string {
  const url = new URL(location);
  url.searchParams.set('digest', source.digest());
  return url.href;
}

/** Sends a blob, in as many tries as it takes. */
async function sendAll(
  registry: RegistryClient,
  source: BlobSource,
  options: UploadOptions,
): Promise<{ session: Session; sent: number; breaks: number }> {
  let session = await begin(registry, source, options);
  let sent = 0;
  let failures = 0;
  for (let breaks = 0; ; breaks++) {
    // Some registries take an empty stream for none.
    if (source.size === 0) return { session, sent, breaks };
    const { offset } = session;
    const { outcome, bytes } = await send(registry, 'PATCH', session, source, options);
    sent += bytes;
    if (isTaken(outcome)) {
      session = progress(registry, outcome, session) ?? {
        location: nextLocation(registry, outcome, session),
        offset: offset + bytes,
      };
      if (session.offset === offset + bytes) return { session, sent, breaks };
    } else if (!mayMend(outcome)) {
      throw failure(registry, outcome, source);
    }

    failures = session.offset > offset ? 1 : failures + 1;
    if (failures >= MAX_FAILURES) throw failure(registry, outcome, source);
    await pause(outcome, failures, source, options);
    const found = await settledSession(registry, session, source, options);
    if (found && found.offset > offset) failures = 0;
    options.log.info(
      found
        ? `${registry.host} has ${formatBytes(found.offset)} of ${source.name}; the rest follows.`
        : `${registry.host} has nothing of ${source.name}; it is sent from its beginning.`,
    );
    session = found ?? (await begin(registry, source, options));
  }
}

/** Waits before an upload goes on; also for the registry to notice that the old connection is gone. */
async function pause(
  outcome: Outcome,
  failures: number,
  { name }: BlobSource,
  options: UploadOptions,
): Promise<void> {
  const asked = outcome instanceof Error ? null : outcome.headers.get('retry-after');
  const wait = retryDelay(failures, asked);
  const seconds = (wait / 1000).toFixed(1);
  options.log.info(`The upload of ${name} broke off: ${reasonOf(outcome)}. Going on in ${seconds} s.`);
  await (options.sleep ?? sleep)(wait, options.signal);
}

async function begin(
  registry: RegistryClient,
  { size }: BlobSource,
  { signal }: UploadOptions,
): Promise<Session> {
  const begun = size === undefined || size > SMALL ? registry.takeUpload() : undefined;
  return { location: locationOf(registry, begun ?? (await registry.beginUpload(signal))), offset: 0 };
}

/** What became of a request: an answer of any status, or an error of the connection. */
type Outcome = HttpAnswer | ConnectionError;

/** Sends a blob from a byte on. */
async function send(
  registry: RegistryClient,
  method: 'PATCH' | 'PUT',
  { location, offset }: Session,
  source: BlobSource,
  { signal, idleTimeout }: UploadOptions,
): Promise<{ outcome: Outcome; bytes: number }> {
  const content = await source.open(offset);
  const chunks: AsyncIterator<Buffer> = content[Symbol.asyncIterator]();
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
    const outcome = await registry.sendStream(location, {
      method,
      headers: {
        'Content-Type': 'application/octet-stream',
        ...(source.size !== undefined && {
          'Content-Length': String(source.size - offset),
          ...(offset > 0 && { 'Content-Range': `${offset}-${source.size - 1}` }),
        }),
      },
      body: () => Readable.from(counted(), { objectMode: false }),
      signal,
      ...(idleTimeout !== undefined && { idleTimeout }),
    });
    return { outcome, bytes };
  } catch (error) {
    if (unreadable instanceof TaskError) throw unreadable;
    if (unreadable) {
      throw new TaskError(`${source.name} could not be read: ${describeError(unreadable)}.`, {
        cause: unreadable,
      });
    }
    if (error instanceof ConnectionError) return { outcome: error, bytes };
    throw error;
  } finally {
    content.destroy();
  }
}

/**
 * How far an upload came, once the registry has taken in what the broken connection left. Where the blob's size is
 * known, the range that is sent next tells the registry if it is wrong; else two answers have to agree.
 */
async function settledSession(
  registry: RegistryClient,
  session: Session,
  { size }: BlobSource,
  options: UploadOptions,
): Promise<Session | undefined> {
  let found = await findSession(registry, session, options);
  while (found && size === undefined) {
    await (options.sleep ?? sleep)(SETTLE_TIME, options.signal);
    const again = await findSession(registry, found, options);
    if (again?.offset === found.offset) return again;
    found = again;
  }
  return found;
}

/** Asks how far an upload came. Undefined when the registry has nothing of it that could be gone on from. */
async function findSession(
  registry: RegistryClient,
  session: Session,
  { signal }: UploadOptions,
): Promise<Session | undefined> {
  const answer = await registry.send(session.location, { method: 'GET', signal });
  if (answer.status !== 204 && answer.status !== 202) return undefined;
  const found = progress(registry, answer, session);
  // Registries write `0-0` for one byte and for none.
  return found && found.offset > 1 ? found : undefined;
}

/**
 * Says that the upload is whole. Where the answer to that was lost, the blob itself is the answer. False when the
 * registry finds that the bytes are others than they should be.
 */
async function commit(
  registry: RegistryClient,
  { location }: Session,
  source: BlobSource,
  { signal }: UploadOptions,
): Promise<boolean> {
  const digest = source.digest();
  const answer = await registry.send(commitAddress(location, source), {
    method: 'PUT',
    repeatable: true,
    idleTimeout: COMMIT_LIMIT,
    signal,
  });
  if (answer.status === 201 || (await hasBlob(registry, digest, signal))) return true;
  if (/DIGEST_INVALID/.test(answer.body.toString('utf8'))) return false;
  throw registry.refusal(answer, `store ${source.name}`);
}

/** Whether the repository has a blob. */
export async function hasBlob(
  registry: RegistryClient,
  digest: string,
  signal: AbortSignal,
): Promise<boolean> {
  const answer = await registry.send(registry.path(`blobs/${digest}`), { method: 'HEAD', signal });
  return answer.status === 200 || answer.status === 307;
}

/**
 * Where the upload goes on. The specification lets registries name any server here; this one must name itself, since
 * whoever answers in its place could otherwise have an image, or a request within a private network, sent anywhere.
 */
function locationOf(registry: RegistryClient, answer: HttpAnswer): string {
  const base = new URL(registry.base);
  const header = answer.headers.get('location') ?? '';
  const url = URL.canParse(header, base.href) ? new URL(header, base) : undefined;
  if (!header || !url || url.host !== base.host) {
    throw new TaskError(
      `${registry.host} wants the image to be sent to '${url?.host ?? header}', where this step must not send it. Check input 'loginServer', and the proxy in front of the registry if there is one.`,
    );
  }
  // Registries behind a proxy that ends TLS may believe that they are spoken to without.
  url.protocol = base.protocol;
  return url.href;
}

/** Where an upload goes on and how far it came, as an answer tells it; undefined where it does not tell. */
function progress(registry: RegistryClient, answer: HttpAnswer, before: Session): Session | undefined {
  const last = /^(?:bytes=)?0-(\d+)$/.exec(answer.headers.get('range') ?? '')?.[1];
  const location = nextLocation(registry, answer, before);
  return last === undefined ? undefined : { location, offset: Number(last) + 1 };
}

function nextLocation(registry: RegistryClient, answer: HttpAnswer, before: Session): string {
  return answer.headers.has('location') ? locationOf(registry, answer) : before.location;
}

function isTaken(outcome: Outcome): outcome is HttpAnswer {
  return !(outcome instanceof Error) && outcome.status === 202;
}

function isStored(outcome: Outcome): boolean {
  return !(outcome instanceof Error) && outcome.status === 201;
}

/** Whether going on may help: the line broke, the token ran out, the registry is busy, or lost count or all of it. */
function mayMend(outcome: Outcome): boolean {
  if (outcome instanceof ConnectionError) return !isHopeless(outcome.cause as Error);
  return [401, 404, 416].includes(outcome.status) || isRetryableStatus(outcome.status);
}

function reasonOf(outcome: Outcome): string {
  return outcome instanceof Error ? describeError(outcome.cause) : `HTTP ${outcome.status}`;
}

function failure(registry: RegistryClient, outcome: Outcome, { name }: BlobSource): Error {
  return outcome instanceof Error ? outcome : registry.refusal(outcome, `take ${name}`);
}
