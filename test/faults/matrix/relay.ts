import {
  createServer,
  type IncomingHttpHeaders,
  type IncomingMessage,
  request,
  type Server,
} from 'node:http';
import type { AddressInfo, Socket } from 'node:net';

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
export function kindOf({ method, url = '' }: IncomingMessage): string {
  const path = url
    .replace(/\?.*/, (query) => (/comp=list/.test(query) ? ' list' : ''))
    .replace(/sha256:[0-9a-f]{64}/g, '<digest>')
    .replace(/uploads\/[^/? ]+/, 'uploads/<id>');
  return `${method} ${path}`;
}

/** Stands between a task and a service, and has one kind of request go wrong. */
export class Relay {
  /** How often each kind of request was sent. */
  readonly counts = new Map<string, number>();
  /** Headers of requests that came to a server to which nothing must be sent. */
  readonly strays: IncomingHttpHeaders[] = [];
  private readonly sockets = new Set<Socket>();

  private constructor(
    private readonly server: Server,
    private readonly elsewhere: Server,
    private readonly target: URL,
    private readonly fault: Fault | undefined,
    private readonly isHit: (kind: string, count: number) => boolean,
  ) {}

  /** @param isHit whether a request goes wrong, by its kind and how many of that kind came */
  static async start(
    target: string,
    fault?: Fault,
    isHit: (kind: string, count: number) => boolean = () => false,
  ): Promise<Relay> {
    const server = createServer({ keepAliveTimeout: 60_000 });
    const stray = createServer((incoming, response) => {
      relay.strays.push(incoming.headers);
      response.end('{}');
    });
    const relay: Relay = new Relay(server, stray, new URL(target), fault, isHit);
    for (const one of [server, stray]) {
      one.on('connection', (socket: Socket) => relay.keep(socket));
      await new Promise<void>((resolve) => one.listen(0, '127.0.0.1', resolve));
    }
    server.on('request', (incoming: IncomingMessage) => void relay.take(incoming));
    return relay;
  }

  /** Whether the task must notice that nothing comes. */
  get isSilent(): boolean {
    return this.fault?.isSilent ?? false;
  }

  get host(): string {
    return `127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  async stop(): Promise<void> {
    for (const socket of this.sockets) socket.destroy();
    await Promise.all(
      [this.server, this.elsewhere].map((server) => new Promise((resolve) => server.close(resolve))),
    );
  }

  private keep(socket: Socket): void {
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
    const { hostname, port, host } = this.target;
    return new Promise((resolve, reject) => {
      const headers = { ...incoming.headers, 'content-length': String(body.length), connection: 'close' };
      delete (headers as IncomingHttpHeaders)['transfer-encoding'];
      request(
        {
          hostname,
          port,
          method: incoming.method,
          path: incoming.url?.replaceAll(encodeURIComponent(this.host), encodeURIComponent(host)),
          headers,
          agent: false,
        },
        async (answer) => {
          const chunks: Buffer[] = [];
          for await (const chunk of answer) chunks.push(chunk as Buffer);
          const own = Object.entries(answer.headers).flatMap(([name, value]) =>
            /^(connection|keep-alive|transfer-encoding)$/.test(name)
              ? []
              : [[name, String(value).replaceAll(host, this.host)]],
          );
          resolve({
            status: answer.statusCode!,
            headers: Object.fromEntries(own),
            body: Buffer.concat(chunks),
          });
        },
      )
        .on('error', reject)
        .end(body);
    });
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
