import type { BlobStore, Upload } from '../blob-store';
import type { Catalog } from '../catalog';
import { RegistryError } from '../errors';
import { type Exchange, reply } from '../exchange';
import { isDigest } from '../names';

/**
 * `POST /v2/<repository>/blobs/uploads/`: starts an upload, or makes it needless: with `mount` and `from` when the
 * blob is in another repository already, with `digest` when the whole blob comes along.
 */
export async function startUpload(exchange: Exchange, blobs: BlobStore, catalog: Catalog): Promise<void> {
  const { response, query, repository } = exchange;
  const mount = query.get('mount');
  if (mount !== null && catalog.hasBlob(query.get('from') ?? '', mount)) {
    catalog.addBlob(repository, mount);
    return replyCreated(exchange, mount);
  }
  const upload = await blobs.startUpload(repository);
  if (query.has('digest')) return finish(exchange, upload, blobs, catalog);
  reply(response, 202, progress(upload));
}

/** `GET` of an upload: how much of it has arrived. */
export async function uploadStatus(exchange: Exchange, blobs: BlobStore): Promise<void> {
  reply(exchange.response, 204, progress(findUpload(exchange, blobs)));
}

/** `PATCH` of an upload: more bytes, as a stream of any length or as a chunk with a `Content-Range`. */
export async function continueUpload(exchange: Exchange, blobs: BlobStore): Promise<void> {
  const upload = findUpload(exchange, blobs);
  await receive(exchange, upload, blobs);
  reply(exchange.response, 202, progress(upload));
}

/** `PUT` of an upload: perhaps the last bytes, and the digest that all of them must have. */
export async function finishUpload(exchange: Exchange, blobs: BlobStore, catalog: Catalog): Promise<void> {
  await finish(exchange, findUpload(exchange, blobs), blobs, catalog);
}

/** `DELETE` of an upload. */
export async function cancelUpload(exchange: Exchange, blobs: BlobStore): Promise<void> {
  await blobs.cancelUpload(findUpload(exchange, blobs));
  reply(exchange.response, 204);
}

async function finish(exchange: Exchange, upload: Upload, blobs: BlobStore, catalog: Catalog): Promise<void> {
  const digest = exchange.query.get('digest') ?? '';
  if (!isDigest(digest)) {
    throw new RegistryError('DIGEST_INVALID', 'provided digest did not match uploaded content', {
      digest,
      reason: 'digest missing or of an algorithm that is not known',
    });
  }
  await receive(exchange, upload, blobs);
  if (!(await blobs.finishUpload(upload, digest))) {
    throw new RegistryError('DIGEST_INVALID', 'provided digest did not match uploaded content', { digest });
  }
  catalog.addBlob(exchange.repository, digest);
  replyCreated(exchange, digest);
}

async function receive({ request }: Exchange, upload: Upload, blobs: BlobStore): Promise<void> {
  if (upload.busy) throw new RegistryError('RANGE_INVALID', 'invalid content range');
  checkContentRange(request.headers, upload);
  await blobs.append(upload, request);
}

/** Bytes must come in order: a chunk starts where the one before it ended. */
function checkContentRange(headers: NodeJS.Dict<string | string[]>, upload: Upload): void {
  const header = headers['content-range'];
  if (header === undefined) return;
  const match = /^(?:bytes )?(\d+)-(\d+)(?:\/.*)?$/.exec(String(header));
  const [first, last] = [Number(match?.[1]), Number(match?.[2])];
  const length = headers['content-length'];
  if (!match || first > last || (length !== undefined && Number(length) !== last - first + 1)) {
    throw new RegistryError('SIZE_INVALID', 'provided length did not match content length');
  }
  if (first !== upload.received) throw new RegistryError('RANGE_INVALID', 'invalid content range');
}

function findUpload({ query, repository, reference }: Exchange, blobs: BlobStore): Upload {
  const upload = blobs.findUpload(reference);
  if (!upload || upload.repository !== repository) {
    throw new RegistryError('BLOB_UPLOAD_UNKNOWN', 'blob upload unknown to registry');
  }
  if (query.get('_state') !== upload.state) {
    throw new RegistryError('BLOB_UPLOAD_INVALID', 'blob upload invalid');
  }
  return upload;
}

function progress(upload: Upload): Record<string, string> {
  const query = `_nouploadcache=false&_state=${upload.state}`;
  return {
    Location: `/v2/${upload.repository}/blobs/uploads/${upload.id}?${query}`,
    'Docker-Upload-Uuid': upload.id,
    Range: `0-${Math.max(0, upload.received - 1)}`,
  };
}

function replyCreated({ response, repository }: Exchange, digest: string): void {
  reply(response, 201, {
    Location: `/v2/${repository}/blobs/${digest}`,
    'Docker-Content-Digest': digest,
  });
}
