import { createPrivateKey, generateKeyPairSync, randomBytes, sign } from 'node:crypto';

export interface TestCertificate {
  /** The certificate alone, as an application holds it. */
  readonly certificate: string;
  /** The private key alone. */
  readonly key: string;
  /** Certificate and private key, as a service connection holds them. */
  readonly pem: string;
  readonly owner: string;
}

export interface CertificateOptions {
  /** Who signs it; itself by default. */
  readonly issuer?: TestCertificate;
  /** Hosts and IPv4 addresses that it is for; without them, its owner. */
  readonly hosts?: readonly string[];
  /** Whether it may sign others. */
  readonly isAuthority?: boolean;
  /** How many authorities may stand below it, where it may sign others. */
  readonly pathLength?: number;
  /** The bits of its key usage, from the highest: 0x80 signs, 0x04 signs certificates. */
  readonly keyUsage?: number;
  /** What else its key is for, in hexadecimal DER: `2b06010505070303` signs code. */
  readonly extendedUsage?: string;
  /** Its key is on this curve; without one it is RSA. */
  readonly curve?: string;
  /** The identifier of a critical extension that nobody knows, in hexadecimal DER. */
  readonly unknown?: string;
  /** As `yymmddhhmmssZ`. */
  readonly ends?: string;
}

const RSA_WITH_SHA256 = '2a864886f70d01010b';
const ECDSA_WITH_SHA256 = '2a8648ce3d040302';
const COMMON_NAME = '550403';
const ALTERNATIVE_NAMES = '551d11';
const BASIC_CONSTRAINTS = '551d13';
const KEY_USAGE = '551d0f';
const EXTENDED_KEY_USAGE = '551d25';

/** Makes a certificate. Node reads them but makes none, so its parts are put together here. */
export function makeCertificate(owner = 'test', options: CertificateOptions = {}): TestCertificate {
  const { issuer, hosts = [], isAuthority = false, ends = '491231000000Z', curve } = options;
  const { keyUsage, extendedUsage, pathLength, unknown } = options;
  const { publicKey, privateKey } = curve
    ? generateKeyPairSync('ec', { namedCurve: curve })
    : generateKeyPairSync('rsa', { modulusLength: 2048 });
  const key = privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
  const signer = createPrivateKey(issuer?.key ?? key);
  const algorithm =
    signer.asymmetricKeyType === 'ec'
      ? der(0x30, [oid(ECDSA_WITH_SHA256)])
      : der(0x30, [oid(RSA_WITH_SHA256), der(0x05, [])]);
  const extensions = [
    ...(hosts.length > 0 ? [extension(ALTERNATIVE_NAMES, der(0x30, hosts.map(alternativeName)))] : []),
    ...(isAuthority ? [extension(BASIC_CONSTRAINTS, der(0x30, constraints(pathLength)))] : []),
    ...(keyUsage === undefined ? [] : [extension(KEY_USAGE, der(0x03, [Buffer.from([0, keyUsage])]), true)]),
    ...(extendedUsage === undefined ? [] : [extension(EXTENDED_KEY_USAGE, der(0x30, [oid(extendedUsage)]))]),
    ...(unknown === undefined ? [] : [extension(unknown, der(0x05, []), true)]),
  ];
  const content = der(0x30, [
    der(0xa0, [der(0x02, [Buffer.from([2])])]),
    der(0x02, [Buffer.concat([Buffer.from([1]), randomBytes(8)])]),
    algorithm,
    nameOf(issuer?.owner ?? owner),
    der(0x30, [der(0x17, [Buffer.from('200101000000Z')]), der(0x17, [Buffer.from(ends)])]),
    nameOf(owner),
    publicKey.export({ type: 'spki', format: 'der' }),
    ...(extensions.length > 0 ? [der(0xa3, [der(0x30, extensions)])] : []),
  ]);
  const signature = der(0x03, [Buffer.from([0]), sign('sha256', content, signer)]);
  const body = der(0x30, [content, algorithm, signature]).toString('base64');
  const certificate = `-----BEGIN CERTIFICATE-----\n${body.match(/.{1,64}/g)!.join('\n')}\n-----END CERTIFICATE-----\n`;
  return { certificate, key, pem: `${key}${certificate}`, owner };
}

function nameOf(owner: string): Buffer {
  return der(0x30, [der(0x31, [der(0x30, [oid(COMMON_NAME), der(0x0c, [Buffer.from(owner)])])])]);
}

function alternativeName(host: string): Buffer {
  return /^[\d.]+$/.test(host)
    ? der(0x87, [Buffer.from(host.split('.').map(Number))])
    : der(0x82, [Buffer.from(host)]);
}

function constraints(pathLength: number | undefined): Buffer[] {
  const isAuthority = der(0x01, [Buffer.from([0xff])]);
  return pathLength === undefined ? [isAuthority] : [isAuthority, der(0x02, [Buffer.from([pathLength])])];
}

function extension(id: string, value: Buffer, isCritical = false): Buffer {
  const critical = isCritical ? [der(0x01, [Buffer.from([0xff])])] : [];
  return der(0x30, [oid(id), ...critical, der(0x04, [value])]);
}

function oid(id: string): Buffer {
  return der(0x06, [Buffer.from(id, 'hex')]);
}

/** A value of ASN.1 with its tag and length. */
function der(tag: number, parts: Buffer[]): Buffer {
  const content = Buffer.concat(parts);
  const { length } = content;
  const size =
    length < 0x80 ? [length] : length < 0x100 ? [0x81, length] : [0x82, length >> 8, length & 0xff];
  return Buffer.concat([Buffer.from([tag, ...size]), content]);
}
