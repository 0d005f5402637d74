import { X509Certificate } from 'node:crypto';
import { isRecord, readJsonObject } from '../../common/json';
import { SignatureFault } from './fault';

/** Values of a bundle: it is small but for its payload, which is one of them. */
const MOST_VALUES = 10_000;

/** A chain that is longer is none that an authority gave out. */
const LONGEST_CHAIN = 10;

const PAYLOAD_TYPE = 'application/vnd.in-toto+json';

/** What `model.sig` holds: a signed statement, and by what it was signed. */
export interface Bundle {
  /** The statement's bytes, as they were signed. */
  readonly payload: Buffer;
  /** ECDSA, in DER. */
  readonly signature: Buffer;
  /** The signer's certificate first, then those above it; undefined where a bare key has signed. */
  readonly chain: readonly X509Certificate[] | undefined;
}

/**
 * Reads a signature as the OpenSSF's model signing writes it: a Sigstore bundle with a DSSE envelope in it
 * (github.com/ossf/model-signing-spec).
 */
export function readBundle(bytes: Buffer): Bundle {
  const bundle = readJsonObject(bytes, MOST_VALUES);
  const { mediaType, verificationMaterial, dsseEnvelope } = bundle;
  if (typeof mediaType !== 'string' || !/^application\/vnd\.dev\.sigstore\.bundle[.+]/.test(mediaType)) {
    throw new SignatureFault("is no Sigstore bundle: its 'mediaType' says something else, or it is no JSON");
  }
  if (!isRecord(verificationMaterial)) throw new SignatureFault("has no 'verificationMaterial'");
  if (!isRecord(dsseEnvelope)) throw new SignatureFault("has no 'dsseEnvelope'");
  return { ...readEnvelope(dsseEnvelope), chain: readChain(verificationMaterial) };
}

/** What was signed: the payload with its type, so that it can't be taken for anything else (DSSE, protocol.md). */
export function preAuthentication({ payload }: Pick<Bundle, 'payload'>): Buffer {
  return Buffer.concat([
    Buffer.from(`DSSEv1 ${PAYLOAD_TYPE.length} ${PAYLOAD_TYPE} ${payload.length} `),
    payload,
  ]);
}

function readEnvelope({ payload, payloadType, signatures }: Record<string, unknown>) {
  if (payloadType !== PAYLOAD_TYPE)
    throw new SignatureFault(`has another 'payloadType' than ${PAYLOAD_TYPE}`);
  const [signature, ...others] = Array.isArray(signatures) ? signatures.filter(isRecord) : [];
  // A Sigstore bundle has exactly one (sigstore_bundle.proto), and of several it is open which ones count.
  if (!signature || others.length > 0) throw new SignatureFault('does not hold exactly one signature');
  return { payload: bytesOf(payload, 'payload'), signature: bytesOf(signature.sig, 'sig') };
}

function readChain(material: Record<string, unknown>): X509Certificate[] | undefined {
  const { publicKey, x509CertificateChain: chain, certificate } = material;
  if (isRecord(chain) && Array.isArray(chain.certificates) && chain.certificates.length > 0) {
    if (chain.certificates.length > LONGEST_CHAIN) {
      throw new SignatureFault(`comes with more than ${LONGEST_CHAIN} certificates`);
    }
    return chain.certificates.map((one) => certificateOf(isRecord(one) ? one.rawBytes : undefined));
  }
  if (isRecord(publicKey) && ['hint', 'rawBytes'].some((name) => typeof publicKey[name] === 'string')) {
    return undefined;
  }
  if (certificate !== undefined) {
    throw new SignatureFault(
      "was made without a key of one's own, by Sigstore's public service, which this task does not ask",
    );
  }
  throw new SignatureFault('does not say what it was made with: neither a public key nor certificates');
}

function certificateOf(value: unknown): X509Certificate {
  const der = bytesOf(value, 'rawBytes');
  try {
    return new X509Certificate(der);
  } catch {
    throw new SignatureFault('comes with a certificate that cannot be read');
  }
}

/** Of Base64 in either alphabet, as DSSE has its readers take it. */
function bytesOf(value: unknown, name: string): Buffer {
  const bytes = typeof value === 'string' ? Buffer.from(value, 'base64') : Buffer.alloc(0);
  if (bytes.length === 0) throw new SignatureFault(`has no '${name}'`);
  return bytes;
}
