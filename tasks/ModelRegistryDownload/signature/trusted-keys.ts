import { createHash, createPublicKey, type KeyObject, X509Certificate } from 'node:crypto';

/** Those whose signatures are believed. */
export interface TrustedKeys {
  readonly keys: readonly KeyObject[];
  /** Of signers themselves, or of authorities that certify signers. */
  readonly certificates: readonly X509Certificate[];
}

/** The hash that goes with a key of a curve; model signing knows no other keys. */
const HASHES: Readonly<Record<string, string>> = {
  prime256v1: 'sha256',
  secp384r1: 'sha384',
  secp521r1: 'sha512',
};

const BLOCK = /-----BEGIN ([A-Z0-9 ]{1,40})-----([^-]+)-----END \1-----/g;

/** The hash that a key signs with; undefined where no model is signed with such a key. */
export function hashFor(key: KeyObject): string | undefined {
  return HASHES[key.asymmetricKeyDetails?.namedCurve ?? ''];
}

/** How a key is called in messages and the manifest: the SHA-256 of its DER form. */
export function fingerprint(key: KeyObject): string {
  const der = key.export({ type: 'spki', format: 'der' });
  return `sha256:${createHash('sha256').update(der).digest('hex')}`;
}

/**
 * Reads public keys and certificates in PEM, any number of them one after another. Their line breaks may have been lost
 * on the way through a variable.
 *
 * @throws Error that goes on from the input's name
 */
export function parseTrustedKeys(text: string): TrustedKeys {
  // A variable of a group holds one line: who puts a key into one writes \n, or blanks.
  const blocks = [...text.replaceAll('\\n', '\n').matchAll(BLOCK)];
  if (/BEGIN [A-Z ]{0,40}PRIVATE KEY/.test(text)) {
    throw new Error(
      'holds a private key. Give the public key alone, and replace this pair: whoever can read the log of a step could have it.',
    );
  }
  if (blocks.length === 0 || blocks.length !== text.split('-----BEGIN ').length - 1) {
    throw new Error(
      'is not PEM. Give each public key or certificate whole, from -----BEGIN PUBLIC KEY----- to -----END PUBLIC KEY-----.',
    );
  }
  const keys: KeyObject[] = [];
  const certificates: X509Certificate[] = [];
  for (const [, label, body] of blocks) {
    const der = Buffer.from(body!, 'base64');
    if (label === 'CERTIFICATE') certificates.push(parse(() => new X509Certificate(der), label));
    else keys.push(parse(() => publicKeyOf(label!, der), label!));
  }
  return { keys, certificates };
}

function publicKeyOf(label: string, der: Buffer): KeyObject {
  const key = createPublicKey({
    key: der,
    format: 'der',
    type: label === 'RSA PUBLIC KEY' ? 'pkcs1' : 'spki',
  });
  if (hashFor(key)) return key;
  const { namedCurve } = key.asymmetricKeyDetails ?? {};
  throw new Error(
    `holds a key of the kind ${namedCurve ?? key.asymmetricKeyType}. Models are signed with elliptic curves: P-256, P-384 or P-521.`,
  );
}

function parse<T>(read: () => T, label: string): T {
  try {
    return read();
  } catch (error) {
    if (error instanceof Error && error.message.startsWith('holds ')) throw error;
    throw new Error(
      `holds a block '${label}' that cannot be read. Give it as the tool that made it wrote it.`,
    );
  }
}
