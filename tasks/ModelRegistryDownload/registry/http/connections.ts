import { request as askHttp } from 'node:http';
import { request as askHttps } from 'node:https';
import { connect, isIP, type OnReadOpts, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { secureContextOf } from '../../../common/connection';
import type { NetworkSettings } from '../../../common/network';
import { BrokenAnswerError, brokenBy, RestError } from '../errors';
import { AnswerReader, type Receiver, type Stop } from './answer';
import { Gatherer } from './gatherer';

/** A GET request that is ready to be sent. */
export interface GetRequest {
  /** With the query. */
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
}

/**
 * Connections to the service for listings and for what is in blobs, kept alive and used again. Each reads into one
 * buffer of its own: to bring 1 GiB over TLS takes two thirds of the processor's time that it takes with `node:https`, a
 * small blob a third, and memory stays flat.
 */
export class Connections {
  private readonly idle: Connection[] = [];
  private readonly all = new Set<Connection>();
  private readonly host: string;

  /** @param endpoint where the service is; its path does not matter */
  constructor(
    private readonly endpoint: URL,
    private readonly network: NetworkSettings,
  ) {
    this.host = endpoint.host;
  }

  /**
   * Sends a request and hands its answer on, piece by piece.
   *
   * @throws RestError when the service refuses; BrokenAnswerError when there was no whole answer; whatever the receiver
   *   throws
   */
  async get(request: GetRequest, receiver: Receiver, stop: Stop): Promise<void> {
    for (let used = this.idle.pop(); used; used = this.idle.pop()) {
      if (await this.ask(used, request, receiver, stop)) return;
      // The service had closed it while nobody used it.
    }
    await this.ask(await this.open(stop), request, receiver, stop);
  }

  close(): void {
    for (const connection of this.all) connection.close();
  }

  /** @returns false when the connection, which was used before, ended without a sign of life */
  private async ask(
    connection: Connection,
    request: GetRequest,
    receiver: Receiver,
    stop: Stop,
  ): Promise<boolean> {
    const wasUsed = connection.wasUsed;
    try {
      await connection.ask(toText(request, this.host), receiver, stop);
      if (connection.isOpen) this.idle.push(connection);
      return true;
    } catch (error) {
      if (connection.isOpen) this.idle.push(connection);
      if (wasUsed && !connection.answerBegan && !stop.stopped) return false;
      throw error;
    }
  }

  private async open(stop: Stop): Promise<Connection> {
    const proxy = this.network.proxyFor(this.endpoint.href);
    const tunnel =
      proxy === undefined
        ? undefined
        : await openTunnel(new URL(proxy), this.endpoint, this.network.tls, stop);
    const connection = new Connection(
      (onread) => this.connect(tunnel, onread),
      () => {
        this.all.delete(connection);
        const place = this.idle.indexOf(connection);
        if (place >= 0) this.idle.splice(place, 1);
      },
    );
    this.all.add(connection);
    return connection;
  }

  /** @param tunnel a way to the service through a proxy */
  private connect(tunnel: Socket | undefined, onread: OnReadOpts): Socket {
    const { hostname, port, protocol } = this.endpoint;
    const host = bareHost(hostname);
    if (protocol !== 'https:') return tunnel ?? connect({ host, port: Number(port || 80), onread });
    const { rejectUnauthorized } = this.network.tls;
    return connectTls({
      host,
      port: Number(port || 443),
      secureContext: secureContextOf(this.network),
      ...(rejectUnauthorized === false && { rejectUnauthorized }),
      ...(isIP(host) === 0 && { servername: host }),
      ...(tunnel ? { socket: tunnel } : { onread }),
    });
  }
}

/** One connection; it answers one request at a time. */
class Connection {
  private readonly socket: Socket;
  private readonly gatherer = new Gatherer((piece) => this.take(piece));
  private reader: AnswerReader | undefined;
  private settle: ((error?: Error) => void) | undefined;
  private answers = 0;

  /** @param connect opens a socket, which reads into a buffer where it can */
  constructor(
    connect: (onread: OnReadOpts) => Socket,
    private readonly onClose: () => void,
  ) {
    this.socket = connect({
      buffer: () => this.gatherer.room,
      callback: (length) => {
        this.gatherer.add(length);
        // What nobody has asked for must not wait until somebody has.
        if (!this.settle) this.gatherer.flush();
        return true;
      },
    });
    this.socket
      .setNoDelay(true)
      .on('error', (error) => this.end(() => brokenBy(error)))
      .on('end', () => this.end(() => this.reader?.end()))
      .on('close', () => this.end(() => this.reader?.end()))
      // Those on top of another one cannot read into a buffer; the others have no data for this.
      .on('data', (piece) => this.take(piece));
  }

  get isOpen(): boolean {
    return !this.socket.destroyed;
  }

  get wasUsed(): boolean {
    return this.answers > 0;
  }

  /** Whether a part of the answer to the latest request has come. */
  get answerBegan(): boolean {
    return this.reader?.hasBegun ?? false;
  }

  private take(piece: Buffer): void {
    // Nobody has asked: the service says good-bye.
    if (!this.settle) {
      this.close();
      return;
    }
    try {
      if (!this.reader!.read(piece)) return;
      this.finish();
    } catch (error) {
      this.finish(error as Error);
    }
  }

  async ask(text: string, receiver: Receiver, stop: Stop): Promise<void> {
    if (stop.stopped) throw new BrokenAnswerError('it was given up');
    stop.onStop = () => this.end(() => new BrokenAnswerError('it was given up'));
    this.reader = new AnswerReader(receiver);
    try {
      await new Promise<void>((resolve, reject) => {
        this.settle = (error) => {
          this.settle = undefined;
          if (error) reject(error);
          else resolve();
        };
        this.socket.write(text, 'latin1');
      });
    } finally {
      stop.onStop = undefined;
    }
  }

  close(): void {
    this.gatherer.drop();
    this.socket.destroy();
    this.onClose();
  }

  private finish(error?: Error): void {
    if (!this.reader!.leavesOpen) this.close();
    this.answers += 1;
    this.settle!(error);
  }

  /** @param reason tells why, once everything that came before is handed on */
  private end(reason: () => Error | undefined): void {
    this.gatherer.flush();
    this.close();
    const error = reason();
    if (error) this.settle?.(error);
  }
}

function toText({ path, headers }: GetRequest, host: string): string {
  let text = `GET ${path} HTTP/1.1\r\nhost: ${host}\r\n`;
  for (const name in headers) text += `${name}: ${headers[name]}\r\n`;
  return `${text}\r\n`;
}

/** A way through a proxy to an endpoint. */
function openTunnel(
  proxy: URL,
  { hostname, port, protocol }: URL,
  tls: NetworkSettings['tls'],
  stop: Stop,
): Promise<Socket> {
  const target = `${hostname}:${port || (protocol === 'https:' ? 443 : 80)}`;
  const { username, password } = proxy;
  const ask = proxy.protocol === 'https:' ? askHttps : askHttp;
  return new Promise((resolve, reject) => {
    const request = ask({
      ...tls,
      agent: false,
      method: 'CONNECT',
      hostname: bareHost(proxy.hostname),
      port: proxy.port,
      path: target,
      headers: { host: target, ...(username && { 'proxy-authorization': basic(username, password) }) },
    });
    request
      .on('connect', ({ statusCode }, socket: Socket) => {
        if (statusCode === 200) {
          resolve(socket);
          return;
        }
        socket.destroy();
        reject(
          new RestError(
            `The proxy ${proxy.host} does not let it through.`,
            statusCode!,
            undefined,
            new Map(),
          ),
        );
      })
      .on('error', (error) => reject(brokenBy(error)))
      .end();
    stop.onStop = () => request.destroy();
  });
}

/** User and password as a header has them; in an address they are encoded. */
function basic(username: string, password: string): string {
  const pair = `${decodeURIComponent(username)}:${decodeURIComponent(password)}`;
  return `Basic ${Buffer.from(pair).toString('base64')}`;
}

/** An IPv6 address stands in brackets in an address, and without them everywhere else. */
function bareHost(hostname: string): string {
  return hostname.replace(/^\[|\]$/g, '');
}
