import { createHash, type KeyObject } from 'node:crypto';
import { isRecord, readJsonObject } from '../../common/json';
import { BUNDLE_PREDICATE, CREATED } from '../image/annotations';
import { IN_TOTO, SIGSTORE_BUNDLE } from '../image/media-types';
import { digestSet, STATEMENT_TYPE } from '../provenance/statement';
import type { Attachment } from '../publish/attach';
import { isSignature, type Signer } from '../vault/signer';

/*
 * Sigstore's bundles: an in-toto statement in a DSSE envelope, signed by a key, without a log. cosign finds them among the
 * referrers of an image.
 */

/** What a statement says that holds a bill of materials by CycloneDX. */
export const CYCLONEDX_PREDICATE = 'https://cyclonedx.org/bom';

/** Values in a bill of materials, at most. */
const MOST_VALUES = 1_000_000;

/** What is said of an image: of which, of what kind, what. */
export interface InTotoStatement {
  readonly _type: string;
  readonly subject: readonly object[];
  readonly predicateType: string;
  readonly predicate: object;
}

/** A statement about the image of a digest; its name is that of the repository. */
export function statementOf(
  name: string,
  digest: string,
  predicateType: string,
  predicate: object,
): InTotoStatement {
  return {
    _type: STATEMENT_TYPE,
    subject: [{ name, digest: digestSet(digest) }],
    predicateType,
    predicate,
  };
}

/** Signs a statement. */
export async function signedBundle(
  statement: InTotoStatement,
  signer: Signer,
  now = new Date(),
): Promise<Attachment> {
  const payload = Buffer.from(JSON.stringify(statement));
  const signature = await signer.sign(preAuthentication(payload));
  const der = signer.publicKey.export({ type: 'spki', format: 'der' });
  const bundle = {
    mediaType: SIGSTORE_BUNDLE,
    verificationMaterial: { publicKey: { hint: createHash('sha256').update(der).digest('base64') } },
    dsseEnvelope: {
      payload: payload.toString('base64'),
      payloadType: IN_TOTO,
      signatures: [{ sig: derSignature(signature).toString('base64') }],
    },
  };
  return {
    artifactType: SIGSTORE_BUNDLE,
    blobs: [
      {
        name: 'The signed statement',
        mediaType: SIGSTORE_BUNDLE,
        content: Buffer.from(JSON.stringify(bundle)),
      },
    ],
    annotations: {
      'dev.sigstore.bundle.content': 'dsse-envelope',
      [BUNDLE_PREDICATE]: statement.predicateType,
      [CREATED]: now.toISOString(),
    },
  };
}

/** The bill of materials of an image in a bundle that this key has signed; undefined in any other. */
export function signedBill(bundle: Buffer, digest: string, { publicKey }: Signer): Buffer | undefined {
  const payload = signedPayload(bundle, publicKey);
  const { subject, predicateType, predicate } = readJsonObject(payload ?? '', MOST_VALUES);
  const [of] = Array.isArray(subject) ? subject : [];
  const isOfImage = isRecord(of) && isRecord(of.digest) && `sha256:${of.digest.sha256}` === digest;
  return isOfImage && predicateType === CYCLONEDX_PREDICATE && isRecord(predicate)
    ? Buffer.from(JSON.stringify(predicate))
    : undefined;
}

/** Whether a bundle has this very statement, signed by this key. */
export function isBundleOf(bundle: Buffer, statement: InTotoStatement, { publicKey }: Signer): boolean {
  return signedPayload(bundle, publicKey)?.equals(Buffer.from(JSON.stringify(statement))) ?? false;
}

/** What a key has signed in a bundle; undefined where it has not. */
function signedPayload(bundle: Buffer, key: KeyObject): Buffer | undefined {
  const { dsseEnvelope } = readJsonObject(bundle);
  if (!isRecord(dsseEnvelope) || typeof dsseEnvelope.payload !== 'string') return undefined;
  const payload = Buffer.from(dsseEnvelope.payload, 'base64');
  const [first] = Array.isArray(dsseEnvelope.signatures) ? dsseEnvelope.signatures : [];
  const raw =
    isRecord(first) && typeof first.sig === 'string'
      ? rawSignature(Buffer.from(first.sig, 'base64'))
      : undefined;
  return raw && isSignature(key, preAuthentication(payload), raw) ? payload : undefined;
}

/** What is signed: the payload with its type, and the lengths of both (DSSE's pre-authentication encoding). */
function preAuthentication(payload: Buffer): Buffer {
  const head = `DSSEv1 ${Buffer.byteLength(IN_TOTO)} ${IN_TOTO} ${payload.length} `;
  return Buffer.concat([Buffer.from(head), payload]);
}

/** Two numbers in DER, in place of their bytes one behind the other. */
function derSignature(raw: Buffer): Buffer {
  const numbers = [raw.subarray(0, raw.length / 2), raw.subarray(raw.length / 2)].map(derNumber);
  const content = Buffer.concat(numbers);
  return Buffer.concat([Buffer.from([0x30, content.length]), content]);
}

function derNumber(bytes: Buffer): Buffer {
  const first = bytes.findIndex((byte) => byte !== 0);
  const digits = first < 0 ? Buffer.from([0]) : bytes.subarray(first);
  // The highest bit would make it negative.
  const number = digits[0]! & 0x80 ? Buffer.concat([Buffer.from([0]), digits]) : digits;
  return Buffer.concat([Buffer.from([0x02, number.length]), number]);
}

/** The other way round; undefined for what is no such signature. */
function rawSignature(der: Buffer): Buffer | undefined {
  if (der[0] !== 0x30 || der[1] !== der.length - 2) return undefined;
  const numbers: Buffer[] = [];
  let at = 2;
  while (at < der.length) {
    const length = der[at + 1] ?? 0;
    if (der[at] !== 0x02 || length === 0 || length > 33) return undefined;
    const digits = der.subarray(at + 2, at + 2 + length);
    const number = digits.length === 33 ? digits.subarray(1) : digits;
    numbers.push(Buffer.concat([Buffer.alloc(32 - number.length), number]));
    at += 2 + length;
  }
  return numbers.length === 2 ? Buffer.concat(numbers) : undefined;
}
