import { Agent as HttpAgent } from 'node:http';
import { Agent as HttpsAgent } from 'node:https';
import { createSecureContext, type SecureContext } from 'node:tls';
import { describeError } from './errors';
import type { NetworkSettings } from './network';

/** Errors of a connection that will not mend by itself within a step. */
const HOPELESS = /^(ENOTFOUND|CERT_|ERR_TLS|DEPTH_ZERO|SELF_SIGNED|UNABLE_TO_|ERR_TOO_LARGE)/;

/** Connections to a host, kept alive, through the agent's proxy for it and with the agent's certificates. */
export async function createAgent(url: URL, network: NetworkSettings): Promise<HttpAgent> {
  const proxy = network.proxyFor(url.href);
  const { rejectUnauthorized } = network.tls;
  const settings = {
    keepAlive: true,
    ...([url.href, proxy].some((address) => address?.startsWith('https:')) && {
      secureContext: secureContextOf(network),
    }),
    ...(rejectUnauthorized === false && { rejectUnauthorized }),
  };
  if (proxy) {
    // Most agents have no proxy, and it takes a while to load.
    const { HttpsProxyAgent } = await import('https-proxy-agent');
    return new HttpsProxyAgent(proxy, settings) as unknown as HttpAgent;
  }
  return url.protocol === 'https:' ? new HttpsAgent(settings) : new HttpAgent(settings);
}

const contexts = new WeakMap<NetworkSettings, SecureContext>();

/** The certificates of an agent, read once for all connections: to read a hundred authorities takes 25 ms. */
export function secureContextOf(network: NetworkSettings): SecureContext {
  let context = contexts.get(network);
  if (!context) {
    context = createSecureContext(network.tls);
    contexts.set(network, context);
  }
  return context;
}

/** Whether it is no use to try again: the host does not exist, or is not to be trusted. */
export function isHopeless(error: Error): boolean {
  return HOPELESS.test(errorCode(error));
}

/** Why there was no connection, and what to do about it; goes on from a colon. */
export function explainConnectionError(error: Error): string {
  const code = errorCode(error);
  if (code === 'ENOTFOUND')
    return 'no such host. Check the name for typing errors, and the DNS of this agent.';
  if (code === 'ECONNREFUSED') return 'the connection was refused. Check the address and port.';
  if (code === 'ERR_TOO_LARGE') {
    return `${error.message}, which no such answer is. Check the address, and whether a proxy stands in between.`;
  }
  if (isHopeless(error)) {
    return `its certificate is not trusted (${code}). If a proxy or a private authority signs it, give the agent that authority (sslcacert).`;
  }
  return `${reasonOf(error)}. Check that this agent may reach it: proxy, firewall, private network.`;
}

/** Why a request failed, without its address, which node-fetch puts into each message: the query may be a signature. */
export function reasonOf(error: unknown): string {
  return describeError(error)
    .replace(/^request to \S+ failed, reason: /, '')
    .replace(
      /^(Invalid response body|Premature close of server response) while trying to fetch \S+?(?=:? |$)(: )?/,
      '$1$2',
    );
}

function errorCode(error: Error): string {
  return (error as NodeJS.ErrnoException).code ?? '';
}
