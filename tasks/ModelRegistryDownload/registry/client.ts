import type { Agent } from 'node:http';
import { type StoragePipelineOptions, RestError as StorageRestError } from '@azure/storage-blob';
import type { NetworkSettings } from '../../common/agent';
import { createAgent } from '../../common/connection';
import type { RegistryCredential } from './credential';
import { BrokenAnswerError, brokenBy, MovedError, type RegistryAddress, RestError } from './errors';
import { signerFor } from './sign';
import { signInTo } from './sign-in';
import type { Head, Receiver } from './transfer/answer';
import { Connections, type GetRequest } from './transfer/connections';

export interface RegistrySettings {
  readonly account: string;
  readonly credential: RegistryCredential;
  /** The account's Blob endpoint, without a slash at its end. */
  readonly endpoint: string;
  readonly container: string;
  readonly network: NetworkSettings;
}

/** One blob as a listing tells it. */
export interface ListedBlob {
  readonly name: string;
  readonly size: number;
  /** Without the quotes that it has in headers. */
  readonly etag: string;
  /** The MD5 that whoever wrote the blob stored with it, in hexadecimal digits. */
  readonly md5: string | null;
  readonly lastModified: Date;
  readonly tier: string | undefined;
  /** Such as `rehydrate-pending-to-hot`, for a blob on its way out of the archive tier. */
  readonly rehydration: string | undefined;
  /** Whether it stands for a folder of an account with a hierarchical namespace. */
  readonly isFolder: boolean;
}

export interface Page<T> {
  readonly items: readonly T[];
  /** Where the next page begins; undefined at the end. */
  readonly next: string | undefined;
}

/** A blob in one of its states. */
export interface BlobGeneration {
  readonly name: string;
  readonly etag: string;
}

/** A part of a blob, in bytes. */
export interface Range {
  readonly offset: number;
  readonly length: number;
}

/** What takes a part of a blob as it comes. */
export interface RangeReceiver {
  /** The answer has begun. */
  begin(): void;
  /** Gets the next piece, which is good only until the call returns. */
  take(piece: Buffer): void;
}

/** The container that holds a model's versions, as far as a download needs one. Each call makes one request. */
export interface ModelContainer {
  readonly address: RegistryAddress;
  listBlobs(prefix: string, from: string | undefined, signal: AbortSignal): Promise<Page<ListedBlob>>;
  /** The names directly under a prefix that have something under them, without the prefix and slash. */
  listFolders(prefix: string, from: string | undefined, signal: AbortSignal): Promise<Page<string>>;
  /**
   * Brings a part of a blob, if the blob is still the one with this ETag.
   *
   * @throws MovedError or the service's 412 when it is not
   */
  read(blob: BlobGeneration, range: Range, receiver: RangeReceiver, signal: AbortSignal): Promise<void>;
  /**
   * As {@link read}, for at most 4 MiB.
   *
   * @returns the CRC64 that the service tells of the part, in Base64
   */
  readChecked(
    blob: BlobGeneration,
    range: Range,
    receiver: RangeReceiver,
    signal: AbortSignal,
  ): Promise<string | undefined>;
  close(): void;
}

/** The most that the service gives at once. */
const PAGE_SIZE = 5_000;

/** The service's version that reads are answered in; the library lists in its own. */
const SERVICE_VERSION = '2021-12-02';

/**
 * A client of the model's container. Makes no request yet.
 *
 * `@azure/storage-blob` lists. It does not read: a request of it takes this process five times as long, and its calls
 * for whole blobs hang on a stall, break with a connection and mix generations.
 */
export function openContainer(settings: RegistrySettings): ModelContainer {
  const endpoint = new URL(settings.endpoint);
  const agent = createAgent(endpoint, settings.network);
  // The library hands `agent` on to its transport, though its type does not say so.
  const options: StoragePipelineOptions & { agent: Agent } = { agent, retryOptions: { maxTries: 1 } };
  const client = signInTo(`${settings.endpoint}/${settings.container}`, settings, options);
  const root = `${endpoint.pathname.replace(/\/$/, '')}/${settings.container}`;
  const sign = signerFor(settings.account, settings.credential);
  const connections = new Connections(endpoint, settings.network);

  async function requestFor(
    name: string,
    etag: string,
    { offset, length }: Range,
    more: Record<string, string>,
  ): Promise<GetRequest> {
    const path = `${root}/${name.split('/').map(encodeURIComponent).join('/')}`;
    const headers = {
      'x-ms-version': SERVICE_VERSION,
      'x-ms-range': `bytes=${offset}-${offset + length - 1}`,
      'if-match': `"${etag}"`,
      ...more,
    };
    const signed = await sign({ path, query: {}, headers });
    const query = Object.entries(signed.query).map(([key, value]) => `${key}=${encodeURIComponent(value)}`);
    return {
      path: [signed.path, ...(query.length > 0 ? [query.join('&')] : [])].join('?'),
      headers: signed.headers,
    };
  }

  async function read(
    { name, etag }: BlobGeneration,
    range: Range,
    receiver: RangeReceiver,
    signal: AbortSignal,
    more: Record<string, string> = {},
  ): Promise<ReadonlyMap<string, string>> {
    const request = await requestFor(name, etag, range, more);
    let headers: ReadonlyMap<string, string> = new Map();
    const checked: Receiver = {
      begin(head) {
        headers = head.headers;
        refuseOthers(head, name, etag, range);
        receiver.begin();
      },
      take: (piece) => receiver.take(piece),
    };
    await connections.get(request, checked, signal);
    return headers;
  }

  return {
    address: {
      account: settings.account,
      host: endpoint.host,
      container: settings.container,
      signIn: settings.credential,
    },

    async listBlobs(prefix, from, abortSignal) {
      const page = await firstPage(
        client.listBlobsFlat({ prefix, includeMetadata: true, abortSignal }).byPage(pageFrom(from)),
      );
      const items = page.segment.blobItems.map(({ name, properties, metadata }) => ({
        name,
        size: properties.contentLength ?? 0,
        etag: bareEtag(properties.etag),
        md5: properties.contentMD5?.length ? Buffer.from(properties.contentMD5).toString('hex') : null,
        lastModified: properties.lastModified,
        tier: properties.accessTier,
        rehydration: properties.archiveStatus,
        isFolder: isFolder(metadata),
      }));
      return { items, next: page.continuationToken || undefined };
    },

    async listFolders(prefix, from, abortSignal) {
      const page = await firstPage(
        client.listBlobsByHierarchy('/', { prefix, abortSignal }).byPage(pageFrom(from)),
      );
      const items = (page.segment.blobPrefixes ?? []).map(({ name }) => name.slice(prefix.length, -1));
      return { items, next: page.continuationToken || undefined };
    },

    async read(blob, range, receiver, signal) {
      await read(blob, range, receiver, signal);
    },

    async readChecked(blob, range, receiver, signal) {
      const headers = await read(blob, range, receiver, signal, { 'x-ms-range-get-content-crc64': 'true' });
      return headers.get('x-ms-content-crc64');
    },

    close() {
      agent.destroy();
      connections.close();
    },
  };
}

/** Makes sure that what comes is what was asked for. */
function refuseOthers({ headers }: Head, blob: string, etag: string, { length }: Range): void {
  if (bareEtag(headers.get('etag') ?? '') !== etag) throw new MovedError(blob);
  const size = headers.get('content-length');
  if (Number(size) !== length) {
    throw new BrokenAnswerError(`${size} bytes came where ${length} were asked for`);
  }
}

/** ETags have quotes in headers, and none in the listings of Azure. */
function bareEtag(etag: string): string {
  return etag.replace(/^"|"$/g, '');
}

function pageFrom(marker: string | undefined) {
  return { maxPageSize: PAGE_SIZE, ...(marker && { continuationToken: marker }) };
}

/** @throws RestError and BrokenAnswerError, as reads do */
async function firstPage<T>(pages: AsyncIterator<T>): Promise<T> {
  try {
    return (await pages.next()).value;
  } catch (error) {
    throw fromLibrary(error as Error);
  }
}

const NO_LISTING = 'the answer is not a whole listing';

/** An error of the library as one of ours. What it did not make itself, such as that there is no token, stays. */
function fromLibrary(error: Error): Error {
  // The library's name for a connection that broke.
  if (error.name === 'AbortError') return new BrokenAnswerError('the connection broke');
  // It looks for the parts of a listing in whatever came.
  if (error instanceof TypeError) return new BrokenAnswerError(NO_LISTING);
  if (!(error instanceof StorageRestError)) return error;
  const { statusCode, message, response } = error;
  // The library has codes of its own too, for answers that it cannot read.
  const isUnreadable = error.code === StorageRestError.PARSE_ERROR;
  if (statusCode === undefined || statusCode < 300) {
    return isUnreadable ? new BrokenAnswerError(NO_LISTING) : brokenBy(error);
  }
  const headers = new Map(response?.headers);
  const code = isUnreadable ? undefined : error.code;
  return new RestError(message, statusCode, code ?? headers.get('x-ms-error-code'), headers);
}

/** Accounts with a hierarchical namespace list their folders as blobs with this metadata, in any case. */
function isFolder(metadata: Record<string, string> = {}): boolean {
  return Object.entries(metadata).some(
    ([key, value]) => key.toLowerCase() === 'hdi_isfolder' && value.toLowerCase() === 'true',
  );
}
