import { TaskError } from '../../common/errors';
import type { HttpAnswer } from '../../common/http';
import { ONE_TRY } from '../../common/retry';
import type { RegistryClient } from './client';

/** The upload of a blob that has begun in a registry: its place, and how far it came. */
export class UploadSession {
  /** The address of what comes next; registries change it with every answer. */
  location: string;
  /** Bytes that the registry has. */
  offset = 0;

  /** @param answer the answer that began it */
  constructor(
    private readonly registry: RegistryClient,
    answer: HttpAnswer,
  ) {
    this.location = locationOf(registry, answer);
  }

  /** Begins an upload. */
  static async begin(registry: RegistryClient, signal?: AbortSignal): Promise<UploadSession> {
    const answer = await registry.send(registry.path('blobs/uploads/'), {
      method: 'POST',
      repeatable: true,
      ...(signal && { signal }),
    });
    if (answer.status !== 202) throw registry.refusal(answer, `push to '${registry.repository}'`);
    return new UploadSession(registry, answer);
  }

  /** The address that makes a blob of what was sent. */
  closingAddress(digest: string): string {
    const url = new URL(this.location);
    url.searchParams.set('digest', digest);
    return url.href;
  }

  /**
   * Goes on from where an answer points to.
   *
   * @param otherwise how far it came, where the answer does not tell
   */
  follow(answer: HttpAnswer, otherwise: number): void {
    if (answer.headers.has('location')) this.location = locationOf(this.registry, answer);
    this.offset = offsetOf(answer) ?? otherwise;
  }

  /** Asks how far it came. False when the registry does not know it. */
  async find(signal: AbortSignal): Promise<boolean> {
    const answer = await this.registry.send(this.location, { method: 'GET', signal });
    if (answer.status !== 204 && answer.status !== 202) return false;
    this.follow(answer, 0);
    return true;
  }

  /** Has the registry forget it. That takes the right to delete; registries drop uploads after a day or so anyway. */
  async drop(signal: AbortSignal): Promise<void> {
    await this.registry.send(this.location, { method: 'DELETE', retry: ONE_TRY, signal }, 'delete');
  }
}

/**
 * Where an upload goes on. The specification lets registries name any server here; this one must name itself, since
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

/** How far an upload came, as an answer tells it; undefined where it does not tell. */
function offsetOf(answer: HttpAnswer): number | undefined {
  const last = /^(?:bytes=)?0-(\d+)$/.exec(answer.headers.get('range') ?? '')?.[1];
  return last === undefined ? undefined : Number(last) + 1;
}
