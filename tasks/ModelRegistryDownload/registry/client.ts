import type { Readable } from 'node:stream';
import type { NetworkSettings } from '../../common/agent';
import { createAgent } from '../../common/connection';
import type { RegistryCredential } from './credential';
import type { RegistryAddress } from './errors';
import { parseBlobs, parseFolders } from './listing-xml';
import { readText, type ServiceRequest, send } from './service';
import { signerFor } from './sign';
import { openRange, type RangeRequest } from './transfer/receive';

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

/** How a host is reached. Made of plain values only. */
export interface Route {
  readonly origin: string;
  readonly proxy: string | undefined;
  readonly tls: NetworkSettings['tls'];
}

/** The container that holds a model's versions, as far as a download needs one. Each call makes one request. */
export interface ModelContainer {
  readonly address: RegistryAddress;
  /** How it is reached, for other threads. */
  readonly route: Route;
  listBlobs(prefix: string, from: string | undefined, signal: AbortSignal): Promise<Page<ListedBlob>>;
  /** The names directly under a prefix that have something under them, without the prefix and slash. */
  listFolders(prefix: string, from: string | undefined, signal: AbortSignal): Promise<Page<string>>;
  /**
   * A part of a blob, if the blob is still the one with this ETag.
   *
   * @throws MovedError or the service's 412 when it is not
   */
  read(blob: BlobGeneration, range: Range, signal: AbortSignal): Promise<Readable>;
  /** As {@link read}, with the CRC64 that the service tells of the part, of at most 4 MiB; in Base64. */
  readChecked(
    blob: BlobGeneration,
    range: Range,
    signal: AbortSignal,
  ): Promise<{ readonly body: Readable; readonly crc64: string | undefined }>;
  /** The request that {@link read} would send, for another thread to send. */
  requestFor(blob: BlobGeneration, range: Range): Promise<RangeRequest>;
  close(): void;
}

/** The most that the service gives at once. */
const PAGE_SIZE = 5_000;

/** The service's version that the answers here are those of. */
const SERVICE_VERSION = '2021-12-02';

/**
 * A client of the model's container. Makes no request yet.
 *
 * It does without `@azure/storage-blob`, whose requests take three times as long in this process: its calls for whole
 * blobs hang on a stall, break with a connection and mix generations of a blob besides.
 */
export function openContainer(settings: RegistrySettings): ModelContainer {
  const endpoint = new URL(settings.endpoint);
  const agent = createAgent(endpoint, settings.network);
  const root = `${endpoint.pathname.replace(/\/$/, '')}/${settings.container}`;
  const sign = signerFor(settings.account, settings.credential);

  async function prepare(
    path: string,
    query: Record<string, string>,
    headers: Record<string, string> = {},
  ): Promise<ServiceRequest> {
    const signed = await sign({ path, query, headers: { 'x-ms-version': SERVICE_VERSION, ...headers } });
    const search = Object.entries(signed.query).map(
      ([name, value]) => `${name}=${encodeURIComponent(value)}`,
    );
    return {
      origin: endpoint.origin,
      path: [signed.path, ...(search.length > 0 ? [search.join('&')] : [])].join('?'),
      headers: signed.headers,
    };
  }

  async function list(query: Record<string, string>, from: string | undefined, signal: AbortSignal) {
    const request = await prepare(root, {
      restype: 'container',
      comp: 'list',
      maxresults: String(PAGE_SIZE),
      ...query,
      ...(from && { marker: from }),
    });
    return readText(await send(request, agent, signal));
  }

  async function requestFor(
    { name, etag }: BlobGeneration,
    { offset, length }: Range,
    more: Record<string, string> = {},
  ): Promise<RangeRequest> {
    const path = `${root}/${name.split('/').map(encodeURIComponent).join('/')}`;
    const headers = {
      'x-ms-range': `bytes=${offset}-${offset + length - 1}`,
      'if-match': `"${etag}"`,
      ...more,
    };
    return { ...(await prepare(path, {}, headers)), blob: name, etag, length };
  }

  return {
    route: {
      origin: endpoint.origin,
      proxy: settings.network.proxyFor(settings.endpoint),
      tls: settings.network.tls,
    },

    address: {
      account: settings.account,
      host: endpoint.host,
      container: settings.container,
      signIn: settings.credential,
    },

    async listBlobs(prefix, from, signal) {
      return parseBlobs(await list({ prefix, include: 'metadata' }, from, signal));
    },

    async listFolders(prefix, from, signal) {
      const page = parseFolders(await list({ prefix, delimiter: '/' }, from, signal));
      return { ...page, items: page.items.map((name) => name.slice(prefix.length, -1)) };
    },

    async read(blob, range, signal) {
      return openRange(await requestFor(blob, range), agent, signal);
    },

    async readChecked(blob, range, signal) {
      const request = await requestFor(blob, range, { 'x-ms-range-get-content-crc64': 'true' });
      const body = await openRange(request, agent, signal);
      return { body, crc64: body.headers['x-ms-content-crc64'] as string | undefined };
    },

    requestFor: (blob, range) => requestFor(blob, range),

    close: () => agent.destroy(),
  };
}
