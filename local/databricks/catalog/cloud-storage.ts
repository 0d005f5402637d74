import { createHash, randomBytes } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { type LoopbackServer, serveOnLoopback } from '../../loopback';
import { answerWith } from './file-answer';
import type { CatalogStore } from './store';

/** How the storage behaves towards whoever follows a link. */
export type StorageState =
  | 'open'
  /** A firewall answers. */
  | 'refusing'
  /** A network swallows what is sent there. */
  | 'silent';

/** A file that was stored by one request has the MD5 that came with it; a bigger one is stored in blocks, and has none. */
const LARGEST_WITH_MD5 = 64 * 1024 * 1024;

export interface StoredRequest {
  readonly path: string;
  readonly headers: IncomingMessage['headers'];
}

/** The storage account that a workspace keeps files in: it opens to links, which end after a time. */
export class CloudStorage {
  state: StorageState = 'open';
  /** How often each link serves before it has expired. */
  uses = Number.POSITIVE_INFINITY;
  readonly requests: StoredRequest[] = [];
  private readonly links = new Map<string, { readonly path: string; left: number }>();
  private server: LoopbackServer | undefined;
  /** Where the storage is. */
  url = '';
  /** Where links say that it is, if that is another place, before which something else may stand. */
  publicUrl: string | undefined;

  constructor(private readonly store: CatalogStore) {}

  async start(): Promise<void> {
    this.server = await serveOnLoopback((request, response) => this.serve(request, response));
    this.url = this.server.url;
  }

  /** An address that opens one file. */
  link(path: string): string {
    const signature = randomBytes(24).toString('base64');
    this.links.set(signature, { path, left: this.uses });
    const place = path.split('/').map(encodeURIComponent).join('/');
    return `${this.publicUrl ?? this.url}/metastore${place}?sv=2023-11-03&sr=b&sp=r&sig=${encodeURIComponent(signature)}`;
  }

  /** What the links so far prove themselves by. */
  get signatures(): string[] {
    return [...this.links.keys()];
  }

  async stop(): Promise<void> {
    await this.server?.stop();
  }

  private serve(request: IncomingMessage, response: ServerResponse): unknown {
    const url = new URL(request.url ?? '/', 'http://localhost');
    this.requests.push({ path: url.pathname, headers: request.headers });
    if (this.state === 'silent') return;
    const link = this.links.get(url.searchParams.get('sig') ?? '');
    const file = link && this.store.files.get(link.path);
    if (this.state === 'refusing') return refuse(response, 403, 'AuthorizationFailure');
    if (request.headers.authorization !== undefined)
      return refuse(response, 400, 'InvalidAuthenticationInfo');
    if (!link || link.left <= 0) return refuse(response, 403, 'AuthenticationFailed');
    if (!file) return refuse(response, 404, 'BlobNotFound');
    link.left -= 1;
    const { status, headers, content } = answerWith(file, request.headers, true);
    if (status === 412) return refuse(response, 412, 'ConditionNotMet');
    response.writeHead(status, {
      ...headers,
      'x-ms-request-id': randomBytes(8).toString('hex'),
      'Content-Length': content.length,
      ...(file.content.length <= LARGEST_WITH_MD5 && {
        'x-ms-blob-content-md5': createHash('md5').update(file.content).digest('base64'),
      }),
    });
    response.end(content);
  }
}

function refuse(response: ServerResponse, status: number, code: string): void {
  const message =
    code === 'AuthenticationFailed' ? 'Signature not valid in the specified time frame' : `Refused: ${code}`;
  const body = `<?xml version="1.0" encoding="utf-8"?><Error><Code>${code}</Code><Message>${message}</Message></Error>`;
  response.writeHead(status, { 'Content-Type': 'application/xml', 'x-ms-error-code': code });
  response.end(body);
}
