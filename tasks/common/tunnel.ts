import { request as askHttp } from 'node:http';
import { request as askHttps } from 'node:https';
import { isIP, type Socket } from 'node:net';
import type { ConnectionOptions } from 'node:tls';
import { describeError } from './errors';
import type { NetworkSettings, ProxyServer } from './network';
import { secureContextOf } from './secure-context';

/** Milliseconds for which a proxy may be silent before it lets a connection through. */
const CONNECT_LIMIT = 30_000;

/** A proxy did not let a connection through, or could not be reached itself. Its message says that it was the proxy. */
export class ProxyError extends Error {
  constructor(
    message: string,
    /** `ERR_PROXY_DENIED` where the same request would be denied again. */
    readonly code: 'ERR_PROXY' | 'ERR_PROXY_DENIED',
  ) {
    super(message);
  }
}

/**
 * A way through a proxy to a host, as bytes: what is sent through it is encrypted by whoever sends it.
 *
 * @param onStop is handed what ends the attempt
 * @throws ProxyError
 */
export function openTunnel(
  proxy: ProxyServer,
  target: { readonly host: string; readonly port: number },
  network: NetworkSettings,
  onStop?: (stop: () => void) => void,
): Promise<Socket> {
  const { url, login, whose } = proxy;
  const host = isIP(target.host) === 6 ? `[${target.host}]` : target.host;
  const place = `${host}:${target.port}`;
  const name = `${whose}, ${url.host},`;
  return new Promise((resolve, reject) => {
    const request = (url.protocol === 'https:' ? askHttps : askHttp)({
      agent: false,
      method: 'CONNECT',
      port: url.port,
      path: place,
      headers: { host: place, ...(login && { 'proxy-authorization': basic(login) }) },
      ...(url.protocol === 'https:' ? tlsTo(url.hostname, network) : { host: bareHost(url.hostname) }),
    });
    request
      .on('connect', ({ statusCode = 0 }, socket: Socket, head) => {
        if (statusCode >= 200 && statusCode < 300) {
          socket.setTimeout(0);
          if (head.length > 0) socket.unshift(head);
          resolve(socket);
          return;
        }
        socket.destroy();
        reject(refusal(statusCode, name, place, proxy));
      })
      .on('error', (error) => {
        const remedy = 'Check the address of the proxy, and that it runs';
        reject(new ProxyError(`${name} can't be reached: ${describeError(error)}. ${remedy}.`, 'ERR_PROXY'));
      })
      .setTimeout(CONNECT_LIMIT, () =>
        request.destroy(new Error(`it did not answer within ${CONNECT_LIMIT / 1000} s`)),
      )
      .end();
    onStop?.(() => request.destroy());
  });
}

function refusal(status: number, name: string, place: string, { login }: ProxyServer): ProxyError {
  if (status === 407 || status === 401) {
    const remedy = login
      ? 'Check its user and password'
      : 'Give the agent a user and password for it (--proxyusername, --proxypassword)';
    return new ProxyError(
      `${name} does not let this agent in (HTTP ${status}). ${remedy}.`,
      'ERR_PROXY_DENIED',
    );
  }
  if (status >= 400 && status < 500 && status !== 408 && status !== 429) {
    return new ProxyError(
      `${name} does not allow connections to ${place} (HTTP ${status}). Have it allow them, or have the agent reach that host without it.`,
      'ERR_PROXY_DENIED',
    );
  }
  return new ProxyError(`${name} got no connection to ${place} (HTTP ${status}).`, 'ERR_PROXY');
}

function basic({ username, password }: { readonly username: string; readonly password: string }): string {
  return `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`;
}

/** How TLS is spoken to a host: with the agent's certificates. */
export function tlsTo(hostname: string, network: NetworkSettings): ConnectionOptions {
  const host = bareHost(hostname);
  const { rejectUnauthorized } = network.tls;
  return {
    host,
    // Names of hosts only: an address is none.
    servername: isIP(host) === 0 ? host : '',
    secureContext: secureContextOf(network),
    ...(rejectUnauthorized === false && { rejectUnauthorized }),
  };
}

/** An IPv6 address stands in brackets in an address, and without them everywhere else. */
export function bareHost(hostname: string): string {
  return hostname.replace(/^\[|\]$/g, '');
}
