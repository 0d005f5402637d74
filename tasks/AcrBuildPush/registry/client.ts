import { createHash } from 'node:crypto';
import { TaskError } from '../../common/errors';
import { bound } from '../../common/foreign-text';
import { ConnectionError, type HttpAnswer, type HttpClient, type HttpRequest } from '../../common/http';
import type { Logger } from '../../common/log';
import { explainMissingBase } from '../dockerfile/base-image';
import { authorize, type Challenge, NoTokenError, parseChallenge } from './challenge';
import type { CredentialSource, Credentials } from './credentials';
import { explainRefusedSignIn, explainRegistryError } from './errors';
import { isLoopback, registryUrl } from './names';

/** A piece of an image, as manifests refer to it. */
export interface Descriptor {
  readonly mediaType: string;
  readonly digest: string;
  /** Bytes as they are stored, that is, compressed. */
  readonly size: number;
}

/** A manifest as the registry keeps it, byte for byte. */
export interface Manifest {
  readonly digest: string;
  readonly mediaType: string;
  readonly body: Buffer;
  /** Missing in the index of an image for several platforms. */
  readonly config: Descriptor | undefined;
  readonly layers: readonly Descriptor[];
}

export interface RegistryClientOptions {
  readonly http: HttpClient;
  readonly log: Logger;
  readonly host: string;
  readonly repository: string;
  /** Without them, only what everybody may read can be read. */
  readonly credentials: CredentialSource | undefined;
  /** What the tokens for images are for; by default, both. */
  readonly access?: 'pull' | 'pull,push';
  /** How long an answer is waited for, where less is enough than requests have by default. */
  readonly patience?: Pick<HttpRequest, 'retry' | 'idleTimeout'>;
}

const MANIFEST_TYPES = [
  'application/vnd.oci.image.manifest.v1+json',
  'application/vnd.docker.distribution.manifest.v2+json',
  'application/vnd.oci.image.index.v1+json',
  'application/vnd.docker.distribution.manifest.list.v2+json',
].join(', ');

/** What a token is asked for. */
type Rights = 'pull' | 'pull,push' | 'metadata_read' | 'metadata_read,metadata_write';

type Send = Omit<HttpRequest, 'url'>;

/** Whether a tag may be changed, as Azure Container Registry's own API tells it. */
export type TagLock = 'locked' | 'open' | 'unknown';

/** Milliseconds after which an upload that nothing was sent by is not counted on any more. */
const SPARE_LIMIT = 60_000;

/** Milliseconds that the end of a step waits for an upload to be dropped. */
const DROP_LIMIT = 2_000;

/** One repository of a registry, over the OCI distribution API. */
export class RegistryClient {
  readonly host: string;
  readonly repository: string;
  /** Where its APIs begin. */
  readonly base: string;
  /** What its tokens for images are for. */
  readonly access: Rights;
  /** By what they allow. */
  private readonly authorizations = new Map<Rights, string>();
  private readonly renewals = new Map<Rights, Promise<void>>();
  private readonly sources = new Set<string>();
  /** How it wants to be signed in to; undefined before that, and where everybody may do anything. */
  private challenge: Challenge | undefined;
  private signedIn: Promise<void> | undefined;
  private spare: { readonly answer: HttpAnswer; readonly begun: number } | undefined;

  constructor(private readonly options: RegistryClientOptions) {
    this.host = options.host;
    this.repository = options.repository;
    this.access = options.access ?? 'pull,push';
    this.base = `${registryUrl(options.host)}/`;
  }

  /** Checks that the registry is there and knows the credentials; once, whoever asks for it. */
  signIn(): Promise<void> {
    this.signedIn ??= this.checkCredentials();
    return this.signedIn;
  }

  /** False where it asks for a password: Azure's ask for tokens, and only they know locks and times of tags. */
  private get mayBeAzures(): boolean {
    return this.challenge?.scheme !== 'basic';
  }

  private async checkCredentials(): Promise<void> {
    const answer = await this.ping();
    if (answer.status === 200) return;
    const challenge = answer.status === 401 && parseChallenge(answer.headers.get('www-authenticate'));
    if (challenge) {
      await this.meet(challenge, this.access);
      this.challenge = challenge;
      // A token is proof that its server knows the user; bare credentials are not checked yet.
      if (challenge.scheme === 'bearer') return;
      const second = await this.ping();
      if (second.status === 200) return;
      throw second.status === 401 ? this.wrongCredentials(second) : this.refusal(second, 'sign in');
    }
    if (answer.status === 404) {
      throw new TaskError(`${this.host} answers, but is no container registry. Check input 'loginServer'.`);
    }
    throw this.refusal(answer, 'sign in');
  }

  /** Checks that an image could be pushed, by beginning an upload, which is kept for a blob. */
  async checkPush(): Promise<void> {
    const answer = await this.beginUpload();
    this.spare = { answer, begun: performance.now() };
  }

  /** The answer to the upload that the check began, for one blob; undefined where it was used, or is too old. */
  takeUpload(): HttpAnswer | undefined {
    const { spare } = this;
    if (!spare || performance.now() - spare.begun > SPARE_LIMIT) return undefined;
    this.spare = undefined;
    return spare.answer;
  }

  /** Begins the upload of a blob, and returns the answer that tells where it goes on. */
  async beginUpload(signal?: AbortSignal): Promise<HttpAnswer> {
    const request: Send = { method: 'POST', repeatable: true, ...(signal && { signal }) };
    const answer = await this.send(this.path('blobs/uploads/'), request);
    if (answer.status !== 202) throw this.refusal(answer, `push to '${this.repository}'`);
    return answer;
  }

  /** Gives up the upload that the check began, if nothing was sent by it. */
  async dropUpload(): Promise<void> {
    const location = this.spare?.answer.headers.get('location') ?? '';
    const upload = URL.canParse(location, this.base) ? new URL(location, this.base).href : '';
    this.spare = undefined;
    if (!upload.startsWith(`${this.base}v2/`)) return;
    const path = upload.slice(this.base.length);
    // Some registries want a right to delete for it, and drop the upload after a while anyway.
    await this.sendOnce(path, { method: 'DELETE', idleTimeout: DROP_LIMIT }, this.access).catch(
      () => undefined,
    );
  }

  /** The digest of the manifest that a tag names; undefined where there is no such tag. */
  async digestOf(tag: string): Promise<string | undefined> {
    const path = this.path(`manifests/${tag}`);
    const answer = await this.send(path, { method: 'HEAD', headers: { Accept: MANIFEST_TYPES } });
    if (answer.status === 404) return undefined;
    const digest = answer.headers.get('docker-content-digest');
    // Answers to HEAD have no body, so the reason for a refusal is in the answer to GET.
    if (answer.status !== 200 || !digest) return (await this.manifest(tag)).digest;
    return digest;
  }

  /** The manifest under a tag or digest. */
  async manifest(reference: string): Promise<Manifest> {
    return this.readManifest(reference, await this.askForManifest(reference));
  }

  /** The manifest under a tag or digest; undefined where there is none. */
  async findManifest(reference: string): Promise<Manifest | undefined> {
    const answer = await this.askForManifest(reference);
    return answer.status === 404 ? undefined : this.readManifest(reference, answer);
  }

  private askForManifest(reference: string): Promise<HttpAnswer> {
    const path = this.path(`manifests/${reference}`);
    return this.send(path, { method: 'GET', headers: { Accept: MANIFEST_TYPES } });
  }

  private readManifest(reference: string, answer: HttpAnswer): Manifest {
    if (answer.status !== 200) throw this.refusal(answer, `read the manifest of '${reference}'`);
    const { config, layers } = JSON.parse(answer.body.toString('utf8'));
    return {
      digest: digestOfBytes(answer.body),
      mediaType: answer.headers.get('content-type') ?? '',
      body: answer.body,
      config,
      layers: layers ?? [],
    };
  }

  /** Stores a manifest of blobs that the repository holds, under a tag or its own digest. */
  async put(manifest: Pick<Manifest, 'body' | 'mediaType'>, reference: string): Promise<void> {
    const answer = await this.send(this.path(`manifests/${reference}`), {
      method: 'PUT',
      headers: { 'Content-Type': manifest.mediaType },
      body: manifest.body,
      repeatable: true,
    });
    if (answer.status !== 201) throw this.refusal(answer, `set '${reference}'`);
  }

  /**
   * Whether a tag is locked. `unknown`: there is no such tag, or no right to ask. Undefined: the registry has no locks,
   * since it is none of Azure's.
   */
  async tagLock(tag: string): Promise<TagLock | undefined> {
    if (!this.mayBeAzures) return undefined;
    let answer: HttpAnswer;
    try {
      answer = await this.send(this.tagPath(tag), { method: 'GET' }, 'metadata_read');
    } catch (error) {
      if (error instanceof ConnectionError || !(error instanceof TaskError)) throw error;
      return 'unknown';
    }
    const body = answer.body.toString('utf8');
    if (answer.status !== 200) return /"errors"/.test(body) ? 'unknown' : undefined;
    return JSON.parse(body).tag?.changeableAttributes?.writeEnabled === false ? 'locked' : 'open';
  }

  /** The tags that were set last, the newest first. None where the registry does not tell, as only Azure's do. */
  async newestTags(count: number): Promise<string[]> {
    if (!this.mayBeAzures) return [];
    const path = `acr/v1/${this.repository}/_tags?n=${count}&orderby=timedesc`;
    const answer = await this.send(path, { method: 'GET' }, 'metadata_read');
    if (answer.status !== 200) return [];
    const { tags }: { tags?: { name: string }[] } = JSON.parse(answer.body.toString('utf8'));
    return tags?.map(({ name }) => name) ?? [];
  }

  /** Makes a tag stay what it is: it can't be moved or deleted until somebody unlocks it. */
  async lock(tag: string): Promise<void> {
    const request: Send = {
      method: 'PATCH',
      headers: { 'Content-Type': 'application/json' },
      body: JSON.stringify({ writeEnabled: false, deleteEnabled: false }),
      repeatable: true,
    };
    const rights = 'metadata_read,metadata_write';
    const answer = await this.send(this.tagPath(tag), request, rights);
    if (answer.status !== 200) throw this.refusal(answer, `lock the tag '${tag}'`, rights);
  }

  /** A blob that fits into memory, such as a configuration. */
  async blob(digest: string): Promise<Buffer> {
    const answer = await this.send(this.path(`blobs/${digest}`), { method: 'GET', answer: 'blob' });
    const content = isRedirect(answer) ? await this.readElsewhere(answer) : answer;
    if (content.status !== 200) throw this.refusal(content, `read the blob ${digest}`);
    if (digestOfBytes(content.body) !== digest) {
      throw new TaskError(`${this.host} sent other bytes than those of ${digest}. Run the step again.`);
    }
    return content.body;
  }

  /** Bytes of a blob from `start` up to, and not with, `end`. */
  async blobRange(digest: string, start: number, end: number): Promise<Buffer> {
    const headers = { Range: `bytes=${start}-${end - 1}` };
    const answer = await this.send(this.path(`blobs/${digest}`), { method: 'GET', headers, answer: 'blob' });
    const content = isRedirect(answer) ? await this.readElsewhere(answer, headers) : answer;
    if (content.status === 206) return content.body;
    // A server may send everything all the same.
    if (content.status === 200) return content.body.subarray(start, end);
    throw this.refusal(content, `read the blob ${digest}`);
  }

  /** Has the tokens to come let blobs be mounted from another repository of this registry. */
  includeSource(repository: string): void {
    if (repository === this.repository || this.sources.has(repository)) return;
    this.sources.add(repository);
    if (this.authorizations.get(this.access)?.startsWith('Bearer ')) this.authorizations.delete(this.access);
  }

  /** Another repository of this registry, to read from. */
  sibling(repository: string): RegistryClient {
    return new RegistryClient({ ...this.options, repository, access: 'pull' });
  }

  /** The path of something in this repository, for `send`. */
  path(rest: string): string {
    return `v2/${this.repository}/${rest}`;
  }

  private tagPath(tag: string): string {
    return `acr/v1/${this.repository}/_tags/${tag}`;
  }

  private async ping(): Promise<HttpAnswer> {
    try {
      return await this.sendOnce('v2/', { method: 'GET' }, this.access);
    } catch (error) {
      if (!(error instanceof ConnectionError)) throw error;
      const message = hasCode(error.cause, 'ENOTFOUND')
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
    if (rights === this.access) await this.replaceToken();
    const used = this.authorizations.get(rights);
    const answer = await this.sendOnce(path, request, rights);
    return (await this.renew(answer, used, rights)) ? this.sendOnce(path, request, rights) : answer;
  }

  /** Sends a request whose body is a stream. After a 401 there is a new token, but the caller decides what to send. */
  async sendStream(path: string, request: Send): Promise<HttpAnswer> {
    await this.replaceToken();
    const used = this.authorizations.get(this.access);
    const answer = await this.sendOnce(path, request, this.access);
    await this.renew(answer, used, this.access);
    return answer;
  }

  /** Whether a request that was refused is worth a second try, with a token that it did not have. */
  private async renew(answer: HttpAnswer, used: string | undefined, rights: Rights): Promise<boolean> {
    const challenge = answer.status === 401 && parseChallenge(answer.headers.get('www-authenticate'));
    if (!challenge) return false;
    const now = this.authorizations.get(rights);
    if (now === used || now === undefined) await this.meetOnce(challenge, rights);
    else await this.renewals.get(rights);
    return true;
  }

  /** Fetches a token where the one in hand was dropped, so that no layer is sent without one, and in vain. */
  private async replaceToken(): Promise<void> {
    const { challenge, access } = this;
    if (challenge?.scheme === 'bearer' && !this.authorizations.has(access)) {
      await this.meetOnce(challenge, access);
    }
  }

  /** Requests that run side by side share one new token. */
  private meetOnce(challenge: Challenge, rights: Rights): Promise<void> {
    const pending = this.renewals.get(rights);
    if (pending) return pending;
    const renewal = this.meet(challenge, rights).finally(() => this.renewals.delete(rights));
    this.renewals.set(rights, renewal);
    return renewal;
  }

  private sendOnce(path: string, request: Send, rights: Rights): Promise<HttpAnswer> {
    const url = new URL(path, this.base);
    // The one place where credentials leave: whatever a registry answers, they go to itself alone.
    if (url.origin !== new URL(this.base).origin) throw this.strayed(url);
    const authorization = this.authorizations.get(rights);
    return this.options.http.send({
      ...this.options.patience,
      ...request,
      url: url.href,
      headers: { ...request.headers, ...(authorization && { Authorization: authorization }) },
    });
  }

  /** Answers a challenge; with new credentials where those in hand have run out. */
  private async meet(challenge: Challenge, rights: Rights): Promise<void> {
    const { credentials } = this.options;
    if (!credentials && challenge.scheme === 'basic') throw this.wrongCredentials();
    const authorizeBy = async (own: Credentials | undefined) => {
      let scopes: readonly string[];
      do {
        scopes = this.scopesFor(rights);
        this.authorizations.set(rights, await authorize(challenge, scopes, own, this.options));
        // A source may have come to be included meanwhile, by a request that waits for this token.
      } while (scopes.length < this.scopesFor(rights).length);
    };
    try {
      await authorizeBy(await credentials?.current());
    } catch (error) {
      if (!(error instanceof NoTokenError)) throw error;
      const renewed = error.answer.status === 401 ? await credentials?.renewed() : undefined;
      if (!renewed) throw this.noToken(error.answer, rights);
      await authorizeBy(renewed).catch((second) => {
        throw second instanceof NoTokenError ? this.noToken(second.answer, rights) : second;
      });
    }
  }

  /** Who may push may still have no right to see locks, or to set them. */
  private noToken(answer: HttpAnswer, rights: Rights): TaskError {
    return answer.status === 401 && rights === this.access
      ? this.wrongCredentials(answer)
      : this.refusal(answer, 'give a token', rights);
  }

  private scopesFor(rights: Rights): string[] {
    const sources = rights === this.access ? [...this.sources] : [];
    return [
      `repository:${this.repository}:${rights}`,
      ...sources.map((source) => `repository:${source}:pull`),
    ];
  }

  private wrongCredentials(answer?: HttpAnswer): TaskError {
    const { host, repository } = this;
    const known = answer && explainRefusedSignIn(textOf(answer), this);
    const refusal = this.options.credentials?.refusal ?? explainMissingBase(`${host}/${repository}`);
    return new TaskError(known ?? refusal);
  }

  /** Follows a registry that keeps its blobs elsewhere, as Azure's do, without credentials. */
  private readElsewhere(answer: HttpAnswer, headers: Record<string, string> = {}): Promise<HttpAnswer> {
    const url = new URL(answer.headers.get('location') ?? '', this.base);
    if (url.protocol !== 'https:' && !isLoopback(this.host)) throw this.strayed(url);
    return this.options.http.send({ method: 'GET', url: url.href, headers, answer: 'blob' });
  }

  private strayed({ host }: URL): TaskError {
    return new TaskError(
      `${this.host} points to ${host}, where this step must not go. Check input 'loginServer', and the proxy in front of the registry if there is one.`,
    );
  }

  /** The error that an answer amounts to; goes on from `refused to`. */
  refusal(answer: HttpAnswer, purpose: string, access = this.access): TaskError {
    const { host, repository } = this;
    const text = textOf(answer);
    const correlation = answer.headers.get('x-ms-correlation-request-id');
    const words = `${answer.headers.get('www-authenticate') ?? ''} ${text}`;
    return new TaskError(
      explainRegistryError(words, { host, repository, access }) ??
        `${host} refused to ${purpose} (HTTP ${answer.status}). Its answer stands above this message.`,
      {
        details: [
          `${host}: HTTP ${answer.status}. ${text}`,
          ...(correlation ? [`Correlation id for Azure support: ${correlation}`] : []),
        ],
      },
    );
  }
}

/** The digest of some bytes: `sha256:<hex>`. */
export function digestOfBytes(content: Buffer): string {
  return `sha256:${createHash('sha256').update(content).digest('hex')}`;
}

/** What a registry says, as far as it is worth reading. */
function textOf({ body }: HttpAnswer): string {
  return bound(body.toString('utf8'), 2_000);
}

function isRedirect({ status }: HttpAnswer): boolean {
  return [301, 302, 303, 307, 308].includes(status);
}

function hasCode(error: unknown, code: string): boolean {
  return (error as NodeJS.ErrnoException | undefined)?.code === code;
}
