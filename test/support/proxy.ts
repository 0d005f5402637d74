import { createServer as createHttpServer, type IncomingMessage, request, type Server } from 'node:http';
import { createServer as createHttpsServer } from 'node:https';
import { type AddressInfo, connect, type Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { createSecureContext, TLSSocket } from 'node:tls';
import { makeCertificate, type TestCertificate } from './certificate';

export interface ProxyOptions {
  /** Who may use it; everybody by default. */
  readonly login?: { readonly username: string; readonly password: string };
  /** By what it signs the certificates of the hosts that it stands in for; it then reads what is encrypted. */
  readonly authority?: TestCertificate;
  /** It speaks TLS itself. */
  readonly certificate?: TestCertificate;
  /** The hosts behind it, by name: ports of this machine that speak HTTP. Others are what they are. */
  readonly hosts?: Readonly<Record<string, number>>;
  /** Has hosts ask for a certificate of this authority's. */
  readonly clientAuthority?: TestCertificate;
}

/** A proxy on loopback that opens tunnels, as those of companies do, and may look into them. */
export class TestProxy {
  /** The tunnels that were asked for, as `host:port`. */
  readonly tunnels: string[] = [];
  /** The requests that it could read, as `GET https://host/path`. */
  readonly requests: string[] = [];
  /** What it answers in place of opening a tunnel. */
  refusal: string | undefined;
  private readonly sockets = new Set<Duplex>();

  private constructor(
    private readonly server: Server,
    private readonly options: ProxyOptions,
  ) {}

  static async start(options: ProxyOptions = {}): Promise<TestProxy> {
    const { certificate } = options;
    const server = certificate
      ? createHttpsServer({ key: certificate.key, cert: certificate.certificate })
      : createHttpServer();
    const proxy = new TestProxy(server, options);
    server.on('connect', (asked: IncomingMessage, socket: Duplex) => proxy.open(asked, socket));
    for (const event of ['connection', 'secureConnection']) {
      server.on(event, (socket: Socket) => proxy.keep(socket));
    }
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return proxy;
  }

  get url(): string {
    const { port } = this.server.address() as AddressInfo;
    return `http${this.options.certificate ? 's' : ''}://127.0.0.1:${port}`;
  }

  async stop(): Promise<void> {
    for (const socket of this.sockets) socket.destroy();
    await new Promise((resolve) => this.server.close(resolve));
  }

  private keep(socket: Duplex): void {
    this.sockets.add(socket);
    socket.on('error', () => undefined).on('close', () => this.sockets.delete(socket));
  }

  private open({ url = '', headers }: IncomingMessage, socket: Duplex): void {
    this.tunnels.push(url);
    const { login, hosts = {}, authority } = this.options;
    const given = Buffer.from(
      headers['proxy-authorization']?.replace('Basic ', '') ?? '',
      'base64',
    ).toString();
    if (login && given !== `${login.username}:${login.password}`) {
      socket.end('HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Basic realm="p"\r\n\r\n');
      return;
    }
    if (this.refusal) {
      socket.end(this.refusal);
      return;
    }
    const [, host = '', port] = /^\[?(.*?)\]?:(\d+)$/.exec(url) ?? [];
    const target = hosts[host];
    socket.write('HTTP/1.1 200 Connection established\r\n\r\n');
    if (authority && port === '443') this.inspect(socket, host, target ?? Number(port), authority);
    else this.pass(socket, target ?? Number(port), target === undefined ? host : '127.0.0.1');
  }

  private pass(socket: Duplex, port: number, host: string): void {
    const onward = connect(port, host);
    this.keep(onward);
    socket.pipe(onward).pipe(socket);
  }

  private inspect(socket: Duplex, host: string, port: number, authority: TestCertificate): void {
    const { clientAuthority } = this.options;
    const certificate = certificateOf(host, authority);
    const plain = new TLSSocket(socket as Socket, {
      isServer: true,
      secureContext: createSecureContext({
        key: certificate.key,
        cert: certificate.certificate,
        ...(clientAuthority && { ca: clientAuthority.certificate }),
      }),
      ...(clientAuthority && { requestCert: true, rejectUnauthorized: true }),
    });
    this.keep(plain);
    const reader = createHttpServer((incoming, outgoing) => {
      this.requests.push(`${incoming.method} https://${host}${incoming.url}`);
      const { method, url: path, headers } = incoming;
      const onward = request({ host: '127.0.0.1', port, method, path, headers, agent: false }, (answer) => {
        outgoing.writeHead(answer.statusCode!, answer.rawHeaders);
        answer.pipe(outgoing);
      });
      onward.on('error', () => plain.destroy());
      incoming.pipe(onward);
    });
    reader.emit('connection', plain);
  }
}

const certificates = new Map<string, TestCertificate>();

/** Keys take a while to make, so that hosts keep theirs. */
function certificateOf(host: string, authority: TestCertificate): TestCertificate {
  const id = `${host} ${authority.certificate}`;
  let certificate = certificates.get(id);
  if (!certificate) {
    certificate = makeCertificate(host, { issuer: authority, hosts: [host] });
    certificates.set(id, certificate);
  }
  return certificate;
}
