import {
  createServer,
  type IncomingHttpHeaders,
  type IncomingMessage,
  request,
  type Server,
} from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import type { NetworkSettings } from '../../../tasks/common/network';
import { AUTHORITY, serveTls } from './tls';

/** An answer on its way from the service to the task. */
export interface Answer {
  readonly status: number;
  readonly headers: Record<string, string>;
  readonly body: Buffer;
}

/** How a request goes wrong. */
export interface Fault {
  readonly name: string;
  /** Whether a request that meets it once must come through: it is one of those that pass. */
  readonly passes: boolean;
  /** Whether the service has carried the request out by then. */
  readonly isCarriedOut: boolean;
  /** Whether no more than silence comes, which ends only when the task gives up. */
  readonly isSilent: boolean;
  /** Writes the answer, or what comes of it, to the task. */
  answer(to: Reply): unknown;
  /**
   * What becomes of the connection that the task makes next, where the fault is one of connections; the one by which the
   * request came is closed.
   */
  readonly meet?: (socket: Duplex) => void;
}

/** What the relay stands before. */
export interface Service {
  /** Where it is. */
  readonly target: string;
  /** By which customers know it. */
  readonly name: string;
  /** Where its other parts are, by how the paths begin that they answer. */
  readonly parts?: Readonly<Record<string, string>>;
  /** Answers, in place of the service, what another is asked: Microsoft Entra, Azure DevOps. Undefined for all else. */
  readonly party?: (path: string, form: URLSearchParams) => object | undefined;
}

/** What a fault may do to the task's connection. */
export interface Reply {
  readonly socket: Socket;
  /** What was asked, as text with its headers, which hold credentials. */
  readonly asked: string;
  /** The service's own answer; of a fault that keeps the request from it, an empty 200. */
  readonly real: Answer;
  /** Another server, where nothing must be sent. */
  readonly elsewhere: string;
  send(answer: Partial<Answer>): void;
}

/** A request as the matrix names it: method and path, without what differs from run to run. */
export function kindOf({ method, url = '' }: Pick<IncomingMessage, 'method' | 'url'>): string {
  const path = url
    .replace(/\?.*/, (query) => (/comp=list/.test(query) ? ' list' : ''))
    .replace(/sha256[:-][0-9a-f]{64}/g, '<digest>')
    .replace(/uploads\/[^/? ]+/, 'uploads/<id>');
  return `${method} ${path}`;
}

/** Stands between a task and a service, and has one kind of request go wrong. */
export class Relay {
  /** How often each kind of request was sent. */
  readonly counts = new Map<string, number>();
  /** Headers of requests that came to a server to which nothing must be sent. */
  readonly strays: IncomingHttpHeaders[] = [];
  private readonly sockets = new Set<Duplex>();
  /** How many of the next connections go wrong. */
  private doomed = 0;

  private constructor(
    private readonly server: Server,
    private readonly elsewhere: Server,
    private readonly service: Service,
    private readonly fault: Fault | undefined,
    private readonly isHit: (kind: string, count: number) => boolean,
  ) {}

  /** @param isHit whether a request goes wrong, by its kind and how many of that kind came */
  static async start(
    service: Service,
    fault?: Fault,
    isHit: (kind: string, count: number) => boolean = () => false,
  ): Promise<Relay> {
    const server = createServer({ keepAliveTimeout: 60_000 });
    const stray = createServer((incoming, response) => {
      relay.strays.push(incoming.headers);
      response.end('{}');
    });
    const relay: Relay = new Relay(server, stray, service, fault, isHit);
    for (const one of [server, stray]) {
      one.on('connection', (socket: Socket) => relay.keep(socket));
      await new Promise<void>((resolve) => one.listen(0, '127.0.0.1', resolve));
    }
    server.on('request', (incoming: IncomingMessage) => void relay.take(incoming));
    server.on('connect', (_asked: IncomingMessage, socket: Duplex) => relay.open(socket));
    return relay;
  }

  /** Whether the task must notice that nothing comes. */
  get isSilent(): boolean {
    return this.fault?.isSilent ?? false;
  }

  /** Whether a request that the task is about to send will go wrong. Of what a connection meets, it may be any. */
  isNextHit({ method, url }: { readonly method: string; readonly url: string }): boolean {
    if (this.doomed > 0) return true;
    const { pathname, search } = new URL(url);
    const kind = kindOf({ method, url: pathname + search });
    return this.isHit(kind, (this.counts.get(kind) ?? 0) + 1);
  }

  /** The service as the task is to know it. */
  get host(): string {
    return this.isSecure ? this.service.name : this.address;
  }

  get origin(): string {
    return `http${this.isSecure ? 's' : ''}://${this.host}`;
  }

  /** How the task gets there. */
  get network(): NetworkSettings {
    const proxy = { url: new URL(`http://${this.address}`), whose: "the agent's proxy" };
    return this.isSecure
      ? { proxyFor: () => proxy, tls: { ca: [AUTHORITY] } }
      : { proxyFor: () => undefined, tls: {} };
  }

  private get isSecure(): boolean {
    return this.fault?.meet !== undefined;
  }

  private get address(): string {
    return `127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  async stop(): Promise<void> {
    for (const socket of this.sockets) socket.destroy();
    await Promise.all(
      [this.server, this.elsewhere].map((server) => new Promise((resolve) => server.close(resolve))),
    );
  }

  /** A tunnel to the service, which speaks TLS. */
  private open(socket: Duplex): void {
    socket.write('HTTP/1.1 200 Connection established\r\n\r\n');
    if (this.doomed > 0) {
      this.doomed -= 1;
      this.fault!.meet!(socket);
      return;
    }
    const plain = serveTls(socket);
    this.keep(plain);
    this.server.emit('connection', plain);
  }

  private keep(socket: Duplex): void {
    this.sockets.add(socket);
    socket.on('error', () => undefined).on('close', () => this.sockets.delete(socket));
  }

  private async take(incoming: IncomingMessage): Promise<void> {
    const { socket } = incoming;
    const kind = kindOf(incoming);
    const count = (this.counts.get(kind) ?? 0) + 1;
    this.counts.set(kind, count);
    const chunks: Buffer[] = [];
    try {
      for await (const chunk of incoming) chunks.push(chunk as Buffer);
    } catch {
      return;
    }
    const body = Buffer.concat(chunks);
    const fault = this.isHit(kind, count) ? this.fault : undefined;
    if (fault?.meet) {
      this.doomed = this.isHit(kind, count + 1) ? Number.POSITIVE_INFINITY : 1;
      socket.destroy();
      return;
    }
    const real =
      fault && !fault.isCarriedOut
        ? { status: 200, headers: {}, body: Buffer.alloc(0) }
        : await this.forward(incoming, body);
    const send = (answer: Partial<Answer>) =>
      write(socket, { status: 200, headers: {}, body: Buffer.alloc(0), ...answer }, incoming.method);
    if (!fault) {
      send(real);
      return;
    }
    const { port } = this.elsewhere.address() as AddressInfo;
    const asked = `${kind}\n${JSON.stringify(incoming.headers)}\n${body.toString('latin1').slice(0, 5_000)}`;
    await fault.answer({ socket, asked, real, elsewhere: `http://127.0.0.1:${port}`, send });
  }

  private forward(incoming: IncomingMessage, body: Buffer): Promise<Answer> {
    const { hostname, port, host } = new URL(this.targetOf(incoming.url ?? ''));
    const isForm = incoming.headers['content-type']?.includes('form-urlencoded');
    const form = new URLSearchParams(isForm ? body.toString() : '');
    const own = this.service.party?.(incoming.url ?? '', form);
    if (own) {
      const headers = { 'content-type': 'application/json' };
      return Promise.resolve({ status: 200, headers, body: Buffer.from(JSON.stringify(own)) });
    }
    const sent = isForm ? Buffer.from(this.named(body.toString(), host)) : body;
    return new Promise((resolve, reject) => {
      const headers = { ...incoming.headers, 'content-length': String(sent.length), connection: 'close' };
      delete (headers as IncomingHttpHeaders)['transfer-encoding'];
      request(
        {
          hostname,
          port,
          method: incoming.method,
          path: this.named(incoming.url ?? '', host),
          headers,
          agent: false,
        },
        async (answer) => {
          const chunks: Buffer[] = [];
          for await (const chunk of answer) chunks.push(chunk as Buffer);
          const own = Object.entries(answer.headers).flatMap(([name, value]) =>
            /^(connection|keep-alive|transfer-encoding)$/.test(name)
              ? []
              : [[name, String(value).replaceAll(`http://${host}`, this.origin).replaceAll(host, this.host)]],
          );
          resolve({
            status: answer.statusCode!,
            headers: Object.fromEntries(own),
            body: Buffer.concat(chunks),
          });
        },
      )
        .on('error', reject)
        .end(sent);
    });
  }

  private targetOf(path: string): string {
    const { target, parts = {} } = this.service;
    return Object.entries(parts).find(([start]) => path.startsWith(start))?.[1] ?? target;
  }

  /** A text of the task's with the service's own name in it. */
  private named(text: string, host: string): string {
    return text.replaceAll(encodeURIComponent(this.host), encodeURIComponent(host));
  }
}

/** An answer as bytes; its length is what its headers say, where they do. */
export function write(socket: Socket, { status, headers, body }: Answer, method = 'GET'): void {
  socket.write(`${headOf(status, { 'content-length': String(body.length), ...headers })}\r\n\r\n`);
  if (method !== 'HEAD' && status !== 204) socket.write(body);
}

export function headOf(status: number, headers: Record<string, string>): string {
  const lines = Object.entries(headers).map(([name, value]) => `\r\n${name}: ${value}`);
  return `HTTP/1.1 ${status} Some words${lines.join('')}`;
}
