import { createHash, type Hash } from 'node:crypto';
import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface SinkRegistry {
  readonly host: string;
  /** The blobs that arrived whole, by digest, with their bytes. */
  readonly blobs: ReadonlyMap<string, number>;
  /** Breaks the connection once when so many bytes of a blob have arrived, and keeps those. */
  breakAt(bytes: number): void;
  stop(): Promise<void>;
}

interface SinkUpload {
  readonly hash: Hash;
  size: number;
}

/** A registry that checks what it receives and keeps none of it, so that blobs may be larger than the disk. */
export async function startSinkRegistry(): Promise<SinkRegistry> {
  const blobs = new Map<string, number>();
  const documents = new Map<string, Buffer>();
  const uploads = new Map<string, SinkUpload>();
  let broken: number | undefined;

  async function receive(request: IncomingMessage, upload: SinkUpload): Promise<boolean> {
    const start = /^(\d+)-/.exec(request.headers['content-range'] ?? '')?.[1];
    if (start !== undefined && Number(start) !== upload.size) return false;
    for await (const chunk of request as AsyncIterable<Buffer>) {
      upload.hash.update(chunk);
      upload.size += chunk.length;
      if (broken === undefined || upload.size < broken) continue;
      broken = undefined;
      request.socket.destroy();
      return false;
    }
    return true;
  }

  const server = createServer({ requestTimeout: 0 }, async (request, response) => {
    const url = new URL(request.url ?? '/', 'http://sink');
    const [, repository = '', rest = ''] =
      /^\/v2\/(.*?)\/((?:blobs|manifests)\/.*)$/.exec(url.pathname) ?? [];
    const id = /uploads\/(.+)$/.exec(rest)?.[1];
    const upload = id === undefined ? undefined : uploads.get(id);
    const location = `/v2/${repository}/blobs/uploads/`;
    const range = ({ size }: SinkUpload) => `0-${Math.max(0, size - 1)}`;
    try {
      if (url.pathname === '/v2/') response.end('{}');
      else if (request.method === 'POST') {
        const name = String(uploads.size);
        uploads.set(name, { hash: createHash('sha256'), size: 0 });
        response.writeHead(202, { Location: location + name }).end();
      } else if (upload && request.method === 'GET') {
        response.writeHead(204, { Location: location + id, Range: range(upload) }).end();
      } else if (upload && /^(PATCH|PUT)$/.test(request.method ?? '')) {
        if (!(await receive(request, upload))) response.writeHead(416).end();
        else if (request.method === 'PATCH') {
          response.writeHead(202, { Location: location + id, Range: range(upload) }).end();
        } else {
          const digest = `sha256:${upload.hash.digest('hex')}`;
          const isRight = digest === url.searchParams.get('digest');
          if (isRight) blobs.set(digest, upload.size);
          response.writeHead(isRight ? 201 : 400).end(isRight ? '' : 'DIGEST_INVALID');
        }
      } else if (request.method === 'PUT') {
        const body = Buffer.concat(await request.toArray());
        documents.set(rest, body);
        response.writeHead(201).end();
      } else {
        const found = documents.get(rest);
        const digest = found && `sha256:${createHash('sha256').update(found).digest('hex')}`;
        const hasBlob = blobs.has(rest.replace('blobs/', ''));
        if (digest) response.setHeader('Docker-Content-Digest', digest);
        response.writeHead(found || hasBlob ? 200 : 404).end(request.method === 'GET' ? found : undefined);
      }
    } catch {
      response.destroy();
    }
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    host: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    blobs,
    breakAt: (bytes) => {
      broken = bytes;
    },
    stop: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}
