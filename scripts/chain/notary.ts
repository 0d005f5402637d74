import { constants, type KeyObject, verify, X509Certificate } from 'node:crypto';
import { isRecord, readJsonObject } from '../../tasks/common/json';
import { keyOfSigner } from '../../tasks/ModelRegistryDownload/signature/chain';
import { fingerprint, type TrustedKeys } from '../../tasks/ModelRegistryDownload/signature/trusted-keys';
import type { Descriptor } from './registry';

/*
 * Signatures of images by the Notary Project, in JSON Web Signatures (its signature specification, and its envelope in JWS).
 */

export const NOTARY = 'application/vnd.cncf.notary.signature';
const JWS = 'application/jose+json';
const PAYLOAD = 'application/vnd.cncf.notary.payload.v1+json';
const SCHEME = 'io.cncf.notary.signingScheme';
const EXPIRY = 'io.cncf.notary.expiry';

/** What is understood of what must be understood. */
const KNOWN = [SCHEME, EXPIRY];

/** What a key signs with follows from the key and from nothing else. */
const CURVES: Readonly<Record<string, { readonly alg: string; readonly hash: string }>> = {
  prime256v1: { alg: 'ES256', hash: 'sha256' },
  secp384r1: { alg: 'ES384', hash: 'sha384' },
  secp521r1: { alg: 'ES512', hash: 'sha512' },
};
const MODULI: Readonly<Record<number, { readonly alg: string; readonly hash: string }>> = {
  2048: { alg: 'PS256', hash: 'sha256' },
  3072: { alg: 'PS384', hash: 'sha384' },
  4096: { alg: 'PS512', hash: 'sha512' },
};

/** A signature of an image that is right by itself. */
export interface NotarySignature {
  /** As its certificate names the signer. */
  readonly signer: string;
  /** As the signer says. */
  readonly signedAt: string;
  /** The key that has signed it, where those who are trusted vouch for it. */
  readonly signedBy: string | undefined;
  /** Why they do not. */
  readonly doubt: string | undefined;
}

/**
 * Reads a signature, and verifies it against trusted keys and certificates.
 *
 * @param image what it must be of
 * @throws Error that goes on from what it is about, where it is wrong
 */
export function readNotarySignature(
  envelope: Buffer,
  { mediaType }: Descriptor,
  image: Pick<Descriptor, 'mediaType' | 'digest' | 'size'>,
  trusted: TrustedKeys,
  now: number,
): NotarySignature {
  if (mediaType !== JWS)
    throw new Error(`it is in ${mediaType}, which is not read here: verify it by notation`);
  const { payload, protected: signed, header, signature } = readJsonObject(envelope);
  if (typeof payload !== 'string' || typeof signed !== 'string' || typeof signature !== 'string')
    throw new Error('it is no JSON Web Signature');
  const chain = chainIn(isRecord(header) ? header.x5c : undefined);
  const said = readJsonObject(Buffer.from(signed, 'base64url'));
  const signedAt = checkSaid(said, chain[0], now);
  const data = Buffer.from(`${signed}.${payload}`);
  if (!isSignature(chain[0].publicKey, data, Buffer.from(signature, 'base64url')))
    throw new Error('its signature is not one of its certificate');
  const { targetArtifact } = readJsonObject(Buffer.from(payload, 'base64url'));
  const isOfImage =
    isRecord(targetArtifact) &&
    targetArtifact.digest === image.digest &&
    targetArtifact.size === image.size &&
    targetArtifact.mediaType === image.mediaType;
  if (!isOfImage) throw new Error('what it signs is another image');
  return { signer: chain[0].subject.replaceAll('\n', ', '), signedAt, ...trustIn(chain, trusted, now) };
}

function chainIn(x5c: unknown): [X509Certificate, ...X509Certificate[]] {
  const [leaf, ...others] = (Array.isArray(x5c) ? x5c : []).map(
    (one) => new X509Certificate(Buffer.from(String(one), 'base64')),
  );
  if (!leaf) throw new Error('it comes with no certificate');
  return [leaf, ...others];
}

/** @returns when it was signed, as the signer says */
function checkSaid(said: Record<string, unknown>, leaf: X509Certificate, now: number): string {
  const unknown = (Array.isArray(said.crit) ? said.crit : []).filter((one) => !KNOWN.includes(String(one)));
  if (unknown.length > 0) throw new Error(`it demands what is not known here: ${unknown.join(', ')}`);
  if (said.cty !== PAYLOAD) throw new Error(`it signs something else than ${PAYLOAD}`);
  if (said[SCHEME] !== 'notary.x509')
    throw new Error(`it is of the scheme ${said[SCHEME]}, which is not known here`);
  if (said.alg !== algorithmOf(leaf.publicKey)?.alg)
    throw new Error(`it names another algorithm (${said.alg}) than its certificate's key has`);
  const expiry = said[EXPIRY];
  if (expiry !== undefined && !(Date.parse(String(expiry)) > now)) throw new Error(`it expired at ${expiry}`);
  return String(said['io.cncf.notary.signingTime'] ?? 'a time that is not known');
}

function algorithmOf({ asymmetricKeyType, asymmetricKeyDetails }: KeyObject) {
  if (asymmetricKeyType === 'rsa') return MODULI[asymmetricKeyDetails?.modulusLength ?? 0];
  return CURVES[asymmetricKeyDetails?.namedCurve ?? ''];
}

function isSignature(key: KeyObject, data: Buffer, signature: Buffer): boolean {
  const hash = algorithmOf(key)!.hash;
  if (key.asymmetricKeyType === 'ec')
    return verify(hash, data, { key, dsaEncoding: 'ieee-p1363' }, signature);
  const { RSA_PKCS1_PSS_PADDING: padding, RSA_PSS_SALTLEN_DIGEST: saltLength } = constants;
  return verify(hash, data, { key, padding, saltLength }, signature);
}

function trustIn(
  chain: [X509Certificate, ...X509Certificate[]],
  { keys, certificates }: TrustedKeys,
  now: number,
): Pick<NotarySignature, 'signedBy' | 'doubt'> {
  const key = fingerprint(chain[0].publicKey);
  if (keys.some((one) => fingerprint(one) === key)) return { signedBy: key, doubt: undefined };
  try {
    return { signedBy: fingerprint(keyOfSigner(chain, certificates, now)), doubt: undefined };
  } catch (error) {
    return { signedBy: undefined, doubt: (error as Error).message };
  }
}
