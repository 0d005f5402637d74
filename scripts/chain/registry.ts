import { createHash } from 'node:crypto';

/** Bytes of a manifest or a document, at most. */
const LARGEST = 64 * 1024 * 1024;

const MANIFESTS = [
  'application/vnd.oci.image.index.v1+json',
  'application/vnd.oci.image.manifest.v1+json',
  'application/vnd.docker.distribution.manifest.list.v2+json',
  'application/vnd.docker.distribution.manifest.v2+json',
].join(', ');

/** Pages of a list that are read, at most. */
const MOST_PAGES = 100;

export interface Descriptor {
  readonly mediaType: string;
  readonly digest: string;
  readonly size: number;
  readonly artifactType?: string;
  readonly annotations?: Readonly<Record<string, string>>;
  readonly platform?: { readonly os?: string; readonly architecture?: string; readonly variant?: string };
}

/** A manifest of an image, of a list of images, or of something attached to one. */
export interface Manifest {
  readonly digest: string;
  readonly mediaType: string;
  /** Bytes. */
  readonly size: number;
  readonly content: {
    readonly mediaType?: string;
    readonly artifactType?: string;
    readonly manifests?: readonly Descriptor[] | null;
    readonly layers?: readonly Descriptor[];
    readonly config?: Descriptor;
    readonly subject?: Descriptor;
  };
}

/** An image's name in its parts. */
export interface Reference {
  readonly host: string;
  readonly repository: string;
  /** A tag or a digest. */
  readonly version: string;
}

/** @throws Error when it is no whole name */
export function parseReference(name: string): Reference {
  const [, host, repository, tag, digest] =
    /^([\w.-]+(?::\d+)?)\/([a-z0-9._/-]+)(?::([\w.-]+))?(?:@(sha256:[0-9a-f]{64}))?$/.exec(name) ?? [];
  if (host === undefined || repository === undefined || (tag ?? digest) === undefined) {
    throw new Error(
      `'${name}' is no whole name of an image: give registry/repository:tag or registry/repository@sha256:…`,
    );
  }
  return { host, repository, version: digest ?? tag! };
}

/** Reads from a registry, by the OCI distribution specification, and believes no digest that it has not computed. */
export class Registry {
  private readonly base: string;
  private authorization: string | undefined;

  constructor(
    private readonly reference: Pick<Reference, 'host' | 'repository'>,
    private readonly credentials: { readonly username: string; readonly password: string } | undefined,
  ) {
    const isOfThisMachine = /^(localhost|127(\.\d+){3})(:\d+)?$/.test(reference.host);
    this.base = `${isOfThisMachine ? 'http' : 'https'}://${reference.host}`;
  }

  /** @throws Error when there is none, or it is not what its digest says */
  async manifest(version: string): Promise<Manifest> {
    const found = await this.find(version);
    if (!found)
      throw new Error(`${this.reference.host}/${this.reference.repository} has nothing named ${version}.`);
    return found;
  }

  async blob({ digest, size }: Descriptor): Promise<Buffer> {
    if (size > LARGEST) throw new Error(`${digest} is larger than anything that is attached to images.`);
    const answer = await this.get(this.path(`blobs/${digest}`));
    const content = Buffer.from(await answer.arrayBuffer());
    if (digestOf(content) !== digest) throw new Error(`The registry sent something else than ${digest}.`);
    return content;
  }

  /** The bytes of a layer as they come; whoever takes them holds them against the digest. */
  async stream({ digest }: Descriptor): Promise<AsyncIterable<Uint8Array>> {
    const answer = await this.get(this.path(`blobs/${digest}`));
    return answer.body as unknown as AsyncIterable<Uint8Array>;
  }

  /** What is attached to a manifest: as the registry lists it, and under the tag where others keep the list. */
  async referrers(subject: string): Promise<readonly Descriptor[]> {
    const found: Descriptor[] = [];
    let page: string | undefined = this.path(`referrers/${subject}`);
    for (let pages = 0; page !== undefined && pages < MOST_PAGES; pages++) {
      const answer: Response = await this.send(page, MANIFESTS);
      if (!answer.ok) break;
      found.push(...(((await answer.json()) as Manifest['content']).manifests ?? []));
      const next: string | undefined = /<([^>]*)>\s*;\s*rel="?next/i.exec(
        answer.headers.get('link') ?? '',
      )?.[1];
      page = next === undefined ? undefined : new URL(next, page).href;
    }
    const tagged = await this.find(subject.replace(':', '-'));
    found.push(...(tagged?.content.manifests ?? []));
    return [...new Map(found.map((entry) => [entry.digest, entry])).values()];
  }

  private async find(version: string): Promise<Manifest | undefined> {
    const answer = await this.send(this.path(`manifests/${version}`), MANIFESTS);
    if (answer.status === 404) return undefined;
    if (!answer.ok) throw new Error(`${this.reference.host} answered ${answer.status} for ${version}.`);
    const body = Buffer.from(await answer.arrayBuffer());
    const digest = digestOf(body);
    if (version.startsWith('sha256:') && version !== digest) {
      throw new Error(`The registry sent something else than ${version}.`);
    }
    const content: Manifest['content'] = JSON.parse(body.toString());
    const mediaType = content.mediaType ?? answer.headers.get('content-type') ?? '';
    return { digest, mediaType, size: body.length, content };
  }

  private async get(url: string): Promise<Response> {
    const answer = await this.send(url, '*/*');
    if (!answer.ok) throw new Error(`${this.reference.host} answered ${answer.status} for ${url}.`);
    return answer;
  }

  private async send(url: string, accept: string): Promise<Response> {
    const ask = () =>
      fetch(url, {
        headers: { accept, ...(this.authorization !== undefined && { authorization: this.authorization }) },
      });
    const answer = await ask();
    if (answer.status !== 401 || !(await this.signIn(answer.headers.get('www-authenticate') ?? '')))
      return answer;
    return ask();
  }

  /**
   * Also in place of a token that has expired: some are good for a minute, and to read a layer may take longer.
   *
   * @returns whether there is something new to try
   */
  private async signIn(challenge: string): Promise<boolean> {
    const { credentials } = this;
    const basic =
      credentials &&
      `Basic ${Buffer.from(`${credentials.username}:${credentials.password}`).toString('base64')}`;
    if (!/^bearer/i.test(challenge)) {
      if (basic === undefined || basic === this.authorization) return false;
      this.authorization = basic;
      return true;
    }
    const parameters = Object.fromEntries(
      [...challenge.matchAll(/(\w+)="([^"]*)"/g)].map(([, name, value]) => [name, value]),
    );
    const realm = new URL(parameters.realm ?? '', this.base);
    realm.searchParams.set('service', parameters.service ?? '');
    realm.searchParams.set('scope', `repository:${this.reference.repository}:pull`);
    // The password is for the registry alone.
    const isOwn = realm.origin === this.base;
    const answer = await fetch(realm, { headers: basic && isOwn ? { authorization: basic } : {} });
    if (!answer.ok)
      throw new Error(
        `${this.reference.host} did not let us sign in (${answer.status}). Set REGISTRY_USERNAME and REGISTRY_PASSWORD.`,
      );
    const { token, access_token } = (await answer.json()) as { token?: string; access_token?: string };
    this.authorization = `Bearer ${token ?? access_token}`;
    return true;
  }

  private path(rest: string): string {
    return `${this.base}/v2/${this.reference.repository}/${rest}`;
  }
}

export function digestOf(content: Buffer): string {
  return `sha256:${createHash('sha256').update(content).digest('hex')}`;
}
