import { awaitedLater } from '../../common/awaited-later';
import { TaskError } from '../../common/errors';
import type { Descriptor, ImageConfig, Manifest } from '../image/image';
import { entriesOf, type IndexEntry, readConfig } from '../image/manifest';
import type { RegistryClient } from './client';
import { newestTags } from './locks';

/** An image that lies in the registry. */
export interface EarlierImage {
  readonly repository: string;
  /** Of its manifest. */
  readonly digest: string;
  readonly config: ImageConfig;
  /** From the bottom up, one for each of the configuration's `rootfs.diff_ids`. */
  readonly layers: readonly Descriptor[];
}

/** How many of a repository's newest images are looked at, besides those of tags that are known. */
const NEWEST_TAGS = 3;

/**
 * What a repository had when the step began, each image read but once: those that the step's tags and `latest` name,
 * and the newest others. A new image is likely to share layers with them.
 */
export class EarlierImages {
  private readonly manifests = new Map<string, Promise<Manifest | undefined>>();
  private images: Promise<readonly EarlierImage[]> | undefined;

  constructor(
    private readonly registry: RegistryClient,
    private readonly tags: readonly string[],
  ) {}

  /**
   * The manifest that a tag names; undefined where there is no such tag.
   *
   * @throws TaskError when the registry refuses, or can't be reached
   */
  manifest(tag: string): Promise<Manifest | undefined> {
    let manifest = this.manifests.get(tag);
    if (!manifest) {
      manifest = this.registry.signIn().then(() => this.registry.findManifest(tag));
      this.manifests.set(tag, manifest);
    }
    return manifest;
  }

  /** All images. One that can't be read is passed over: knowing it only spares work. */
  all(): Promise<readonly EarlierImage[]> {
    // They are asked for in advance.
    this.images ??= awaitedLater(this.readAll());
    return this.images;
  }

  private async readAll(): Promise<readonly EarlierImage[]> {
    const known = [...new Set([...this.tags, 'latest'])];
    const newest = this.newestTags().then((tags) => {
      const others = tags.filter((tag) => !known.includes(tag));
      return Promise.all(others.map((tag) => this.read(tag)));
    });
    const images = await Promise.all([...known.map((tag) => this.read(tag)), newest]);
    return images.flat(2);
  }

  private async newestTags(): Promise<readonly string[]> {
    const tags = await unlessRefused(async () => {
      await this.registry.signIn();
      return newestTags(this.registry, NEWEST_TAGS);
    });
    return tags ?? [];
  }

  private async read(tag: string): Promise<readonly EarlierImage[]> {
    return (await unlessRefused(async () => imagesOf(this.registry, await this.manifest(tag)))) ?? [];
  }
}

/** The image under a tag or digest; of an index, all its images. None where they are not there, or can't be read. */
export async function readImages(registry: RegistryClient, reference: string): Promise<EarlierImage[]> {
  return (await unlessRefused(async () => imagesOf(registry, await registry.findManifest(reference)))) ?? [];
}

async function imagesOf(registry: RegistryClient, manifest: Manifest | undefined): Promise<EarlierImage[]> {
  if (!manifest) return [];
  const { config, layers } = manifest;
  if (!config) return imagesOfIndex(registry, entriesOf(manifest) ?? []);
  const content = readConfig(await registry.blob(config.digest));
  if (content?.rootfs.diff_ids.length !== layers.length) return [];
  return [{ repository: registry.repository, digest: manifest.digest, config: content, layers }];
}

async function imagesOfIndex(
  registry: RegistryClient,
  manifests: readonly IndexEntry[],
): Promise<EarlierImage[]> {
  // Attestations are of no platform.
  const images = manifests.filter(({ platform }) => platform?.os !== 'unknown');
  return (await Promise.all(images.map(({ digest }) => readImages(registry, digest)))).flat();
}

/** What could be read; undefined where the registry refuses it. */
async function unlessRefused<T>(read: () => Promise<T>): Promise<T | undefined> {
  try {
    return await read();
  } catch (error) {
    if (error instanceof TaskError) return undefined;
    throw error;
  }
}
