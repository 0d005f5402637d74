import { connect, type OnReadOpts, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import type { NetworkSettings, ProxyServer } from '../../../common/network';
import { bareHost, openTunnel, tlsTo } from '../../../common/tunnel';
import { BrokenAnswerError, brokenBy } from '../errors';
import { AnswerReader, type Receiver, type Stop } from './answer';
import { Gatherer } from './gatherer';

/** A request that is ready to be sent. It may be sent twice, and has no body. */
export interface BareRequest {
  readonly method: 'GET' | 'POST';
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
  private readonly port: number;

  /** @param endpoint where the service is; its path does not matter */
  constructor(
    private readonly endpoint: URL,
    private readonly network: NetworkSettings,
  ) {
    this.host = endpoint.host;
    this.port = Number(endpoint.port || (endpoint.protocol === 'https:' ? 443 : 80));
  }

  /**
   * Sends a request and hands its answer on, piece by piece.
   *
   * @throws RestError when the service refuses; BrokenAnswerError when there was no whole answer; whatever the receiver
   *   throws
   */
  async send(request: BareRequest, receiver: Receiver, stop: Stop): Promise<void> {
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
    request: BareRequest,
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
    const tunnel = proxy && (await this.openTunnel(proxy, stop));
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
    const { hostname, protocol } = this.endpoint;
    if (protocol !== 'https:')
      return tunnel ?? connect({ host: bareHost(hostname), port: this.port, onread });
    return connectTls({
      ...tlsTo(hostname, this.network),
      port: this.port,
      ...(tunnel ? { socket: tunnel } : { onread }),
    });
  }

  private async openTunnel(proxy: ProxyServer, stop: Stop): Promise<Socket> {
    const target = { host: bareHost(this.endpoint.hostname), port: this.port };
    try {
      return await openTunnel(proxy, target, this.network, (end) => {
        stop.onStop = end;
      });
    } catch (error) {
      throw brokenBy(error as Error, false);
    }
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
      .on('error', (error) => this.end(() => brokenBy(error, this.answerBegan)))
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

function toText({ method, path, headers }: BareRequest, host: string): string {
  let text = `${method} ${path} HTTP/1.1\r\nhost: ${host}\r\n`;
  if (method === 'POST') text += 'content-length: 0\r\n';
  for (const name in headers) text += `${name}: ${headers[name]}\r\n`;
  return `${text}\r\n`;
}
