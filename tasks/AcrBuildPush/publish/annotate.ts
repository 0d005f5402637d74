import { type Descriptor, digestOfBytes, type Manifest } from '../image/image';
import { asOci, OCI_INDEX } from '../image/media-types';

export type Annotations = Readonly<Record<string, string>>;

/**
 * A manifest with annotations. Docker's own format has none, so such a manifest becomes one of the OCI format: the same
 * blobs under other names of their types. Anything that is not known to have such names is left as it is.
 */
export function annotate(manifest: Manifest, annotations: Annotations): Manifest {
  const content = JSON.parse(manifest.body.toString('utf8'));
  if (manifest.mediaType === OCI_INDEX) {
    return encode(manifest, { ...content, annotations: { ...content.annotations, ...annotations } });
  }
  const parts = [manifest.config, ...manifest.layers];
  const mediaType = asOci(manifest.mediaType);
  if (!mediaType || !parts.every((part) => part && asOci(part.mediaType))) return manifest;

  const convert = (part: Descriptor) => ({ ...part, mediaType: asOci(part.mediaType)! });
  return encode(manifest, {
    ...content,
    mediaType,
    config: convert(content.config),
    layers: (content.layers ?? []).map(convert),
    annotations: { ...content.annotations, ...annotations },
  });
}

/** The manifest of a content that was changed. */
function encode(
  manifest: Manifest,
  content: { mediaType?: string; config?: Descriptor; layers?: Descriptor[] },
): Manifest {
  const body = Buffer.from(JSON.stringify(content));
  return {
    digest: digestOfBytes(body),
    mediaType: content.mediaType ?? manifest.mediaType,
    body,
    config: content.config,
    layers: content.layers ?? [],
  };
}
