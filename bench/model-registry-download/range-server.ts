import cluster from 'node:cluster';
import { readFileSync } from 'node:fs';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { createSecureContext, TLSSocket } from 'node:tls';
import { CONTAINER, content, ETAG, type ServerCommand, type ServerSettings, VERSION } from './protocol';

/*
 * A Blob service for benchmarks, as a process of its own: it lists and serves blobs of made-up content, and does next
 * to nothing else, so that what is measured is the client. It reads requests by hand and sends slices of one buffer.
 * It can answer late, send slowly, break connections and fall silent. It checks no signatures.
 */

const settings = JSON.parse(process.argv[2]!) as ServerSettings;

/** Bytes of one write. Bigger ones leave the processor's cache between encryption and sending. */
const SLICE = 256 * 1024;

/** Milliseconds between two slices of a connection with a limited rate. */
const TICK = 5;

const LAST_MODIFIED = 'Mon, 23 Nov 2026 06:00:00 GMT';

const counts = { bytes: 0, reads: 0, connections: 0 };

if (cluster.isPrimary) startProcesses();
else serve();

function startProcesses(): void {
  const totals = () => ({ bytes: 0, reads: 0, connections: 0 });
  let started = 0;
  let answers: (typeof counts)[] = [];
  for (let n = 0; n < settings.processes; n++) {
    const worker = cluster.fork();
    worker.on('message', (message: { port: number } | typeof counts) => {
      if ('port' in message) {
        started += 1;
        if (started === settings.processes) process.send!({ port: message.port });
        return;
      }
      answers.push(message);
      if (answers.length < settings.processes) return;
      const sum = totals();
      for (const answer of answers) {
        sum.bytes += answer.bytes;
        sum.reads += answer.reads;
        sum.connections += answer.connections;
      }
      answers = [];
      process.send!(sum);
    });
  }
  process.on('message', (command: ServerCommand) => {
    for (const worker of Object.values(cluster.workers!)) worker!.send(command);
  });
  process.on('disconnect', () => process.exit());
}

function serve(): void {
  const context =
    settings.tls &&
    createSecureContext({ cert: readFileSync(settings.tls.cert), key: readFileSync(settings.tls.key) });
  const server = createServer({ noDelay: true }, (socket) => {
    counts.connections += 1;
    const stalls = settings.stallEvery !== undefined && counts.connections % settings.stallEvery === 0;
    const stream = context ? new TLSSocket(socket, { isServer: true, secureContext: context }) : socket;
    answerRequests(stream, socket, stalls);
  });
  server.listen(0, '127.0.0.1', () => process.send!({ port: (server.address() as AddressInfo).port }));
  process.on('message', (command: ServerCommand) => {
    if (command === 'reset') Object.assign(counts, { bytes: 0, reads: 0, connections: 0 });
    process.send!(counts);
  });
  process.on('disconnect', () => process.exit());
}

function answerRequests(stream: Socket, socket: Socket, stalls: boolean): void {
  let text = '';
  let last = Promise.resolve();
  stream.on('error', () => socket.destroy());
  stream.on('data', (chunk) => {
    text += chunk.toString('latin1');
    for (let end = text.indexOf('\r\n\r\n'); end >= 0; end = text.indexOf('\r\n\r\n')) {
      const head = text.slice(0, end);
      text = text.slice(end + 4);
      last = last.then(() => answer(head, stream, socket, stalls)).catch(() => void socket.destroy());
    }
  });
}

async function answer(head: string, stream: Socket, socket: Socket, stalls: boolean): Promise<void> {
  if (settings.delay > 0) await wait(settings.delay);
  const [, method, target] = /^(\w+) (\S+)/.exec(head)!;
  const url = new URL(target!, 'http://bench');
  if (url.searchParams.get('comp') === 'list') {
    const body = list(url.searchParams);
    stream.write(
      `HTTP/1.1 200 OK\r\nContent-Type: application/xml\r\nContent-Length: ${body.length}\r\nx-ms-request-id: bench\r\n\r\n${body}`,
    );
    return;
  }
  const { size } = settings;
  const range = /^(?:x-ms-range|range): *bytes=(\d+)-(\d*)/im.exec(head);
  const start = Number(range?.[1] ?? 0);
  const end = range?.[2] ? Math.min(Number(range[2]), size - 1) : size - 1;
  const length = end - start + 1;
  const status = range
    ? `206 Partial Content\r\nContent-Range: bytes ${start}-${end}/${size}`
    : '200 OK\r\nAccept-Ranges: bytes';
  stream.write(
    `HTTP/1.1 ${status}\r\nContent-Length: ${length}\r\nContent-Type: application/octet-stream\r\nETag: "${ETAG}"\r\nLast-Modified: ${LAST_MODIFIED}\r\nx-ms-blob-type: BlockBlob\r\nx-ms-request-id: bench\r\n\r\n`,
  );
  if (method === 'HEAD') return;
  counts.reads += 1;
  await send(start, length, stream, socket, stalls);
}

async function send(start: number, length: number, stream: Socket, socket: Socket, stalls: boolean) {
  const began = performance.now();
  for (let sent = 0; sent < length; ) {
    if (stalls && sent >= length / 2) return new Promise<void>(() => {});
    const most = settings.rate > 0 ? Math.min(SLICE, (settings.rate * TICK) / 1000) : SLICE;
    const slice = content
      .subarray((start + sent) % content.length)
      .subarray(0, Math.min(most, length - sent));
    const bytesBefore = counts.bytes;
    counts.bytes += slice.length;
    sent += slice.length;
    await new Promise<void>((resolve, reject) =>
      stream.write(slice, (error) => (error ? reject(error) : resolve())),
    );
    const every = settings.resetEvery;
    if (every !== undefined && Math.floor(counts.bytes / every) > Math.floor(bytesBefore / every)) {
      socket.resetAndDestroy();
      return;
    }
    if (settings.rate > 0) {
      const ahead = began + (sent / settings.rate) * 1000 - performance.now();
      if (ahead > 1) await wait(ahead);
    }
  }
}

function list(query: URLSearchParams): string {
  const prefix = query.get('prefix') ?? '';
  const first = Number(query.get('marker') || 0);
  const after = Math.min(first + Number(query.get('maxresults') || 5_000), settings.count);
  const blobs: string[] = [];
  if (prefix === `${VERSION}/` || prefix === '') {
    for (let n = first; n < after; n++) {
      blobs.push(
        `<Blob><Name>${VERSION}/${String(n).padStart(6, '0')}.bin</Name><Properties><Creation-Time>${LAST_MODIFIED}</Creation-Time><Last-Modified>${LAST_MODIFIED}</Last-Modified><Etag>${ETAG}</Etag><Content-Length>${settings.size}</Content-Length><Content-Type>application/octet-stream</Content-Type><Content-Encoding /><Content-Language /><Content-CRC64 /><Content-MD5 /><Cache-Control /><Content-Disposition /><BlobType>BlockBlob</BlobType><AccessTier>Hot</AccessTier><AccessTierInferred>true</AccessTierInferred><LeaseStatus>unlocked</LeaseStatus><LeaseState>available</LeaseState><ServerEncrypted>true</ServerEncrypted></Properties><OrMetadata /></Blob>`,
      );
    }
  }
  const next = after < settings.count && blobs.length > 0 ? String(after) : '';
  return `<?xml version="1.0" encoding="utf-8"?><EnumerationResults ServiceEndpoint="http://bench/" ContainerName="${CONTAINER}"><Prefix>${prefix}</Prefix><Blobs>${blobs.join('')}</Blobs><NextMarker>${next}</NextMarker></EnumerationResults>`;
}

function wait(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}
