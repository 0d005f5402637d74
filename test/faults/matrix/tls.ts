import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { createSecureContext, TLSSocket, type TlsOptions } from 'node:tls';
import { makeCertificate, type TestCertificate } from '../../support/certificate';

/** The services' names, as customers have them. Nothing here knows where they are but the relay. */
const HOSTS = [
  'adb-1234567890123456.7.azuredatabricks.net',
  'storage.example.com',
  'myregistry.azurecr.io',
  'localhost',
];

const authority = makeCertificate('Company', { isAuthority: true });
const stranger = makeCertificate('Stranger', { isAuthority: true });
const good = makeCertificate('service', { issuer: authority, hosts: HOSTS });

/** What the agent trusts. */
export const AUTHORITY = authority.certificate;

/** Answers a handshake, and gives what comes after it. */
export function serveTls(socket: Duplex, certificate = good, options: TlsOptions = {}): TLSSocket {
  const { certificate: cert, key } = certificate;
  return new TLSSocket(socket as Socket, {
    isServer: true,
    secureContext: createSecureContext({ cert, key, ...options }),
    ...options,
  });
}

function shows(certificate: TestCertificate, options?: TlsOptions) {
  return (socket: Duplex) => void serveTls(socket, certificate, options).on('error', () => undefined);
}

/** How a connection goes wrong before anything can be asked. */
export interface TlsFault {
  readonly name: string;
  /** Whether the next try may do better. */
  readonly passes: boolean;
  readonly isSilent?: boolean;
  readonly meet: (socket: Duplex) => void;
}

export const TLS_FAULTS: readonly TlsFault[] = [
  {
    name: 'TLS: a certificate of an authority that is not known',
    passes: false,
    meet: shows(makeCertificate('service', { issuer: stranger, hosts: HOSTS })),
  },
  {
    name: 'TLS: a certificate that has expired',
    passes: false,
    meet: shows(makeCertificate('service', { issuer: authority, hosts: HOSTS, ends: '210101000000Z' })),
  },
  {
    name: 'TLS: the certificate of another host',
    passes: false,
    meet: shows(makeCertificate('other', { issuer: authority, hosts: ['other.example'] })),
  },
  {
    name: 'TLS: a wish for a client certificate',
    passes: false,
    meet: shows(good, { requestCert: true, rejectUnauthorized: true, maxVersion: 'TLSv1.2' }),
  },
  {
    name: 'TLS: a protocol of old',
    passes: false,
    meet: shows(good, { minVersion: 'TLSv1', maxVersion: 'TLSv1', ciphers: 'DEFAULT@SECLEVEL=0' }),
  },
  {
    name: 'TLS: plain HTTP in its place',
    passes: false,
    meet: (socket) => void socket.end('HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n'),
  },
  {
    name: 'TLS: a handshake that is reset',
    passes: true,
    meet: (socket) => void socket.once('data', () => (socket as Socket).resetAndDestroy()),
  },
  {
    name: 'TLS: a handshake that is closed',
    passes: true,
    meet: (socket) => void socket.once('data', () => socket.end()),
  },
  { name: 'silence in place of TLS', passes: true, isSilent: true, meet: () => undefined },
];
