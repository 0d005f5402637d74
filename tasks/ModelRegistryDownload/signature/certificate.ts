import type { X509Certificate } from 'node:crypto';

/** What certificates say of what they are for; node:crypto does not tell it. RFC 5280, section 4.2. */
export interface Extensions {
  /** Undefined where the certificate does not limit it. */
  readonly keyUsage: { readonly digitalSignature: boolean; readonly keyCertSign: boolean } | undefined;
  readonly isForCodeSigning: boolean;
  readonly isAuthority: boolean;
  /** How many authorities may stand below this one; undefined where any number may. */
  readonly pathLength: number | undefined;
  /** Identifiers of what whoever does not understand it must not trust, in hexadecimal DER. */
  readonly unknown: readonly string[];
}

const KEY_USAGE = '551d0f';
const BASIC_CONSTRAINTS = '551d13';
const EXTENDED_KEY_USAGE = '551d25';
const CODE_SIGNING = '2b06010505070303';

const [BOOLEAN, INTEGER, BIT_STRING, OCTET_STRING, OBJECT_ID, SEQUENCE, EXTENSIONS] = [
  0x01, 0x02, 0x03, 0x04, 0x06, 0x30, 0xa3,
];

interface Value {
  readonly tag: number;
  readonly content: Buffer;
}

/** Reads the extensions of a certificate, which OpenSSL has parsed before. */
export function readExtensions({ raw }: X509Certificate): Extensions {
  const [body] = values(values(raw)[0]!.content);
  const list = values(body!.content).find(({ tag }) => tag === EXTENSIONS);
  const found = new Map<string, Value>();
  const unknown: string[] = [];
  for (const { content } of list ? values(values(list.content)[0]!.content) : []) {
    const parts = values(content);
    const id = parts.find(({ tag }) => tag === OBJECT_ID)!.content.toString('hex');
    const value = values(parts.find(({ tag }) => tag === OCTET_STRING)!.content)[0];
    if (value) found.set(id, value);
    const isCritical = parts.some(({ tag, content: flag }) => tag === BOOLEAN && flag[0] !== 0);
    if (isCritical && ![KEY_USAGE, BASIC_CONSTRAINTS, EXTENDED_KEY_USAGE].includes(id)) unknown.push(id);
  }
  const usage = found.get(KEY_USAGE);
  const constraints = sequence(found.get(BASIC_CONSTRAINTS));
  const pathLength = constraints.find(({ tag }) => tag === INTEGER)?.content;
  return {
    keyUsage: usage?.tag === BIT_STRING ? readUsage(usage.content) : undefined,
    isForCodeSigning: sequence(found.get(EXTENDED_KEY_USAGE)).some(
      ({ content }) => content.toString('hex') === CODE_SIGNING,
    ),
    isAuthority: constraints.some(({ tag, content }) => tag === BOOLEAN && content[0] !== 0),
    pathLength: pathLength && (pathLength.length > 1 ? undefined : pathLength[0]),
    unknown,
  };
}

/** The first byte of a bit string counts the unused bits; bits are counted from the highest. */
function readUsage(bits: Buffer) {
  const byte = bits[1] ?? 0;
  return { digitalSignature: (byte & 0x80) !== 0, keyCertSign: (byte & 0x04) !== 0 };
}

function sequence(value: Value | undefined): Value[] {
  return value?.tag === SEQUENCE ? values(value.content) : [];
}

/** The values that stand one after another in DER. */
function values(bytes: Buffer): Value[] {
  const found: Value[] = [];
  for (let at = 0; at + 1 < bytes.length; ) {
    const tag = bytes[at]!;
    let length = bytes[at + 1]!;
    at += 2;
    if (length > 0x80) {
      const digits = length & 0x7f;
      length = Number.parseInt(bytes.toString('hex', at, at + digits) || '0', 16);
      at += digits;
    }
    found.push({ tag, content: bytes.subarray(at, at + length) });
    at += length;
  }
  return found;
}
