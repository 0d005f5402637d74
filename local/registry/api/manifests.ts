import { algorithmOf, type BlobStore } from '../blob-store';
import type { Catalog, Entry } from '../catalog';
import { locked, manifestUnknown, RegistryError } from '../errors';
import { type Exchange, readBody, reply } from '../exchange';
import { isDigest } from '../names';

/** Azure Container Registry's limit, in bytes. */
const LARGEST_MANIFEST = 4 * 1024 * 1024;

const IMAGE_TYPES = [
  'application/vnd.oci.image.manifest.v1+json',
  'application/vnd.docker.distribution.manifest.v2+json',
];
const INDEX_TYPES = [
  'application/vnd.oci.image.index.v1+json',
  'application/vnd.docker.distribution.manifest.list.v2+json',
];

interface Descriptor {
  readonly digest: string;
  /** A layer with addresses of its own, such as a Windows base layer, need not be in the registry. */
  readonly urls?: readonly string[];
}

/** The parts of the four kinds of manifest that the registry looks at. */
interface ManifestBody {
  readonly mediaType?: string;
  readonly config?: Descriptor;
  readonly layers?: readonly Descriptor[];
  readonly manifests?: readonly Descriptor[];
  readonly subject?: Descriptor;
}

/** `HEAD` and `GET /v2/<repository>/manifests/<tag or digest>`. */
export async function readManifest(exchange: Exchange, blobs: BlobStore, catalog: Catalog): Promise<void> {
  const { request, response, repository, reference } = exchange;
  const { digest, mediaType, size } = findManifest(catalog, repository, reference);
  checkAccepted(request.headers.accept, mediaType);
  const headers = {
    'Content-Type': mediaType,
    'Content-Length': size,
    'Docker-Content-Digest': digest,
    ETag: `"${digest}"`,
  };
  reply(response, 200, headers, request.method === 'HEAD' ? undefined : await blobs.readWhole(digest));
}

/** `PUT /v2/<repository>/manifests/<tag or digest>`: makes blobs that are there already into an image. */
export async function writeManifest(exchange: Exchange, blobs: BlobStore, catalog: Catalog): Promise<void> {
  const { request, response, repository, reference } = exchange;
  if (reference.includes(':') && !isDigest(reference)) {
    throw new RegistryError('DIGEST_INVALID', 'invalid digest', { digest: reference });
  }
  const content = await readBody(request, LARGEST_MANIFEST);
  const mediaType = request.headers['content-type'] ?? '';
  const manifest = parseManifest(content, mediaType);
  checkReferences(manifest, catalog, repository);
  refuseIfLocked(catalog.find(repository)?.tags.get(reference), 'push');

  const digest = await blobs.write(content, isDigest(reference) ? algorithmOf(reference) : undefined);
  if (isDigest(reference) && reference !== digest) {
    throw new RegistryError('DIGEST_INVALID', 'provided digest did not match uploaded content', {
      digest: reference,
    });
  }
  const subject = manifest.subject?.digest;
  catalog.putManifest(repository, digest, { mediaType, size: content.length, ...(subject && { subject }) });
  if (!isDigest(reference)) catalog.putTag(repository, reference, digest);
  reply(response, 201, {
    Location: `/v2/${repository}/manifests/${digest}`,
    'Docker-Content-Digest': digest,
    ...(subject && { 'OCI-Subject': subject }),
  });
}

/** `DELETE /v2/<repository>/manifests/<tag or digest>`: a tag alone, or a manifest with all its tags. */
export async function deleteManifest(
  { response, repository, reference }: Exchange,
  catalog: Catalog,
): Promise<void> {
  const { manifests, tags } = catalog.find(repository) ?? {};
  const entry = isDigest(reference) ? manifests?.get(reference) : tags?.get(reference);
  if (!entry) throw manifestUnknown(repository, reference);
  refuseIfLocked(entry, 'delete');
  if (isDigest(reference)) catalog.deleteManifest(repository, reference);
  else catalog.deleteTag(repository, reference);
  reply(response, 202);
}

/** Throws MANIFEST_UNKNOWN when the repository has no such tag or digest. */
export function findManifest(catalog: Catalog, repository: string, reference: string) {
  const { manifests, tags } = catalog.find(repository) ?? {};
  const digest = isDigest(reference) ? reference : tags?.get(reference)?.digest;
  const manifest = digest === undefined ? undefined : manifests?.get(digest);
  if (digest === undefined || !manifest) throw manifestUnknown(repository, reference);
  return { digest, ...manifest };
}

/** OCI manifests are shown only to clients that say they know them; Docker's own go to everybody. */
function checkAccepted(accept: string | undefined, mediaType: string): void {
  const accepted = (accept ?? '').split(',').map((type) => type.split(';')[0]!.trim());
  if (mediaType.includes('.oci.') && !accepted.includes(mediaType) && !accepted.includes('*/*')) {
    throw new RegistryError(
      'MANIFEST_UNKNOWN',
      'OCI manifest found, but accept header does not support OCI manifests',
    );
  }
}

function parseManifest(content: Buffer, mediaType: string): ManifestBody {
  if (![...IMAGE_TYPES, ...INDEX_TYPES].includes(mediaType)) {
    throw new RegistryError('MANIFEST_INVALID', 'manifest invalid', `unsupported media type "${mediaType}"`);
  }
  let manifest: ManifestBody;
  try {
    manifest = JSON.parse(content.toString('utf8'));
  } catch {
    throw new RegistryError('MANIFEST_INVALID', 'manifest invalid', 'not JSON');
  }
  const complete = IMAGE_TYPES.includes(mediaType)
    ? manifest?.config !== undefined && Array.isArray(manifest.layers)
    : Array.isArray(manifest?.manifests);
  if (!complete || (manifest.mediaType ?? mediaType) !== mediaType) {
    throw new RegistryError('MANIFEST_INVALID', 'manifest invalid', `not a ${mediaType}`);
  }
  return manifest;
}

function checkReferences(manifest: ManifestBody, catalog: Catalog, repository: string): void {
  const blobs = [manifest.config, ...(manifest.layers ?? [])].filter((blob) => blob && !blob.urls?.length);
  const missing =
    blobs.find((blob) => !catalog.hasBlob(repository, blob!.digest)) ??
    manifest.manifests?.find(({ digest }) => !catalog.find(repository)?.manifests.has(digest));
  if (missing) {
    throw new RegistryError('MANIFEST_BLOB_UNKNOWN', 'manifest blob unknown to registry', {
      digest: missing.digest,
    });
  }
}

/** `writeEnabled: false` forbids deletion too, whatever `deleteEnabled` says (Azure/acr-cli#70). */
function refuseIfLocked(entry: Entry | undefined, operation: 'push' | 'delete'): void {
  if (!entry) return;
  const { writeEnabled, deleteEnabled } = entry.attributes;
  if (!writeEnabled || (operation === 'delete' && !deleteEnabled)) throw locked();
}
