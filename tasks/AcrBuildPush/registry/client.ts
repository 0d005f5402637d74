import { codeOf, TaskError } from '../../common/errors';
import { ConnectionError, type HttpAnswer, type HttpClient, type HttpRequest } from '../../common/http';
import type { Logger } from '../../common/log';
import { digestOfBytes, type Manifest } from '../image/image';
import { faultInManifest, readManifest } from '../image/manifest';
import { MANIFEST_TYPES } from '../image/media-types';
import { isNearAddress } from './addresses';
import { Authorization, type Rights } from './authorization';
import { parseChallenge } from './challenge';
import type { CredentialSource } from './credentials';
import { lacksBlob, MissingBlobError, refusal, textOf } from './errors';
import { isLoopback, registryUrl } from './names';

export interface RegistryClientOptions {
  readonly http: HttpClient;
  readonly log: Logger;
  readonly host: string;
  readonly repository: string;
  /** Without them, only what everybody may read can be read. */
  readonly credentials: CredentialSource | undefined;
  /** What the tokens for images are for; by default, both. */
  readonly access?: 'pull' | 'pull,push';
  /** Whether the image to copy is read there. */
  readonly isSource?: boolean;
  /** How long an answer is waited for, where less is enough than requests have by default. */
  readonly patience?: Pick<HttpRequest, 'retry' | 'idleTimeout'>;
}

const ACCEPT = { Accept: MANIFEST_TYPES.join(', ') };

type Send = Omit<HttpRequest, 'url'>;

/** How often an image's parts are looked for at another address, before that is taken for a circle. */
const MOST_HOPS = 5;

/** One repository of a registry, over the OCI distribution API. */
export class RegistryClient {
  readonly host: string;
  readonly repository: string;
  /** Where its APIs begin. */
  readonly base: string;
  /** What its tokens for images are for. */
  readonly access: Rights;
  private readonly authorization: Authorization;
  private signedIn: Promise<void> | undefined;

  constructor(
    private readonly options: RegistryClientOptions,
    authorization?: Authorization,
  ) {
    this.host = options.host;
    this.repository = options.repository;
    this.access = options.access ?? 'pull,push';
    this.base = `${registryUrl(options.host)}/`;
    this.authorization = authorization ?? new Authorization({ ...options, access: this.access });
  }

  /** Checks that the registry is there and knows the credentials; once, whoever asks for it. */
  signIn(): Promise<void> {
    this.signedIn ??= this.checkCredentials();
    return this.signedIn;
  }

  /** False where it asks for a password: Azure's ask for tokens, and only they know locks and times of tags. */
  get mayBeAzures(): boolean {
    return this.authorization.scheme !== 'basic';
  }

  private async checkCredentials(): Promise<void> {
    const answer = await this.ping();
    if (answer.status === 200) return;
    const challenge = answer.status === 401 && parseChallenge(answer.headers.get('www-authenticate'));
    if (challenge) {
      await this.authorization.signIn(challenge);
      // A token is proof that its server knows the user; bare credentials are not checked yet.
      if (challenge.scheme === 'bearer') return;
      const second = await this.ping();
      if (second.status === 200) return;
      throw second.status === 401
        ? this.authorization.wrongCredentials(second)
        : this.refusal(second, 'sign in');
    }
    if (answer.status === 404) {
      throw new TaskError(`${this.host} answers, but is no container registry. Check input 'loginServer'.`);
    }
    throw this.refusal(answer, 'sign in');
  }

  /** The digest of the manifest that a tag names; undefined where there is no such tag. */
  async digestOf(tag: string): Promise<string | undefined> {
    const path = this.path(`manifests/${tag}`);
    const answer = await this.send(path, { method: 'HEAD', headers: ACCEPT });
    if (answer.status === 404) return undefined;
    const digest = answer.headers.get('docker-content-digest');
    // Answers to HEAD have no body, so the reason for a refusal is in the answer to GET.
    if (answer.status !== 200 || !digest) return (await this.manifest(tag)).digest;
    return digest;
  }

  /** The manifest under a tag or digest. */
  async manifest(reference: string): Promise<Manifest> {
    return this.readAnswer(reference, await this.askForManifest(reference));
  }

  /** The manifest under a tag or digest; undefined where there is none. */
  async findManifest(reference: string): Promise<Manifest | undefined> {
    const answer = await this.askForManifest(reference);
    return answer.status === 404 ? undefined : this.readAnswer(reference, answer);
  }

  private async askForManifest(reference: string): Promise<HttpAnswer> {
    const path = this.path(`manifests/${reference}`);
    const answer = await this.send(path, { method: 'GET', headers: ACCEPT });
    // Registries that are a name for others, such as registry.k8s.io, send whoever reads an image there.
    const mayBeElsewhere = isRedirect(answer) && this.access === 'pull';
    return mayBeElsewhere ? this.readElsewhere(answer, { headers: ACCEPT }) : answer;
  }

  private readAnswer(reference: string, answer: HttpAnswer): Manifest {
    if (answer.status !== 200) throw this.refusal(answer, `read the manifest of '${reference}'`);
    const mediaType = answer.headers.get('content-type') ?? '';
    const manifest = readManifest(answer.body, mediaType);
    if (manifest) return manifest;
    throw new TaskError(
      `${this.host} sent no manifest of an image for '${reference}': ${faultInManifest(answer.body, mediaType)}. Check input 'loginServer', and the proxy in front of the registry if there is one.`,
      { details: [textOf(answer)] },
    );
  }

  /**
   * Stores a manifest of blobs that the repository holds, under a tag or its own digest.
   *
   * @returns whether the registry will list it among the referrers of its subject, where it has one
   * @throws MissingBlobError where the registry does not know one of the blobs; TaskError when it refuses
   */
  async put(manifest: Pick<Manifest, 'body' | 'mediaType'>, reference: string): Promise<boolean> {
    const answer = await this.send(this.path(`manifests/${reference}`), {
      method: 'PUT',
      headers: { 'Content-Type': manifest.mediaType },
      body: manifest.body,
      repeatable: true,
    });
    // The specification asks for 201; some proxies and registries say 200 to a manifest that they have.
    if (answer.status === 201 || answer.status === 200) return answer.headers.has('oci-subject');
    if (lacksBlob(answer)) throw new MissingBlobError(this.host, answer);
    throw this.refusal(answer, `set '${reference}'`);
  }

  /** Whether the repository has a blob. */
  async hasBlob(digest: string, signal: AbortSignal): Promise<boolean> {
    const answer = await this.send(this.path(`blobs/${digest}`), { method: 'HEAD', signal });
    return answer.status === 200 || answer.status === 307;
  }

  /** A blob that fits into memory, such as a configuration. */
  async blob(digest: string): Promise<Buffer> {
    const answer = await this.send(this.path(`blobs/${digest}`), { method: 'GET', answer: 'blob' });
    const content = isRedirect(answer) ? await this.readElsewhere(answer, { answer: 'blob' }) : answer;
    if (content.status !== 200) throw this.refusal(content, `read the blob ${digest}`);
    if (digestOfBytes(content.body) !== digest) {
      throw new TaskError(`${this.host} sent other bytes than those of ${digest}. Run the step again.`);
    }
    return content.body;
  }

  /** Bytes of a blob from `start` up to, and not with, `end`. */
  async blobRange(digest: string, start: number, end: number): Promise<Buffer> {
    const request = { headers: { Range: `bytes=${start}-${end - 1}` }, answer: 'blob' } as const;
    const answer = await this.send(this.path(`blobs/${digest}`), { method: 'GET', ...request });
    const content = isRedirect(answer) ? await this.readElsewhere(answer, request) : answer;
    if (content.status === 206) return content.body;
    // A server may send everything all the same.
    if (content.status === 200) return content.body.subarray(start, end);
    throw this.refusal(content, `read the blob ${digest}`);
  }

  /** Has the tokens to come let blobs be mounted from another repository of this registry. */
  includeSource(repository: string): void {
    this.authorization.includeSource(repository);
  }

  /** Another repository of this registry, by default to read from. */
  sibling(
    repository: string,
    more: Pick<RegistryClientOptions, 'access' | 'isSource' | 'patience'> = {},
  ): RegistryClient {
    return new RegistryClient({ ...this.options, repository, access: 'pull', ...more });
  }

  /** The same repository with the same tokens, for what is worth no long wait. */
  impatient(patience: NonNullable<RegistryClientOptions['patience']>): RegistryClient {
    return new RegistryClient({ ...this.options, patience }, this.authorization);
  }

  /** The path of something in this repository, for `send`. */
  path(rest: string): string {
    return `v2/${this.repository}/${rest}`;
  }

  private async ping(): Promise<HttpAnswer> {
    try {
      return await this.sendOnce('v2/', { method: 'GET' }, this.access);
    } catch (error) {
      if (!(error instanceof ConnectionError)) throw error;
      const message =
        codeOf(error.cause) === 'ENOTFOUND'
          ? `There is no registry '${this.host}'. Check input 'acrName' for typing errors; give 'loginServer' if the portal shows another address, as it does outside the public Azure cloud.`
          : `${error.message} The address comes from inputs 'acrName' and 'loginServer'.`;
      throw new TaskError(message, { cause: error });
    }
  }

  /**
   * Sends a request; with a new token when the old one has run out, as it may during a long build or push.
   *
   * @param path what `path` gave, or a whole address of the same server
   */
  async send(path: string, request: Send, rights = this.access): Promise<HttpAnswer> {
    if (rights === this.access) await this.authorization.replaceToken();
    const used = this.authorization.value(rights);
    const answer = await this.sendOnce(path, request, rights);
    const hasNewToken = await this.authorization.renew(answer, used, rights, request.signal);
    return hasNewToken ? this.sendOnce(path, request, rights) : answer;
  }

  /** Sends a request whose body is a stream. After a 401 there is a new token, but the caller decides what to send. */
  async sendStream(path: string, request: Send): Promise<HttpAnswer> {
    await this.authorization.replaceToken();
    const used = this.authorization.value(this.access);
    const answer = await this.sendOnce(path, request, this.access);
    await this.authorization.renew(answer, used, this.access, request.signal);
    return answer;
  }

  /** The error that an answer amounts to; goes on from `refused to`. */
  refusal(answer: HttpAnswer, purpose: string, access = this.access): TaskError {
    const { host, repository, isSource } = this.options;
    return refusal({ host, repository, access, isSource }, answer, purpose);
  }

  private sendOnce(path: string, request: Send, rights: Rights): Promise<HttpAnswer> {
    const url = new URL(path, this.base);
    // The one place where credentials leave: whatever a registry answers, they go to itself alone.
    if (url.origin !== new URL(this.base).origin) throw this.strayed(url);
    const authorization = this.authorization.value(rights);
    return this.options.http.send({
      ...this.options.patience,
      ...request,
      url: url.href,
      headers: { ...request.headers, ...(authorization && { Authorization: authorization }) },
    });
  }

  /** Follows a registry that keeps its blobs elsewhere, as Azure's do, without credentials. There it may go on. */
  private async readElsewhere(
    first: HttpAnswer,
    request: Pick<HttpRequest, 'headers' | 'answer'>,
  ): Promise<HttpAnswer> {
    let answer = first;
    let place = this.base;
    for (let hops = 0; isRedirect(answer) && hops < MOST_HOPS; hops++) {
      const url = new URL(answer.headers.get('location') ?? '', place);
      const isSafe = url.protocol === 'https:' && !isNearAddress(url.hostname);
      if (!isSafe && !isLoopback(this.host)) throw this.strayed(url);
      place = url.href;
      answer = await this.options.http.send({
        ...this.options.patience,
        ...request,
        method: 'GET',
        url: place,
      });
    }
    return answer;
  }

  private strayed({ host }: URL): TaskError {
    return new TaskError(
      `${this.host} points to ${host}, where this step must not go. Check input 'loginServer', and the proxy in front of the registry if there is one.`,
    );
  }
}

function isRedirect({ status }: HttpAnswer): boolean {
  return [301, 302, 303, 307, 308].includes(status);
}
