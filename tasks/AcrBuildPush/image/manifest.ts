import { isRecord, readJson, readJsonObject } from '../../common/json';
import { type Descriptor, digestOfBytes, type ImageConfig, type Manifest, type Platform } from './image';
import { isIndex } from './media-types';

/* What registries send, checked once for its shape: digests go into addresses, and sizes into sums. */

/** The grammar of the OCI image specification. */
const DIGEST = /^[a-z0-9]+(?:[+._-][a-z0-9]+)*:[\w=-]+$/;

/** Reads a manifest; undefined for what is none. */
export function readManifest(body: Buffer, mediaType: string): Manifest | undefined {
  const content = readJson(body);
  if (!isRecord(content)) return undefined;
  const { config, layers = [], manifests } = content;
  const isSound = isIndex(mediaType)
    ? isListOf(manifests, isEntry)
    : (config === undefined || isDescriptor(config)) && isListOf(layers, isDescriptor);
  if (!isSound) return undefined;
  return {
    digest: digestOfBytes(body),
    mediaType,
    body,
    config: config as Descriptor | undefined,
    layers: layers as Descriptor[],
  };
}

/** An image in an index. */
export interface IndexEntry extends Descriptor {
  readonly platform?: Platform;
  /** What it is, where it is no image. */
  readonly artifactType?: string;
}

/** The images that an index lists; undefined for the manifest of one image. */
export function entriesOf({ body }: Manifest): readonly IndexEntry[] | undefined {
  const manifests = readJsonObject(body).manifests;
  return isListOf(manifests, isEntry) ? (manifests as IndexEntry[]) : undefined;
}

/** Reads an image's configuration; undefined for what is none. */
export function readConfig(content: Buffer): ImageConfig | undefined {
  const config = readJsonObject(content);
  const rootfs = config.rootfs as { diff_ids?: unknown } | undefined;
  return isListOf(rootfs?.diff_ids, isDigest) ? (config as unknown as ImageConfig) : undefined;
}

function isDescriptor(value: unknown): boolean {
  return isEntry(value) && isCount((value as Partial<Descriptor>).size);
}

/** An entry of an index is only asked for. */
function isEntry(value: unknown): boolean {
  const { mediaType, digest } = (value ?? {}) as Partial<Descriptor>;
  return ['string', 'undefined'].includes(typeof mediaType) && isDigest(digest);
}

function isDigest(value: unknown): boolean {
  return typeof value === 'string' && DIGEST.test(value);
}

function isCount(value: unknown): boolean {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

function isListOf(value: unknown, isItem: (item: unknown) => boolean): boolean {
  return Array.isArray(value) && value.every(isItem);
}
