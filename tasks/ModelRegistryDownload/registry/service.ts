import { type Agent, type IncomingMessage, request as sendHttp } from 'node:http';
import { request as sendHttps } from 'node:https';
import { BrokenAnswerError, RestError } from './errors';

/** A GET request that is ready to be sent. Made of plain values only, so that another thread can send it. */
export interface ServiceRequest {
  /** With scheme and port, without a path. */
  readonly origin: string;
  /** With the query. */
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
}

/** Errors of the service are short; what is longer is a page of some proxy. */
const LONGEST_ERROR = 64 * 1024;

/**
 * Sends a request and waits for the headers of its answer.
 *
 * @throws RestError for every answer that is none of 2xx; BrokenAnswerError when there was no whole answer
 */
export async function send(
  request: ServiceRequest,
  agent: Agent,
  signal: AbortSignal,
): Promise<IncomingMessage> {
  const answer = await new Promise<IncomingMessage>((resolve, reject) => {
    const { protocol, hostname, port } = new URL(request.origin);
    const start = protocol === 'https:' ? sendHttps : sendHttp;
    start({
      agent,
      signal,
      // An IPv6 address stands in brackets in an address, and without them everywhere else.
      hostname: hostname.replace(/^\[|\]$/g, ''),
      port,
      path: request.path,
      headers: request.headers,
    })
      .on('response', resolve)
      .on('error', (error) => reject(brokenBy(error)))
      .end();
  });
  const status = answer.statusCode!;
  if (status >= 200 && status < 300) return answer;
  throw restError(answer, await readText(answer, LONGEST_ERROR));
}

/** The rest of an answer, as text, up to a number of bytes. */
async function readText(answer: IncomingMessage, most: number): Promise<string> {
  const pieces: Buffer[] = [];
  let size = 0;
  try {
    for await (const piece of answer) {
      pieces.push(piece as Buffer);
      size += piece.length;
      if (size >= most) break;
    }
  } catch (error) {
    throw brokenBy(error as Error);
  }
  return Buffer.concat(pieces).toString('utf8');
}

/** Errors of sockets, TLS and the HTTP parser alike: what each is, their code tells. */
export function brokenBy(error: Error): BrokenAnswerError {
  const { code } = error as NodeJS.ErrnoException;
  const isReset = error.message === 'aborted' || error.message === 'socket hang up';
  return new BrokenAnswerError(isReset ? 'the connection broke' : error.message || String(code), code);
}

function restError(answer: IncomingMessage, body: string): RestError {
  const headers = new Map<string, string>();
  for (const [name, value] of Object.entries(answer.headers)) headers.set(name, String(value));
  const code = /<Code>([^<]*)<\/Code>/.exec(body)?.[1];
  const message = /<Message>([^<]*)<\/Message>/.exec(body)?.[1];
  const text = message ?? answer.statusMessage ?? '';
  return new RestError(text, answer.statusCode!, code || headers.get('x-ms-error-code'), headers);
}

/** ETags have quotes in headers, and none in the listings of Azure. */
export function bareEtag(etag: string): string {
  return etag.replace(/^"|"$/g, '');
}
