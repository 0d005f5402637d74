import type { IncomingMessage, ServerResponse } from 'node:http';
import { RegistryError } from './errors';

/** One request that has found its route, with what the route read from the path. */
export interface Exchange {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly query: URLSearchParams;
  /** Empty where the path names none, as in `/v2/_catalog`. */
  readonly repository: string;
  /** The tag, digest or upload id that the path ends with; empty where it names none. */
  readonly reference: string;
}

export function reply(
  response: ServerResponse,
  status: number,
  headers: Record<string, string | number> = {},
  body?: string | Buffer,
): void {
  response.writeHead(status, { 'Content-Length': Buffer.byteLength(body ?? ''), ...headers }).end(body);
}

export function replyJson(
  response: ServerResponse,
  status: number,
  value: object,
  headers: Record<string, string> = {},
): void {
  reply(
    response,
    status,
    { 'Content-Type': 'application/json; charset=utf-8', ...headers },
    JSON.stringify(value),
  );
}

/** Reads a body that belongs in memory, such as a manifest or a form; too long a one can still be answered. */
export async function readBody(request: IncomingMessage, limit: number): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of request.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > limit) throw new RegistryError('MANIFEST_INVALID', 'http: request body too large');
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}
