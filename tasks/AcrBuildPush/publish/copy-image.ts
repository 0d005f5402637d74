import { Lanes } from '../../common/lanes';
import { formatBytes } from '../../common/text';
import type { Descriptor, Manifest } from '../image/image';
import { entriesOf, type IndexEntry } from '../image/manifest';
import type { RegistryClient } from '../registry/client';
import { remoteBlob } from '../registry/pull';
import { addReferrers, findReferrers } from '../registry/referrers';
import type { UploadOptions } from '../registry/send-blob';
import { type Place, type PublishedImage, putManifest } from './destination';

/** What refers to an image may be referred to itself, as the signature of a list of parts is; no deeper than this. */
const DEEPEST = 3;

/** The tags by which cosign attaches what it says of an image, beside the specification's own way. */
const COSIGN_TAGS = ['sig', 'att', 'sbom'] as const;

/**
 * Copies an image from one repository to another, byte for byte, with all that refers to it. Blobs that are there already
 * stay, those of the same registry are mounted, and the others go through this agent without being kept.
 *
 * @throws TaskError when one of the registries refuses
 */
export async function copyImage(
  source: RegistryClient,
  digest: string,
  place: Place,
  options: UploadOptions,
): Promise<PublishedImage> {
  const lanes = new Lanes(options.signal);
  const copy = new Copy(source, place, lanes, options);
  try {
    const manifest = await copy.image(digest, 0);
    await copy.cosignTags();
    return { manifest, sent: copy.sent };
  } catch (error) {
    throw await lanes.firstError(error);
  }
}

class Copy {
  readonly sent = new Set<string>();
  /** By digest: an image may be in two lists. */
  private readonly manifests = new Map<string, Manifest>();
  private readonly blobs = new Map<string, Promise<void>>();

  constructor(
    private readonly source: RegistryClient,
    private readonly place: Place,
    private readonly lanes: Lanes,
    private readonly options: UploadOptions,
  ) {}

  /** Copies a manifest with its parts, then what refers to it. */
  async image(digest: string, depth: number): Promise<Manifest> {
    const known = this.manifests.get(digest);
    if (known) return known;
    return this.copy(await this.source.manifest(digest), depth);
  }

  private async copy(manifest: Manifest, depth: number): Promise<Manifest> {
    const { digest } = manifest;
    this.manifests.set(digest, manifest);
    for (const entry of entriesOf(manifest) ?? []) await this.image(entry.digest, depth);
    const parts = [...(manifest.config ? [manifest.config] : []), ...manifest.layers];
    await Promise.all(parts.map((part) => this.blob(part)));
    const isListed = await putManifest(this.place.registry, manifest, digest, this.options);
    const subject = subjectOf(manifest);
    if (subject && !isListed)
      await addReferrers(this.place.registry, subject, [manifest], this.options.signal);
    if (depth < DEEPEST) {
      for (const referrer of await findReferrers(this.source, digest))
        await this.referrer(referrer, depth + 1);
    }
    return manifest;
  }

  /** Copies what refers to an image; what a list still names and somebody has deleted can't be. */
  private async referrer({ digest, artifactType = 'something' }: IndexEntry, depth: number): Promise<void> {
    const { log } = this.options;
    const manifest = this.manifests.get(digest) ?? (await this.source.findManifest(digest));
    if (!manifest) {
      log.info(`The list of what refers to the image names ${digest} (${artifactType}), which is gone.`);
    } else if (!this.manifests.has(digest)) {
      log.info(`Copying ${artifactType} that refers to it: ${digest}`);
      await this.copy(manifest, depth);
    }
  }

  /** Copies what cosign has attached to any of the images under tags of its own. */
  async cosignTags(): Promise<void> {
    const tags = [...this.manifests.keys()].flatMap((digest) =>
      COSIGN_TAGS.map((suffix) => `${digest.replace(':', '-')}.${suffix}`),
    );
    for (const tag of tags) {
      const manifest = await this.source.findManifest(tag);
      if (!manifest) continue;
      await this.image(manifest.digest, DEEPEST);
      await putManifest(this.place.registry, manifest, tag, this.options);
      this.options.log.info(`Copied ${tag}.`);
    }
  }

  private blob(descriptor: Descriptor): Promise<void> {
    const { digest, urls } = descriptor;
    // Some layers lie at addresses of their own, and no registry has them.
    if (urls?.length) return Promise.resolve();
    let copied = this.blobs.get(digest);
    if (!copied) {
      copied = this.lanes.run((signal) => this.copyBlob(descriptor, signal));
      this.blobs.set(digest, copied);
    }
    return copied;
  }

  private async copyBlob(descriptor: Descriptor, signal: AbortSignal): Promise<void> {
    const { source, place, options } = this;
    const { digest, size } = descriptor;
    const name = `${digest.slice(0, 19)}…, ${formatBytes(size)},`;
    if (await place.registry.hasBlob(digest, signal)) return options.log.info(`${name} is there already.`);
    if (
      source.host === place.registry.host &&
      (await place.uploads.mount(digest, source.repository, signal))
    ) {
      return options.log.info(`${name} was mounted from '${source.repository}'.`);
    }
    const open = async (start: number) => remoteBlob(source, descriptor, start);
    await place.uploads.send({ name: digest, size, digest: () => digest, open }, { ...options, signal });
    this.sent.add(digest);
    options.log.info(`${name} was copied.`);
  }
}

/** What a manifest says something about. */
function subjectOf({ body }: Manifest): string | undefined {
  const subject: unknown = JSON.parse(body.toString('utf8')).subject?.digest;
  return typeof subject === 'string' ? subject : undefined;
}
