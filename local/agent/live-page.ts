import { once } from 'node:events';
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/** Milliseconds between two pages that are sent; the seconds that are shown go on without a line of a log. */
const SEND_EVERY = 1_000;

/** A page about a run that goes on. */
export interface LivePage {
  readonly url: string;
  /** Sends the page a last time, and stops serving it. */
  end(): Promise<void>;
}

/**
 * Serves a page to this machine alone, and sends it again, as server-sent events, to whoever has it open.
 *
 * @param render the page as it is now
 */
export async function serveLivePage(render: () => string): Promise<LivePage> {
  const readers = new Set<ServerResponse>();
  const send = (page: string) => {
    for (const reader of readers) reader.write(`event: page\ndata: ${JSON.stringify(page)}\n\n`);
  };
  const server = createServer((request, response) => {
    // A name of another site that leads to this address must not make a browser hand the page to that site.
    if (!isLoopback(request.headers.host))
      return void response.writeHead(403).end('Only for this machine.\n');
    if (request.method !== 'GET') return void response.writeHead(405).end();
    if (request.url === '/') {
      response.writeHead(200, { 'Content-Type': 'text/html; charset=utf-8', 'Cache-Control': 'no-store' });
      response.end(render());
    } else if (request.url === '/events') {
      response.writeHead(200, { 'Content-Type': 'text/event-stream', 'Cache-Control': 'no-store' });
      readers.add(response);
      response.on('close', () => readers.delete(response));
      send(render());
    } else {
      response.writeHead(404).end();
    }
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const timer = setInterval(() => {
    if (readers.size > 0) send(render());
  }, SEND_EVERY);
  // What is left of the run decides when the process ends.
  timer.unref();
  server.unref();
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`,
    async end() {
      clearInterval(timer);
      send(render());
      for (const reader of readers) reader.end('event: end\ndata:\n\n');
      server.close();
      server.closeIdleConnections();
      if (readers.size > 0)
        await once(server, 'close', { signal: AbortSignal.timeout(2_000) }).catch(() => {});
      server.closeAllConnections();
    },
  };
}

function isLoopback(host = ''): boolean {
  return /^(127\.0\.0\.1|localhost|\[::1\])(:\d+)?$/i.test(host);
}
