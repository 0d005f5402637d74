import { pipeline } from 'node:stream/promises';
import type { BlobStore } from '../blob-store';
import type { Catalog } from '../catalog';
import { RegistryError } from '../errors';
import { type Exchange, reply } from '../exchange';

/**
 * `HEAD` and `GET /v2/<repository>/blobs/<digest>`, whole or one range of bytes. The real service answers a GET with
 * a redirect to its Blob storage; here the bytes come at once.
 */
export async function readBlob(exchange: Exchange, blobs: BlobStore, catalog: Catalog): Promise<void> {
  const { request, response, repository, reference: digest } = exchange;
  if (!catalog.hasBlob(repository, digest)) {
    throw new RegistryError('BLOB_UNKNOWN', 'blob unknown to registry', { digest });
  }
  const size = await blobs.size(digest);
  const range = parseRange(request.headers.range, size);
  const { first, last } = range ?? { first: 0, last: size - 1 };
  const headers = {
    'Content-Type': 'application/octet-stream',
    'Content-Length': last - first + 1,
    'Docker-Content-Digest': digest,
    'Accept-Ranges': 'bytes',
    ETag: `"${digest}"`,
    ...(range ? { 'Content-Range': `bytes ${first}-${last}/${size}` } : {}),
  };
  const status = range ? 206 : 200;
  if (request.method === 'HEAD' || size === 0) return reply(response, status, headers);
  response.writeHead(status, headers);
  await pipeline(blobs.read(digest, first, last), response);
}

/** `DELETE /v2/<repository>/blobs/<digest>`: takes a blob out of the repository; others keep it. */
export async function deleteBlob(
  { response, repository, reference }: Exchange,
  catalog: Catalog,
): Promise<void> {
  if (!catalog.hasBlob(repository, reference)) {
    throw new RegistryError('BLOB_UNKNOWN', 'blob unknown to registry', { digest: reference });
  }
  catalog.removeBlob(repository, reference);
  reply(response, 202);
}

/** One range; anything else in the header is ignored, as HTTP allows. */
function parseRange(header: string | undefined, size: number): { first: number; last: number } | undefined {
  const match = /^bytes=(\d*)-(\d*)$/.exec(header ?? '');
  if (!match || (match[1] === '' && match[2] === '')) return undefined;
  const suffix = match[1] === '';
  const first = suffix ? Math.max(0, size - Number(match[2])) : Number(match[1]);
  const last = suffix || match[2] === '' ? size - 1 : Math.min(Number(match[2]), size - 1);
  if (first > last) {
    throw new RegistryError('RANGE_INVALID', 'invalid content range', undefined, {
      'Content-Range': `bytes */${size}`,
    });
  }
  return { first, last };
}
