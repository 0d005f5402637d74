import { isRecord, readJson, readJsonObject, recordOf } from '../../common/json';
import { EACH, faultIn, type Shape, withoutNulls } from '../../common/shape';
import { type Descriptor, digestOfBytes, type ImageConfig, type Manifest, type Platform } from './image';
import { isIndex, OCI_INDEX, OCI_MANIFEST } from './media-types';

/*
 * What registries send, checked once for its shape: digests go into addresses, and sizes into sums. What is null there is
 * left out, so that nobody further on has to reckon with it.
 */

/** The grammar of the OCI image specification. */
const DIGEST = /^[a-z0-9]+(?:[+._-][a-z0-9]+)*:[\w=-]+$/;

const PLATFORM = { os: 'text', architecture: 'text', variant: 'text' } as const;

const DESCRIPTOR = {
  mediaType: 'text',
  digest: 'text',
  size: 'number',
  urls: ['text'],
  annotations: { [EACH]: 'text' },
} as const;

const ABOUT = {
  subject: 'object',
  artifactType: 'text',
  annotations: { [EACH]: 'text' },
} as const;

const IMAGE_MANIFEST = { ...ABOUT, config: DESCRIPTOR, layers: [DESCRIPTOR] } as const;

const INDEX = {
  ...ABOUT,
  manifests: [{ ...DESCRIPTOR, platform: PLATFORM, artifactType: 'text' }],
} as const;

const CONFIG = {
  ...PLATFORM,
  created: 'text',
  author: 'text',
  config: {
    User: 'text',
    ExposedPorts: { [EACH]: 'object' },
    Env: ['text'],
    Entrypoint: ['text'],
    Cmd: ['text'],
    Volumes: { [EACH]: 'object' },
    WorkingDir: 'text',
    Labels: { [EACH]: 'text' },
    StopSignal: 'text',
    Healthcheck: 'object',
    OnBuild: ['text'],
    Shell: ['text'],
    StopTimeout: 'number',
  },
  rootfs: { diff_ids: ['text'] },
  history: [{ created: 'text', created_by: 'text', comment: 'text', author: 'text', empty_layer: 'flag' }],
} as const satisfies Shape;

/**
 * Reads a manifest; undefined for what is none, of which {@link faultInManifest} tells why.
 *
 * @param sentAs the type that it was sent as, which counts where it does not say what it is by itself
 */
export function readManifest(body: Buffer, sentAs: string): Manifest | undefined {
  if (faultInManifest(body, sentAs) !== undefined) return undefined;
  const content = readJsonObject(body);
  const { config, layers = [] } = withoutNulls(content, IMAGE_MANIFEST) as Partial<Manifest>;
  // A part that says no type has one that nobody knows.
  const typed = (part: Descriptor): Descriptor => ({ ...part, mediaType: part.mediaType ?? '' });
  return {
    digest: digestOfBytes(body),
    mediaType: typeOf(content, sentAs),
    body,
    config: config && typed(config),
    layers: layers.map(typed),
  };
}

/** What of a manifest is not as it has to be, and what stands there. */
export function faultInManifest(body: Buffer, sentAs: string): string | undefined {
  const content = readJson(body);
  if (isIndex(typeOf(recordOf(content), sentAs))) {
    return (
      faultIn(content, INDEX) ??
      // Who signs one must not have the other pulled.
      (isRecord(content) && ('layers' in content || 'config' in content)
        ? 'it is both an image and a list of images'
        : undefined) ??
      // An entry of an index is only asked for.
      faultInDescriptors('manifests', (content as { manifests?: unknown }).manifests, hasDigest)
    );
  }
  const fault = faultIn(content, IMAGE_MANIFEST);
  if (fault !== undefined) return fault;
  const { config, layers = [] } = content as { config?: unknown; layers?: unknown };
  return (
    (config === undefined ? undefined : faultInDescriptors('config', [config], isDescriptor)) ??
    faultInDescriptors('layers', layers, isDescriptor)
  );
}

/** What a manifest is: what it says, else what it was sent as, unless what it has is something else. */
function typeOf(content: Record<string, unknown>, sentAs: string): string {
  const { mediaType, manifests } = content;
  const type = typeof mediaType === 'string' ? mediaType : sentAs.replace(/;.*$/s, '').trim();
  const hasImages = Array.isArray(manifests);
  if (hasImages === isIndex(type)) return type;
  if (hasImages) return OCI_INDEX;
  return 'layers' in content || 'config' in content ? OCI_MANIFEST : type;
}

/** An image in an index. */
export interface IndexEntry extends Descriptor {
  readonly platform?: Platform;
  /** What it is, where it is no image. */
  readonly artifactType?: string;
  readonly annotations?: Readonly<Record<string, string>>;
}

/** The images that an index lists; undefined for the manifest of one image. */
export function entriesOf({ body }: Pick<Manifest, 'body'>): readonly IndexEntry[] | undefined {
  const content = readJson(body);
  if (faultIn(content, INDEX) !== undefined) return undefined;
  const { manifests } = withoutNulls(content, INDEX) as { manifests?: IndexEntry[] };
  return faultInDescriptors('manifests', manifests, hasDigest) === undefined ? manifests : undefined;
}

/** Reads an image's configuration; undefined for what is none, of which {@link faultInConfig} tells why. */
export function readConfig(content: Buffer): ImageConfig | undefined {
  if (faultInConfig(content) !== undefined) return undefined;
  return withoutNulls(readJson(content), CONFIG) as ImageConfig;
}

/** What of an image's configuration is not as it has to be, and what stands there. */
export function faultInConfig(content: Buffer): string | undefined {
  const config = readJson(content);
  const fault = faultIn(config, CONFIG);
  if (fault !== undefined) return fault;
  const { rootfs } = config as { rootfs?: { diff_ids?: readonly unknown[] } | null };
  const isSound = Array.isArray(rootfs?.diff_ids) && rootfs.diff_ids.every(isDigest);
  return isSound ? undefined : "'rootfs.diff_ids' is no list of digests";
}

function faultInDescriptors(
  place: string,
  descriptors: unknown,
  isSound: (descriptor: Partial<Descriptor>) => boolean,
): string | undefined {
  if (!Array.isArray(descriptors)) return `'${place}' is missing`;
  return descriptors.every((one) => isSound(one ?? {}))
    ? undefined
    : `'${place}' holds something without a digest or a size`;
}

function isDescriptor(one: Partial<Descriptor>): boolean {
  const { size = -1 } = one;
  return hasDigest(one) && Number.isSafeInteger(size) && size >= 0;
}

function hasDigest({ digest }: Partial<Descriptor>): boolean {
  return isDigest(digest);
}

function isDigest(value: unknown): boolean {
  return typeof value === 'string' && DIGEST.test(value);
}
