import { formatBytes } from '../../common/text';
import {
  type BlobGeneration,
  type Idle,
  type ModelContainer,
  PAGE_SIZE,
  type Range,
  type RangeReceiver,
  type RegistrySettings,
} from './container';
import { AlteredError, BrokenAnswerError, bareEtag, isRefusal, MovedError, PageError } from './errors';
import { type Head, type Receiver, type Stop, stopWith } from './http/answer';
import { Connections } from './http/connections';
import { readListingPage } from './listing-page';
import { signerFor } from './sign';

/**
 * Bytes of a page of a listing, which is in memory as bytes and as text. 5,000 blobs have some 4 MB; those whose names and
 * metadata are ever so long are asked for in smaller pages.
 */
const LARGEST_PAGE = 24 * 1024 * 1024;

/** The code of what no answer may be; asking again is no use. */
const TOO_LARGE = 'ERR_TOO_LARGE';

/** Blobs of a smaller page: with the longest names and metadata that there may be, they have 8 MB. */
const SMALL_PAGE = '500';

/** The service's version that requests are answered in; the library asks for its own. */
const SERVICE_VERSION = '2021-12-02';

/**
 * A client of the model's container. Makes no request yet.
 *
 * `@azure/storage-blob` tells the folders of the versions; it is loaded when they are asked for. What can be much, the
 * files of a version and their contents, takes this process a fifth of the time without it; and its calls for whole
 * blobs hang on a stall, break with a connection and mix generations.
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
      path: [path, ...(pairs.length > 0 ? [pairs.join('&')] : [])].join('?'),
      headers: signed.headers,
    };
    try {
      await connections.get(request, receiver, stop);
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
    const guard = new RangeGuard(blob, range, receiver);
    await get(path, {}, headers, guard, stop);
    guard.end();
    return guard.headers;
  }

  /** One page of a listing, as the service writes it. */
  async function list(
    query: Readonly<Record<string, string>>,
    headers: Readonly<Record<string, string>>,
    idle: Idle,
  ): Promise<string> {
    let pieces: Buffer[] = [];
    let size = 0;
    const receiver = {
      begin(head: Head) {
        refusePage(head);
        idle.touch();
      },
      take(piece: Buffer) {
        // It is good only until this call returns.
        pieces.push(Buffer.from(piece));
        size += piece.length;
        if (size > LARGEST_PAGE) {
          pieces = [];
          throw new BrokenAnswerError(`the listing is larger than ${formatBytes(LARGEST_PAGE)}`, TOO_LARGE);
        }
        idle.touch();
      },
    };
    try {
      await get(root, query, headers, receiver, stopWith(idle.signal));
    } catch (error) {
      const isTooLarge = error instanceof BrokenAnswerError && error.code === TOO_LARGE;
      if (!isTooLarge || query.maxresults === SMALL_PAGE) throw error;
      return list({ ...query, maxresults: SMALL_PAGE }, headers, idle);
    }
    return Buffer.concat(pieces).toString('utf8');
  }

  return {
    address: {
      account: settings.account,
      host: endpoint.host,
      container: settings.container,
      signIn: settings.credential,
    },

    async listBlobs(prefix, from, idle) {
      const page = { maxresults: `${PAGE_SIZE}`, prefix, ...(from && { marker: from }) };
      const query = { restype: 'container', comp: 'list', include: 'metadata', ...page };
      return readListingPage(await list(query, {}, idle));
    },

    async listFolders(prefix, from, idle) {
      const { listFolders } = await import('./folders');
      const url = `${settings.endpoint}/${settings.container}`;
      const page = await listFolders(url, { prefix, from }, (query, headers) => list(query, headers, idle));
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

/** The service has no pages for people; whoever answers with one stands in between. */
function refusePage({ headers }: Head): void {
  if (/^text\/html\b/i.test(headers.get('content-type') ?? '') && !headers.has('x-ms-request-id')) {
    throw new PageError('a web page came');
  }
}

/** Hands on what comes of a range, and makes sure that it is what was asked for. */
class RangeGuard implements Receiver {
  headers: ReadonlyMap<string, string> = new Map();
  private missing: number;

  constructor(
    private readonly blob: BlobGeneration,
    private readonly range: Range,
    private readonly receiver: RangeReceiver,
  ) {
    this.missing = range.length;
  }

  begin(head: Head): void {
    const { headers } = head;
    const { offset, length } = this.range;
    refusePage(head);
    const etag = headers.get('etag') ?? '';
    if (bareEtag(etag.replace(/^W\//, '')) !== this.blob.etag) throw new MovedError(this.blob.name);
    this.refuseAltered(head);
    const size = headers.get('content-length');
    if (size !== undefined && Number(size) !== length) {
      throw new BrokenAnswerError(`${size} bytes came where ${length} were asked for`);
    }
    const place = headers.get('content-range');
    if (place !== undefined && !place.startsWith(`bytes ${offset}-${offset + length - 1}/`)) {
      throw new BrokenAnswerError(`the range '${place}' came, which was not asked for`);
    }
    this.headers = headers;
    this.receiver.begin();
  }

  /** It is the blob that was asked for, and yet not its content: to ask again brings the same. */
  private refuseAltered({ status, headers }: Head): void {
    const { name, size } = this.blob;
    const total = /\/(\d+)$/.exec(headers.get('content-range') ?? '')?.[1];
    const length = headers.get('content-length');
    if (headers.get('etag')!.startsWith('W/'))
      throw new AlteredError(name, 'it says so itself, by a weak ETag');
    if (total !== undefined && Number(total) !== size) {
      throw new AlteredError(name, `it has ${total} bytes in all, where ${size} are listed`);
    }
    if (status === 200 && (length === undefined || Number(length) !== size)) {
      throw new AlteredError(
        name,
        `${length ?? 'no told number of'} bytes come of it, where ${size} are listed`,
      );
    }
  }

  take(piece: Buffer): void {
    if (piece.length > this.missing) throw new BrokenAnswerError('more came than was asked for');
    this.missing -= piece.length;
    this.receiver.take(piece);
  }

  end(): void {
    if (this.missing > 0) throw new BrokenAnswerError(`${this.missing} bytes of the range did not come`);
  }
}
