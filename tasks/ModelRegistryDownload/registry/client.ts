import type { Agent } from 'node:http';
import type { Readable } from 'node:stream';
import {
  ContainerClient,
  type StoragePipelineOptions,
  StorageSharedKeyCredential,
} from '@azure/storage-blob';
import type { NetworkSettings } from '../../common/agent';
import { createAgent } from '../../common/connection';
import { BrokenAnswerError, MovedError, type RegistryAddress } from './errors';

export interface RegistrySettings {
  readonly account: string;
  readonly key: string;
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

/** The container that holds a model's versions, as far as a download needs one. Each call makes one request. */
export interface ModelContainer {
  readonly address: RegistryAddress;
  listBlobs(prefix: string, from: string | undefined, signal: AbortSignal): Promise<Page<ListedBlob>>;
  /** The names directly under a prefix that have something under them, without the prefix and slash. */
  listFolders(prefix: string, from: string | undefined, signal: AbortSignal): Promise<Page<string>>;
  /**
   * A part of a blob, if the blob is still the one with this ETag.
   *
   * @throws MovedError or the service's 412 when it is not
   */
  read(
    blob: { readonly name: string; readonly etag: string },
    range: { readonly offset: number; readonly length: number },
    signal: AbortSignal,
  ): Promise<Readable>;
  close(): void;
}

/** The most that the service gives at once. */
const PAGE_SIZE = 5_000;

/** A client of the model's container that signs with the account's key. Makes no request yet. */
export function openContainer(settings: RegistrySettings): ModelContainer {
  const endpoint = new URL(settings.endpoint);
  const agent = createAgent(endpoint, settings.network);
  // The library hands `agent` on to its transport, though its type does not say so.
  const options: StoragePipelineOptions & { agent: Agent } = { agent, retryOptions: { maxTries: 1 } };
  const client = new ContainerClient(
    `${settings.endpoint}/${settings.container}`,
    new StorageSharedKeyCredential(settings.account, settings.key),
    options,
  );

  return {
    address: { account: settings.account, host: endpoint.host, container: settings.container },

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

    async read({ name, etag }, { offset, length }, abortSignal) {
      // Neither downloadToFile nor downloadToBuffer: they hang on a stall and mix generations of a blob.
      const answer = await client.getBlobClient(name).download(offset, length, {
        abortSignal,
        conditions: { ifMatch: `"${etag}"` },
        maxRetryRequests: 0,
      });
      const body = answer.readableStreamBody as Readable;
      if (bareEtag(answer.etag ?? '') !== etag) {
        body.destroy();
        throw new MovedError(name);
      }
      if (answer.contentLength !== length) {
        body.destroy();
        throw new BrokenAnswerError(`${answer.contentLength} bytes came where ${length} were asked for`);
      }
      return body;
    },

    close: () => agent.destroy(),
  };
}

function pageFrom(marker: string | undefined) {
  return { maxPageSize: PAGE_SIZE, ...(marker && { continuationToken: marker }) };
}

async function firstPage<T>(pages: AsyncIterator<T>): Promise<T> {
  return (await pages.next()).value;
}

/** ETags have quotes in headers, and none in the listings of Azure. */
function bareEtag(etag: string): string {
  return etag.replace(/^"|"$/g, '');
}

/** Accounts with a hierarchical namespace list their folders as blobs with this metadata, in any case. */
function isFolder(metadata: Record<string, string> = {}): boolean {
  return Object.entries(metadata).some(
    ([key, value]) => key.toLowerCase() === 'hdi_isfolder' && value.toLowerCase() === 'true',
  );
}
