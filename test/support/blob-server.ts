import { createHash } from 'node:crypto';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface StoredBlob {
  readonly content: Buffer;
  /** Without quotes, as listings of Azure show it. */
  readonly etag: string;
  /** Base64; undefined where the writer stored none, as with blobs of several blocks. */
  readonly md5: string | undefined;
  readonly tier: string;
  /** Such as `rehydrate-pending-to-hot`. */
  readonly archiveStatus: string | undefined;
  readonly metadata: Readonly<Record<string, string>>;
  readonly lastModified: Date;
  /** Bytes that listings tell of, where they are not those of the content. */
  readonly listedSize: number | undefined;
}

/** A request as the tests look at it. */
export interface BlobRequest {
  readonly kind: 'list' | 'folders' | 'read';
  readonly container: string;
  /** Of a read. */
  readonly blob: string;
  readonly offset: number;
  readonly length: number;
  /** The header by which the request proves who sends it. */
  readonly authorization: string | undefined;
  /** The `sig` of a shared access signature. */
  readonly signature: string | undefined;
  /** Connections that are being answered at this moment, this one included. */
  readonly atOnce: number;
}

/** How an answer goes wrong. */
export type Fault =
  | { readonly status: number; readonly code?: string; readonly headers?: Record<string, string> }
  /** Somebody else answers, with an answer of their own; the blob's ETag is put where `ETAG` stands in a header. */
  | {
      readonly instead: {
        readonly status: number;
        readonly headers: Record<string, string>;
        readonly body: string;
      };
    }
  /** The connection breaks after some bytes of the body; 0 breaks it before the headers. */
  | { readonly resetAfter: number }
  /** Nothing more comes after some bytes of the body; 0 means no headers either. `onStall` is told. */
  | { readonly stallAfter: number; onStall(): void }
  /** The body comes in pieces of some bytes. Each waits for `before`, which is told how many bytes went before it. */
  | { readonly pieces: number; before(sent: number): Promise<void> }
  /** One bit of the body is another one. */
  | { readonly flipByte: number }
  /** The range is ignored, and the whole blob comes. */
  | { readonly wholeBlob: true }
  /** The blob as it is now comes, whatever ETag was asked for. */
  | { readonly ignoreIfMatch: true };

const ACCOUNT = 'teststorage';

/** The service refuses to tell a checksum of more bytes than these. */
const LARGEST_CHECKED_RANGE = 4 * 1024 * 1024;

/**
 * A Blob service on loopback that can do what Azurite cannot: stall, break off, throttle, flip bits, change blobs
 * between two requests, and list names that nobody should write to a disk. It does not check signatures.
 */
export class BlobServer {
  readonly account = ACCOUNT;
  readonly key = Buffer.alloc(64, 'k').toString('base64');
  /** The key as the task's own modules take it. */
  readonly credential = { kind: 'accountKey', input: 'storageKey', key: this.key } as const;
  readonly requests: BlobRequest[] = [];
  /** Decides for each request whether and how it goes wrong. May change blobs too. */
  fault: (request: BlobRequest) => Fault | undefined = () => undefined;
  /** Makes the CRC64 that a client may ask for with a part of a blob; without it the service has none, as Azurite. */
  crc64: ((bytes: Buffer) => string) | undefined;
  /** The most that one page of a listing shows, whatever the client asks for. */
  pageSize = 5_000;
  /** Folders are things of their own, as in accounts with a hierarchical namespace: listings show them as blobs too. */
  hierarchical = false;
  /** Pages never end: with the same marker again and again, or with ever new markers and nothing in the pages. */
  endless: 'same marker' | 'same blobs' | 'empty pages' | undefined;

  private readonly containers = new Map<string, Map<string, StoredBlob>>();
  private generation = 0;
  private atOnce = 0;

  private constructor(private readonly server: Server) {
    server.on('request', (request, response) => this.answer(request, response));
  }

  static async start(): Promise<BlobServer> {
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return new BlobServer(server);
  }

  get endpoint(): string {
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}/${ACCOUNT}`;
  }

  /** The requests for data so far. */
  get reads(): BlobRequest[] {
    return this.requests.filter(({ kind }) => kind === 'read');
  }

  createContainer(name: string): void {
    this.containers.set(name, new Map());
  }

  /** Stores a blob, with its MD5 unless told otherwise, as a new generation with an ETag of its own. */
  put(container: string, name: string, content: string | Buffer, properties: Partial<StoredBlob> = {}): void {
    const above = name.lastIndexOf('/');
    if (this.hierarchical && above > 0) this.makeFolder(container, name.slice(0, above));
    this.store(container, name, content, properties);
  }

  private store(
    container: string,
    name: string,
    content: string | Buffer,
    properties: Partial<StoredBlob>,
  ): void {
    if (!this.containers.has(container)) this.createContainer(container);
    const bytes = Buffer.from(content);
    this.generation += 1;
    this.containers.get(container)!.set(name, {
      content: bytes,
      etag: `0x8DE${this.generation.toString(16).toUpperCase().padStart(12, '0')}`,
      md5: createHash('md5').update(bytes).digest('base64'),
      tier: 'Hot',
      archiveStatus: undefined,
      metadata: {},
      lastModified: new Date('2026-11-23T06:00:00Z'),
      listedSize: undefined,
      ...properties,
    });
  }

  /** Makes a folder with those above it, in a hierarchical account. */
  makeFolder(container: string, path: string): void {
    const above = path.lastIndexOf('/');
    if (above > 0) this.makeFolder(container, path.slice(0, above));
    if (!this.containers.get(container)?.has(path)) {
      this.store(container, path, '', { md5: undefined, metadata: { hdi_isfolder: 'true' } });
    }
  }

  remove(container: string, name: string): void {
    this.containers.get(container)?.delete(name);
  }

  async stop(): Promise<void> {
    const closed = new Promise((resolve) => this.server.close(resolve));
    this.server.closeAllConnections();
    await closed;
  }

  private answer(request: IncomingMessage, response: ServerResponse): void {
    const url = new URL(request.url ?? '', this.endpoint);
    const [, , container = '', ...path] = url.pathname.split('/').map(decodeURIComponent);
    const isListing = url.searchParams.get('comp') === 'list';
    const [offset, length] = readRange(request);
    this.atOnce += 1;
    response.on('close', () => {
      this.atOnce -= 1;
    });
    const seen: BlobRequest = {
      kind: isListing ? (url.searchParams.has('delimiter') ? 'folders' : 'list') : 'read',
      container,
      blob: isListing ? '' : path.join('/'),
      offset,
      length,
      authorization: request.headers.authorization,
      signature: url.searchParams.get('sig') ?? undefined,
      atOnce: this.atOnce,
    };
    this.requests.push(seen);
    const fault = this.fault(seen);

    const blobs = this.containers.get(container);
    if (fault && 'status' in fault) fail(response, fault.status, fault.code ?? '', fault.headers);
    else if (fault && 'instead' in fault) {
      const { status, headers, body } = fault.instead;
      const etag = blobs?.get(seen.blob)?.etag ?? '';
      response.writeHead(
        status,
        Object.fromEntries(
          Object.entries(headers).map(([name, value]) => [name, value.replace('ETAG', etag)]),
        ),
      );
      response.end(body);
    } else if (fault && 'resetAfter' in fault && fault.resetAfter === 0) request.socket.destroy();
    else if (fault && 'stallAfter' in fault && fault.stallAfter === 0) fault.onStall();
    else if (!blobs) fail(response, 404, 'ContainerNotFound');
    else if (isListing) this.list(url.searchParams, blobs, response, fault);
    else this.read(seen, blobs.get(seen.blob), request, response, fault);
  }

  private list(
    query: URLSearchParams,
    blobs: Map<string, StoredBlob>,
    response: ServerResponse,
    fault: Fault | undefined,
  ): void {
    const prefix = query.get('prefix') ?? '';
    const delimiter = query.get('delimiter');
    const marker = query.get('marker') ?? '';
    const withMetadata = query.get('include')?.split(',').includes('metadata') ?? false;
    const entries = new Map<string, string>();
    for (const [name, blob] of [...blobs].filter(([name]) => name.startsWith(prefix)).sort(byName)) {
      // A listing by folders shows a folder of a hierarchical account once, and not as a blob.
      const path = delimiter && this.hierarchical && isFolder(blob) ? `${name}/` : name;
      const end = delimiter ? path.indexOf(delimiter, prefix.length) : -1;
      const shown = end < 0 ? path : path.slice(0, end + 1);
      entries.set(shown, end < 0 ? blobXml(name, blob, withMetadata) : prefixXml(shown));
    }
    const names = [...entries.keys()];
    const start = marker && !this.endless ? names.indexOf(decodeMarker(marker)) : 0;
    const page = this.endless === 'empty pages' ? [] : names.slice(start, start + this.pageSize);
    const next = this.endless
      ? encodeMarker(this.endless === 'same marker' ? 'again' : `${this.requests.length}`)
      : encodeMarker(names[start + this.pageSize] ?? '');
    response.writeHead(200, { 'Content-Type': 'application/xml', 'x-ms-request-id': 'test' });
    const text = `<?xml version="1.0" encoding="utf-8"?><EnumerationResults ServiceEndpoint="${this.endpoint}/" ContainerName="x"><Prefix>${escapeXml(prefix)}</Prefix><Blobs>${page.map((name) => entries.get(name)).join('')}</Blobs><NextMarker>${next}</NextMarker></EnumerationResults>`;
    if (fault && 'pieces' in fault) sendInPieces(response, Buffer.from(text), fault);
    else if (fault && 'resetAfter' in fault)
      response.write(text.slice(0, fault.resetAfter), () => response.destroy());
    else response.end(text);
  }

  private read(
    { offset, length }: BlobRequest,
    blob: StoredBlob | undefined,
    request: IncomingMessage,
    response: ServerResponse,
    fault: Fault | undefined,
  ): void {
    const ignoresEtag = fault && 'ignoreIfMatch' in fault;
    const refused = refusal(blob, offset, length, ignoresEtag ? undefined : request.headers['if-match']);
    if (refused || !blob) {
      fail(response, ...refused!);
      return;
    }
    const wantsCrc64 = request.headers['x-ms-range-get-content-crc64'] === 'true';
    if (wantsCrc64 && length > LARGEST_CHECKED_RANGE) {
      fail(response, 400, 'InvalidHeaderValue');
      return;
    }
    const whole = fault && 'wholeBlob' in fault;
    const crc64 =
      wantsCrc64 && this.crc64 ? this.crc64(blob.content.subarray(offset, offset + length)) : undefined;
    let body = whole ? blob.content : blob.content.subarray(offset, offset + length);
    if (fault && 'flipByte' in fault) {
      body = Buffer.from(body);
      body[fault.flipByte]! ^= 1;
    }
    const send = () =>
      response.writeHead(whole ? 200 : 206, {
        'Content-Length': body.length,
        'Content-Range': `bytes ${offset}-${offset + body.length - 1}/${blob.content.length}`,
        ETag: `"${blob.etag}"`,
        ...(crc64 && { 'x-ms-content-crc64': crc64 }),
        'Last-Modified': blob.lastModified.toUTCString(),
        'x-ms-request-id': 'test',
      });
    if (fault && 'resetAfter' in fault) {
      send().write(body.subarray(0, fault.resetAfter), () => request.socket.destroy());
    } else if (fault && 'stallAfter' in fault) {
      send().write(body.subarray(0, fault.stallAfter), () => fault.onStall());
    } else if (fault && 'pieces' in fault) {
      sendInPieces(send(), body, fault);
    } else {
      send().end(body);
    }
  }
}

async function sendInPieces(
  response: ServerResponse,
  body: Buffer,
  { pieces, before }: Extract<Fault, { pieces: number }>,
): Promise<void> {
  for (let sent = 0; sent < body.length; sent += pieces) {
    await before(sent);
    response.write(body.subarray(sent, sent + pieces));
  }
  response.end();
}

/** What the service answers to a read that it cannot serve. */
function refusal(
  blob: StoredBlob | undefined,
  offset: number,
  length: number,
  etag: string | undefined,
): [status: number, code: string] | undefined {
  if (!blob) return [404, 'BlobNotFound'];
  if (etag && etag !== '*' && etag !== `"${blob.etag}"`) return [412, 'ConditionNotMet'];
  if (blob.tier === 'Archive') return [409, 'BlobArchived'];
  if (Number.isFinite(length) && offset >= blob.content.length) return [416, 'InvalidRange'];
  return undefined;
}

function readRange(request: IncomingMessage): [offset: number, length: number] {
  const range = /^bytes=(\d+)-(\d*)$/.exec(
    String(request.headers['x-ms-range'] ?? request.headers.range ?? ''),
  );
  if (!range) return [0, Number.POSITIVE_INFINITY];
  const offset = Number(range[1]);
  return [offset, range[2] ? Number(range[2]) - offset + 1 : Number.POSITIVE_INFINITY];
}

function fail(
  response: ServerResponse,
  status: number,
  code: string,
  headers: Record<string, string> = {},
): void {
  const body = code
    ? `<?xml version="1.0" encoding="utf-8"?><Error><Code>${code}</Code><Message>${code}.</Message></Error>`
    : '';
  response.writeHead(status, {
    'Content-Type': 'application/xml',
    'Content-Length': Buffer.byteLength(body),
    'x-ms-request-id': 'test',
    ...(code && { 'x-ms-error-code': code }),
    ...headers,
  });
  response.end(body);
}

function byName([a]: [string, StoredBlob], [b]: [string, StoredBlob]): number {
  return a < b ? -1 : 1;
}

function isFolder({ metadata }: StoredBlob): boolean {
  return metadata.hdi_isfolder === 'true';
}

/** Metadata is shown to those who ask for it, and to nobody else. */
function blobXml(name: string, blob: StoredBlob, withMetadata: boolean): string {
  const { content, etag, md5, tier, archiveStatus, metadata, lastModified, listedSize } = blob;
  const pairs = Object.entries(metadata).map(([key, value]) => `<${key}>${escapeXml(value)}</${key}>`);
  return `<Blob>${nameXml(name)}<Properties><Last-Modified>${lastModified.toUTCString()}</Last-Modified><Etag>${etag}</Etag><Content-Length>${listedSize ?? content.length}</Content-Length><Content-MD5>${md5 ?? ''}</Content-MD5><BlobType>BlockBlob</BlobType><AccessTier>${tier}</AccessTier>${archiveStatus ? `<ArchiveStatus>${archiveStatus}</ArchiveStatus>` : ''}${isFolder(blob) ? '<ResourceType>directory</ResourceType>' : ''}</Properties>${withMetadata ? `<Metadata>${pairs.join('')}</Metadata>` : ''}</Blob>`;
}

function prefixXml(name: string): string {
  return `<BlobPrefix>${nameXml(name)}</BlobPrefix>`;
}

/** The service encodes names that XML cannot hold. */
function nameXml(name: string): string {
  return /[\u0000-\u001f\ufffe\uffff]/.test(name)
    ? `<Name Encoded="true">${encodeURIComponent(name)}</Name>`
    : `<Name>${escapeXml(name)}</Name>`;
}

function escapeXml(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
}

function encodeMarker(name: string): string {
  return Buffer.from(name).toString('base64url');
}

function decodeMarker(marker: string): string {
  return Buffer.from(marker, 'base64url').toString();
}
