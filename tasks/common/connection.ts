import { Agent as HttpAgent } from 'node:http';
import { Agent as HttpsAgent } from 'node:https';
import type { Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { codeOf, describeError } from './errors';
import type { NetworkSettings } from './network';
import { secureContextOf } from './secure-context';
import { openTunnel, tlsTo } from './tunnel';

/** Errors of a connection that will not mend by themselves within a step. */
const HOPELESS =
  /^(ENOTFOUND|CERT_|ERR_TLS|DEPTH_ZERO|SELF_SIGNED|UNABLE_TO_|HOSTNAME_MISMATCH|ERR_TOO_LARGE|ERR_PROXY_DENIED|ERR_SSL_(WRONG_VERSION|PACKET_LENGTH|\w*(CERTIFICATE|HANDSHAKE_FAILURE|UNKNOWN_CA|PROTOCOL)))/;

/** Makes a connection, and calls back when it is there. */
type Connect = (
  options: { readonly host: string; readonly port: number | string },
  done: (error: Error | null, socket?: Socket) => void,
) => undefined;

/**
 * Connections that are kept alive, through the agent's proxy for an address and with the agent's certificates: with
 * `Connections` of the model registry, which are made of the same parts, the one place that connections leave by.
 */
export function createAgent(url: URL, network: NetworkSettings): HttpAgent {
  const proxy = network.proxyFor(url.href);
  const isSecure = url.protocol === 'https:';
  const { rejectUnauthorized } = network.tls;
  const settings = {
    keepAlive: true,
    ...(isSecure && { secureContext: secureContextOf(network) }),
    ...(rejectUnauthorized === false && { rejectUnauthorized }),
  };
  const agent = isSecure ? new HttpsAgent(settings) : new HttpAgent(settings);
  if (proxy) {
    const connect: Connect = ({ host, port }, done) => {
      openTunnel(proxy, { host, port: Number(port) }, network).then((socket) => {
        done(null, isSecure ? connectTls({ ...tlsTo(host, network), socket }) : socket);
      }, done);
      return undefined;
    };
    Object.assign(agent, { createConnection: connect });
  }
  return agent;
}

/** Whether it is no use to try again: the host does not exist, or is not to be trusted. */
export function isHopeless(error: Error): boolean {
  return HOPELESS.test(errorCode(error));
}

/**
 * Why a host was of no use, and what to do about it.
 *
 * @param isAnswered whether an answer had begun to come, so that the host can be reached
 * @param after how often and for how long it was tried, going on from the host
 */
export function explainNoAnswer(host: string, error: Error, isAnswered: boolean, after = ''): string {
  return isAnswered
    ? `No usable answer from ${host}${after}: ${explainAnswer(error)}`
    : `No connection to ${host}${after}: ${explainConnectionError(error)}`;
}

/** Why an answer is of no use, and what to do about it; goes on from a colon. */
function explainAnswer(error: Error): string {
  const more = errorCode(error) === 'ERR_TOO_LARGE' ? ', which no such answer is' : '';
  return `${reasonOf(error)}${more}. Check the address, and whether a proxy stands in between.`;
}

/** Why there was no connection, and what to do about it; goes on from a colon. */
export function explainConnectionError(error: Error): string {
  const code = errorCode(error);
  const reason = reasonOf(error);
  if (code === 'ENOTFOUND') {
    return 'no such host. Check the name for typing errors, and the DNS of this agent.';
  }
  if (code === 'ECONNREFUSED') return 'the connection was refused. Check the address and port.';
  if (code.startsWith('ERR_PROXY')) return reason;
  if (/ALTNAME|HOSTNAME/.test(code)) {
    return `its certificate is for another host (${code}). Check the address, and whether a proxy stands in between.`;
  }
  if (/EXPIRED|NOT_YET_VALID/.test(code)) {
    return `its certificate is not valid at this time (${code}). Check the clock of this agent, or have the certificate renewed.`;
  }
  if (/^ERR_SSL_(WRONG_VERSION|PACKET_LENGTH)/.test(code)) {
    return `it does not speak TLS (${code}). Check the address and port.`;
  }
  if (/^ERR_SSL\w*PROTOCOL/.test(code)) {
    return `it speaks no version of TLS that is safe (${code}). Have it brought up to TLS 1.2 or later, or the proxy that stands in between.`;
  }
  if (/^ERR_SSL\w*(CERTIFICATE|HANDSHAKE_FAILURE|UNKNOWN_CA)/.test(code)) {
    return `it refused the TLS connection (${code}). It may want a client certificate: give the agent one (--sslclientcert).`;
  }
  if (isHopeless(error)) {
    return `its certificate is not trusted (${code}). If a proxy or a private authority signs it, give the agent the certificate of that authority (--sslcacert); if it has one, that one has not signed it.`;
  }
  return `${reason}. Check that this agent may reach it: proxy, firewall, private network.`;
}

/** Why a request failed, without its address, which node-fetch puts into each message: the query may be a signature. */
export function reasonOf(error: unknown): string {
  // Codes of our own say nothing that the message does not.
  const isOurs = error instanceof Error && /^ERR_(PROXY|TOO)_?/.test(errorCode(error));
  return (isOurs ? error.message : describeError(error))
    .replace(/^request to \S+ failed, reason: /, '')
    .replace(
      /^(Invalid response body|Premature close of server response) while trying to fetch \S+?(?=:? |$)(: )?/,
      '$1$2',
    );
}

/** The reason that OpenSSL gives in a message, such as `error:0A00042E:SSL routines:ssl3_read_bytes:tlsv1 alert protocol version:`. */
const OPENSSL_REASON = /:SSL routines:[^:]*:([^:]+):/;

/** The code of an error; a refusal of TLS that comes while something is sent has that in its message alone. */
function errorCode(error: Error): string {
  const code = codeOf(error) ?? '';
  const reason = code === 'EPROTO' ? OPENSSL_REASON.exec(error.message)?.[1] : undefined;
  return reason ? `ERR_SSL_${reason.toUpperCase().replaceAll(' ', '_')}` : code;
}
