import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';

export interface RegistryLogin {
  /** Host and port; spoken to over plain HTTP. */
  readonly loginServer: string;
  readonly username: string;
  readonly password: string;
}

/** A part of an image, as a manifest refers to it. */
export interface Descriptor {
  readonly mediaType: string;
  readonly digest: string;
  /** Bytes. */
  readonly size: number;
}

const MANIFEST_TYPE = 'application/vnd.oci.image.manifest.v1+json';
const CONFIG_TYPE = 'application/vnd.oci.image.config.v1+json';
const LAYER_TYPE = 'application/vnd.oci.image.layer.v1.tar';

/** As much of the registry protocol as it takes to store an image of one layer. */
export class RegistryClient {
  private readonly repositoryUrl: string;
  private readonly authorization: string;

  constructor(
    { loginServer, username, password }: RegistryLogin,
    repository: string,
    private readonly signal?: AbortSignal,
  ) {
    this.repositoryUrl = `http://${loginServer}/v2/${repository}`;
    this.authorization = `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`;
  }

  async hasTag(tag: string): Promise<boolean> {
    const answer = await this.send('HEAD', `${this.repositoryUrl}/manifests/${tag}`, {
      headers: { Accept: MANIFEST_TYPE },
    });
    return answer.ok;
  }

  /** Stores a tar file as a layer, as it is; nothing is sent when the registry has it already. */
  async putLayer(file: string): Promise<Descriptor> {
    const hash = createHash('sha256');
    await pipeline(createReadStream(file), hash, { signal: this.signal });
    const { size } = await stat(file);
    const layer = { mediaType: LAYER_TYPE, digest: `sha256:${hash.digest('hex')}`, size };
    await this.putBlob(layer, () => Readable.toWeb(createReadStream(file)) as ReadableStream);
    return layer;
  }

  /** Makes an image of a layer and a configuration without `rootfs`, under a tag. */
  async putImage(tag: string, layer: Descriptor, configuration: object): Promise<void> {
    const content = JSON.stringify({
      ...configuration,
      rootfs: { type: 'layers', diff_ids: [layer.digest] },
    });
    const digest = `sha256:${createHash('sha256').update(content).digest('hex')}`;
    const config = { mediaType: CONFIG_TYPE, digest, size: Buffer.byteLength(content) };
    await this.putBlob(config, () => content);
    const manifest = { schemaVersion: 2, mediaType: MANIFEST_TYPE, config, layers: [layer] };
    await this.sendOrFail('PUT', `${this.repositoryUrl}/manifests/${tag}`, {
      headers: { 'Content-Type': MANIFEST_TYPE },
      body: JSON.stringify(manifest),
    });
  }

  private async putBlob({ digest }: Descriptor, content: () => string | ReadableStream): Promise<void> {
    const known = await this.send('HEAD', `${this.repositoryUrl}/blobs/${digest}`);
    if (known.ok) return;
    const started = await this.sendOrFail('POST', `${this.repositoryUrl}/blobs/uploads/`);
    const location = new URL(started.headers.get('location')!, this.repositoryUrl);
    location.searchParams.set('digest', digest);
    await this.sendOrFail('PUT', location.href, {
      headers: { 'Content-Type': 'application/octet-stream' },
      body: content(),
      duplex: 'half',
    });
  }

  private async sendOrFail(method: string, url: string, options?: RequestInit): Promise<Response> {
    const answer = await this.send(method, url, options);
    if (answer.ok) return answer;
    throw new Error(
      `The registry answered ${method} ${new URL(url).pathname} with ${answer.status}: ${await answer.text()}`,
    );
  }

  private send(method: string, url: string, options: RequestInit = {}): Promise<Response> {
    return fetch(url, {
      ...options,
      method,
      headers: { ...options.headers, Authorization: this.authorization },
      signal: this.signal ?? null,
    });
  }
}
