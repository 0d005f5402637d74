import { Agent as HttpAgent } from 'node:http';
import { Agent as HttpsAgent } from 'node:https';
import { createSecureContext, type SecureContext } from 'node:tls';
import type { NetworkSettings } from './agent';
import { describeError } from './errors';

/** Where a machine in Azure asks about itself, and for its managed identity's tokens: never through a proxy. */
export const METADATA_SERVICE = 'http://169.254.169.254/';

/** Errors of a connection that will not mend by itself within a step. */
const HOPELESS = /^(ENOTFOUND|CERT_|ERR_TLS|DEPTH_ZERO|SELF_SIGNED|UNABLE_TO_)/;

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
  if (isHopeless(error)) {
    return `its certificate is not trusted (${code}). If a proxy or a private authority signs it, give the agent that authority (sslcacert).`;
  }
  return `${describeError(error)}. Check that this agent may reach it: proxy, firewall, private network.`;
}

function errorCode(error: Error): string {
  return (error as NodeJS.ErrnoException).code ?? '';
}
