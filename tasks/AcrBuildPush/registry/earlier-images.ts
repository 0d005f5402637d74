import { TaskError } from '../../common/errors';
import type { Descriptor, ImageConfig, Platform } from '../image/image';
import type { Manifest, RegistryClient } from './client';

/** An image that lies in the registry. */
export interface EarlierImage {
  readonly repository: string;
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
    if (!this.images) {
      this.images = this.readAll();
      // They are asked for in advance; until somebody awaits them, their failure is not unheard of.
      this.images.catch(() => undefined);
    }
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
      return this.registry.newestTags(NEWEST_TAGS);
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
  const { config, layers, body } = manifest;
  if (!config) return imagesOfIndex(registry, body);
  const content: ImageConfig = JSON.parse((await registry.blob(config.digest)).toString('utf8'));
  if (content.rootfs.diff_ids.length !== layers.length) return [];
  return [{ repository: registry.repository, config: content, layers }];
}

async function imagesOfIndex(registry: RegistryClient, body: Buffer): Promise<EarlierImage[]> {
  const { manifests } = JSON.parse(body.toString('utf8')) as { manifests: (Descriptor & Partial<Entry>)[] };
  // Attestations are of no platform.
  const images = manifests.filter(({ platform }) => platform?.os !== 'unknown');
  return (await Promise.all(images.map(({ digest }) => readImages(registry, digest)))).flat();
}

interface Entry {
  readonly platform: Platform;
}

/** What could be read; undefined where the registry refuses it, or it is no image as it should be. */
async function unlessRefused<T>(read: () => Promise<T>): Promise<T | undefined> {
  try {
    return await read();
  } catch (error) {
    if (error instanceof TaskError || error instanceof SyntaxError || error instanceof TypeError)
      return undefined;
    throw error;
  }
}
