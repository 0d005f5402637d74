import {
  type BlobGeneration,
  type ModelContainer,
  PAGE_SIZE,
  type Range,
  type RangeReceiver,
  type RegistrySettings,
} from './container';
import { BrokenAnswerError, isRefusal } from './errors';
import { explainRegistryError } from './explain';
import type { Send } from './folders';
import { type Idle, type Receiver, type Stop, stoppedBy } from './http/answer';
import { Connections } from './http/connections';
import { ListingReader } from './listing-page';
import { RangeGuard, refuseOtherBlob } from './range-guard';
import { signerFor } from './sign';
import { TextReceiver, TOO_LARGE, WholeText } from './text-receiver';

/**
 * Bytes of a page of a listing. 5,000 blobs have some 4 MB; those whose names and metadata are ever so long are asked for in
 * smaller pages.
 */
const LARGEST_PAGE = 24 * 1024 * 1024;

const LISTING = 'the listing';

/** Reads a page of a listing while it comes. */
class PageReceiver extends TextReceiver {
  constructor(
    idle: Idle,
    readonly reader = new ListingReader(),
  ) {
    super(LISTING, LARGEST_PAGE, idle, (text) => reader.add(text));
  }
}

/** Blobs of a smaller page: with the longest names and metadata that there may be, they have 8 MB. */
const SMALL_PAGE = '500';

/** The service's version that requests are answered in; the library asks for its own. */
const SERVICE_VERSION = '2021-12-02';

/**
 * A client of the model's container. Makes no request yet.
 *
 * `@azure/storage-blob` lists the folders of the versions, and is loaded when they are asked for. Files are listed and read
 * without it: that takes a fifth of the processor's time, and the library's calls for whole blobs hang on a stall, break with
 * a connection and mix generations.
 */
export function openContainer(settings: RegistrySettings): ModelContainer {
  const endpoint = new URL(settings.endpoint);
  const root = `${endpoint.pathname.replace(/\/$/, '')}/${settings.container}`;
  const sign = signerFor(settings.account, settings.credential);
  const connections = new Connections(endpoint, settings.network);

  /** The header by which the latest request that was turned away had proven who sent it. */
  let refused: string | undefined;

  async function get(
    path: string,
    query: Record<string, string>,
    headers: Record<string, string>,
    receiver: Receiver,
    stop: Stop,
  ): Promise<void> {
    const unsigned = { path, query, headers: { 'x-ms-version': SERVICE_VERSION, ...headers } };
    const signed = await sign(unsigned, refused);
    const pairs = Object.entries(signed.query).map(([key, value]) => `${key}=${encodeURIComponent(value)}`);
    const request = {
      method: 'GET' as const,
      path: [path, ...(pairs.length > 0 ? [pairs.join('&')] : [])].join('?'),
      headers: signed.headers,
    };
    try {
      await connections.send(request, receiver, stop);
    } catch (error) {
      if (isRefusal(error as Error)) refused = signed.headers.authorization;
      throw error;
    }
  }

  async function read(
    blob: BlobGeneration,
    range: Range,
    receiver: RangeReceiver,
    stop: Stop,
    more: Record<string, string> = {},
  ): Promise<ReadonlyMap<string, string>> {
    const path = `${root}/${blob.name.split('/').map(encodeURIComponent).join('/')}`;
    const headers = {
      'x-ms-range': `bytes=${range.offset}-${range.offset + range.length - 1}`,
      'if-match': `"${blob.etag}"`,
      ...more,
    };
    const guard = new RangeGuard(range, receiver, (head) => refuseOtherBlob(blob, head));
    await get(path, {}, headers, guard, stop);
    guard.end();
    return guard.headers;
  }

  /** Asks for one page of a listing, and for a smaller one where that is too large; `receive` takes it from its beginning. */
  async function list<T extends Receiver>(
    query: Readonly<Record<string, string>>,
    headers: Readonly<Record<string, string>>,
    receive: () => T,
    idle: Idle,
  ): Promise<T> {
    const receiver = receive();
    try {
      await stoppedBy(idle.signal, (stop) => get(root, query, headers, receiver, stop));
    } catch (error) {
      const isTooLarge = error instanceof BrokenAnswerError && error.code === TOO_LARGE;
      if (!isTooLarge || query.maxresults === SMALL_PAGE) throw error;
      return list({ ...query, maxresults: SMALL_PAGE }, headers, receive, idle);
    }
    return receiver;
  }

  const { account, container } = settings;
  const address = { account, host: endpoint.host, container, signIn: settings.credential };

  return {
    place: `container '${container}' of storage account '${account}'`,
    leastProof: 'length and ETag',

    explain: (error) => explainRegistryError(error, address),

    async listBlobs(prefix, from, idle) {
      const page = { maxresults: `${PAGE_SIZE}`, prefix, ...(from && { marker: from }) };
      const query = { restype: 'container', comp: 'list', include: 'metadata', ...page };
      const { reader } = await list(query, {}, () => new PageReceiver(idle), idle);
      return reader.finish();
    },

    async listFolders(prefix, from, idle) {
      const { listFolders } = await import('./folders');
      const url = `${settings.endpoint}/${settings.container}`;
      const receive = () => new WholeText(LISTING, LARGEST_PAGE, idle);
      const send: Send = async (query, headers) => (await list(query, headers, receive, idle)).text;
      const page = await listFolders(url, { prefix, from }, send);
      if (!page) throw new BrokenAnswerError('the answer is not a whole listing');
      return page;
    },

    async read(blob, range, receiver, stop) {
      await read(blob, range, receiver, stop);
    },

    async readChecked(blob, range, receiver, stop) {
      const headers = await read(blob, range, receiver, stop, { 'x-ms-range-get-content-crc64': 'true' });
      return headers.get('x-ms-content-crc64');
    },

    close() {
      connections.close();
    },
  };
}
