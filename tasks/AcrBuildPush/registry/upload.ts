import { throwIfCancelled, withGrace } from '../../common/cancel';
import { TaskError } from '../../common/errors';
import { Patience } from '../../common/retry';
import { formatBytes } from '../../common/text';
import type { RegistryClient } from './client';
import { measureLine } from './line-speed';
import { type BlobSource, isFound, pause, sendBytes, sendRest, type UploadOptions } from './send-blob';
import { hasOtherBytes, isStored, mayMend, type Outcome, reasonOf } from './upload-outcome';
import { UploadSession } from './upload-session';

/** An upload that has begun with the first bytes of a blob. */
export interface StartedUpload {
  /** Undefined where the registry did not take all of the bytes: the blob is sent anew. */
  readonly session: UploadSession | undefined;
  readonly sentBytes: number;
  /** Bytes a second that the line to the registry takes, where that can be told. */
  readonly line: number | undefined;
}

/** Milliseconds after which an upload that nothing was sent by is not counted on any more. */
const SPARE_LIMIT = 60_000;

/** Milliseconds that the end of a step waits for uploads to be dropped. */
const DROP_LIMIT = 2_000;

/** How often a blob that a registry had something of is sent from its beginning again. */
const MOST_BEGINS = 3;

/** An upload that got on by so many bytes gets all the patience again. */
const PROGRESS = 1024 * 1024;

/** A blob of no more bytes goes with the request that stores it: it is sent again sooner than it is gone on with. */
const AT_ONCE = 8 * 1024 * 1024;

/** A blob of no more bytes leaves the upload that the check began to a larger one. */
const SMALL = 512 * 1024;

/** The uploads of blobs to one repository. */
export class Uploads {
  /** Those that have begun and not come to an end. */
  private readonly open = new Set<UploadSession>();
  /** Those among them that nothing was sent by. */
  private readonly spares: { readonly session: UploadSession; readonly begun: number }[] = [];
  /** Those that are being dropped. */
  private readonly drops: Promise<void>[] = [];

  constructor(private readonly registry: RegistryClient) {}

  /** Checks that an image could be pushed, by beginning an upload, which is kept for a blob. */
  async check(): Promise<void> {
    this.keep(await UploadSession.begin(this.registry));
  }

  /** Has the registry take a blob over from another of its repositories; false where it does not. */
  async mount(digest: string, repository: string, signal: AbortSignal): Promise<boolean> {
    const { registry } = this;
    registry.includeSource(repository);
    const query = new URLSearchParams({ mount: digest, from: repository });
    const path = registry.path(`blobs/uploads/?${query}`);
    const answer = await withGrace(signal, (late) =>
      registry.send(path, { method: 'POST', repeatable: true, signal: late }),
    );
    // In place of a blob that it can't mount, a registry begins an upload.
    if (answer.status === 202) this.keep(new UploadSession(registry, answer));
    throwIfCancelled(signal);
    return answer.status === 201;
  }

  /**
   * Uploads a blob as one stream. When that breaks off, it goes on from the byte that the registry has reached, and
   * begins anew only where the registry has dropped the upload.
   *
   * @param started an upload that has begun with its first bytes, to go on with
   * @returns the bytes that were sent, those that were sent twice included
   * @throws TaskError when the registry refuses, or the upload does not get on for as long as there is patience
   */
  async send(source: BlobSource, options: UploadOptions, started?: StartedUpload): Promise<number> {
    if (started || source.size === undefined || source.size > AT_ONCE)
      return this.sendInParts(source, options, started);
    const session = await this.begin(source, options);
    const { outcome, bytes } = await sendBytes('PUT', this.registry, session, source, options);
    if (isStored(outcome)) {
      this.open.delete(session);
      return bytes;
    }
    if (await this.registry.hasBlob(source.digest(), options.signal)) return bytes;
    // Whatever it was, the way of larger blobs can cope with it.
    options.log.info(`The upload of ${source.name} broke off: ${reasonOf(outcome)}. It is sent again.`);
    return bytes + (await this.sendInParts(source, options));
  }

  /** Begins the upload of a large blob with its first bytes, which show how fast the line to the registry is. */
  async start(head: Buffer, signal: AbortSignal, now?: () => number): Promise<StartedUpload> {
    const session = await this.begin({ size: undefined }, { signal });
    const line = await measureLine(this.registry, session, head, signal, now);
    const started = { session, sentBytes: head.length, line };
    if (line !== undefined) return started;
    this.drop(started);
    return { ...started, session: undefined };
  }

  /** Has the registry forget an upload that does not go on, while others do. */
  drop({ session }: StartedUpload): void {
    if (!session) return;
    this.open.delete(session);
    this.drops.push(session.drop(AbortSignal.timeout(DROP_LIMIT)).catch(() => undefined));
  }

  /** Has the registry forget the uploads that have not come to an end. */
  async close(): Promise<void> {
    const signal = AbortSignal.timeout(DROP_LIMIT);
    const sessions = [...this.open];
    this.open.clear();
    const drops = sessions.map((session) => session.drop(signal).catch(() => undefined));
    await Promise.all([...this.drops, ...drops]);
  }

  private keep(session: UploadSession): void {
    this.open.add(session);
    this.spares.push({ session, begun: performance.now() });
  }

  private async begin(
    { size }: Pick<BlobSource, 'size'>,
    { signal }: Pick<UploadOptions, 'signal'>,
  ): Promise<UploadSession> {
    const isLarge = size === undefined || size > SMALL;
    const spare = isLarge ? this.spares.pop() : undefined;
    if (spare && performance.now() - spare.begun <= SPARE_LIMIT) return spare.session;
    const session = await withGrace(signal, (late) => UploadSession.begin(this.registry, late));
    this.open.add(session);
    throwIfCancelled(signal);
    return session;
  }

  /** Sends a blob, in as many tries as it takes. */
  private async sendInParts(
    source: BlobSource,
    options: UploadOptions,
    started?: StartedUpload,
  ): Promise<number> {
    const patience = new Patience();
    let session = started?.session ?? (await this.begin(source, options));
    let sent = started?.sentBytes ?? 0;
    let reached = 0;
    let begunAnew = 0;
    const beginAnew = async (outcome: Outcome) => {
      if (session.offset > 1) begunAnew += 1;
      if (begunAnew > MOST_BEGINS) throw failure(this.registry, outcome, source);
      session = await this.begin(source, options);
      reached = 0;
    };
    for (let breaks = 0; ; breaks++) {
      const begun = performance.now();
      const { outcome, bytes } = await sendRest(this.registry, session, source, options);
      sent += bytes;
      if (isStored(outcome)) {
        this.open.delete(session);
        return sent;
      }
      if (hasOtherBytes(outcome)) {
        // A registry may take in bytes of the broken connection after it has said how far it came.
        if (breaks === 0 || begunAnew > 0) throw changedMeanwhile(this.registry, source);
        await beginAnew(outcome);
        continue;
      }
      if (!mayMend(outcome)) throw failure(this.registry, outcome, source);

      const asked = outcome instanceof Error ? null : outcome.headers.get('retry-after');
      const wait = patience.next(performance.now() - begun, asked);
      if (wait === undefined) throw failure(this.registry, outcome, source);
      // The first of a row is for everybody to read, the others for those who debug.
      const tell = (text: string) => options.log[patience.failures > 1 ? 'debug' : 'info'](text);
      tell(
        `The upload of ${source.name} broke off: ${reasonOf(outcome)}. Going on in ${(wait / 1000).toFixed(1)} s.`,
      );
      // Also for the registry to notice that the old connection is gone.
      await pause(wait, options);
      if (await isFound(session, source, options)) {
        const { host } = this.registry;
        tell(`${host} has ${formatBytes(session.offset)} of ${source.name}; the rest follows.`);
      } else {
        tell(`${this.registry.host} has nothing of ${source.name}; it is sent from its beginning.`);
        await beginAnew(outcome);
      }
      if (session.offset - reached < PROGRESS) continue;
      reached = session.offset;
      patience.renew();
    }
  }
}

function failure(registry: RegistryClient, outcome: Outcome, { name }: BlobSource): Error {
  return outcome instanceof Error ? outcome : registry.refusal(outcome, `take ${name}`);
}

function changedMeanwhile({ host }: RegistryClient, { name }: BlobSource): TaskError {
  return new TaskError(
    `${host} received other bytes of ${name} than were read before. Its files may have changed meanwhile: run the step again.`,
  );
}
