import { createHash, verify } from 'node:crypto';
import { isRecord, readJsonObject } from '../../common/json';
import { type Bundle, preAuthentication } from './bundle';
import { keyOfSigner } from './chain';
import { SignatureFault } from './fault';
import { fingerprint, hashFor, type TrustedKeys } from './trusted-keys';

/** Values of a statement: that of 200,000 files has a million. */
const MOST_VALUES = 1_000_000;

const STATEMENT = 'https://in-toto.io/Statement/v1';
const PREDICATE = 'https://model_signing/signature/v1.0';
/** Of model signing before its format was settled. */
const OLD_PREDICATE = 'https://model_signing/Digests/v0.1';

/** Hexadecimal digits of a digest by its algorithm. */
const DIGITS: Readonly<Record<string, number>> = { sha256: 64, blake2b: 128 };

/** What a signer whom we trust says of a model. */
export interface SignedModel {
  /** Stands for the whole list of files, `sha256:` and 64 hexadecimal digits. */
  readonly digest: string;
  /** The signer's key, as {@link fingerprint} names it. */
  readonly key: string;
  /** Of whole files, or of parts (`name:from:to`), by their names. */
  readonly resources: ReadonlyMap<string, string>;
  readonly hash: 'sha256' | 'blake2b';
  /** Bytes of each part but the last; undefined where whole files were signed. */
  readonly shardSize: number | undefined;
  /** What the signer left out, besides what every signer does. */
  readonly ignored: readonly string[];
}

/**
 * Verifies a signature against trusted keys, and reads what it says.
 *
 * @param now milliseconds since 1970
 */
export function readSignedModel(bundle: Bundle, trusted: TrustedKeys, now: number): SignedModel {
  const signed = preAuthentication(bundle);
  const certified = trusted.certificates.map(({ publicKey }) => publicKey);
  const keys = bundle.chain
    ? [...trusted.keys, keyOfSignerOrNone(bundle, trusted, now)]
    : [...trusted.keys, ...certified];
  for (const key of keys) {
    const hash = key && hashFor(key);
    if (hash && verify(hash, signed, { key, dsaEncoding: 'der' }, bundle.signature)) {
      return { ...readStatement(bundle.payload), key: fingerprint(key) };
    }
  }
  if (bundle.chain) keyOfSigner(bundle.chain, trusted.certificates, now);
  throw new SignatureFault(
    bundle.chain
      ? 'was not made with the key of the certificate that it comes with'
      : "was not made with any key of 'trustedKeys', or what was signed has been changed",
  );
}

/** Who trusts the signer's key itself need not trust the certificates. */
function keyOfSignerOrNone({ chain }: Bundle, { certificates }: TrustedKeys, now: number) {
  try {
    return keyOfSigner(chain!, certificates, now);
  } catch (error) {
    if (error instanceof SignatureFault) return undefined;
    throw error;
  }
}

function readStatement(payload: Buffer): Omit<SignedModel, 'key'> {
  const { _type, predicateType, subject, predicate } = readJsonObject(payload, MOST_VALUES);
  if (_type !== STATEMENT) throw new SignatureFault(`is no statement of the kind ${STATEMENT}`);
  if (predicateType === OLD_PREDICATE) {
    throw new SignatureFault(
      'was made by model signing 0.2 or older. Sign the version again with a newer one',
    );
  }
  if (predicateType !== PREDICATE) throw new SignatureFault('is not one of a model, but says something else');
  if (!isRecord(predicate) || !isRecord(predicate.serialization) || !Array.isArray(predicate.resources)) {
    throw new SignatureFault("does not list what was signed: 'resources' and 'serialization' are missing");
  }
  const serialization = readSerialization(predicate.serialization);
  const resources = readResources(predicate.resources, serialization);
  // The order is the signer's own: tools differ in it.
  const root = createHash('sha256');
  for (const digest of resources.values()) root.update(digest, 'hex');
  const digest = root.digest('hex');
  const stated = Array.isArray(subject) && subject.length === 1 && subject[0]?.digest?.sha256;
  if (stated !== digest) throw new SignatureFault('contradicts itself: its digest is not that of its files');
  return { ...serialization, resources, digest: `sha256:${digest}` };
}

function readSerialization(serialization: Record<string, unknown>) {
  const { method, hash_type: hash, shard_size: shardSize, ignore_paths: ignored } = serialization;
  if (hash !== 'sha256' && hash !== 'blake2b') {
    throw new SignatureFault(
      `has digests of the kind '${String(hash)}', which this task does not know. Sign with sha256`,
    );
  }
  const isWhole = method === 'files' && shardSize === undefined;
  const isShards = method === 'shards' && Number.isSafeInteger(shardSize) && (shardSize as number) > 0;
  if (!isWhole && !isShards) {
    throw new SignatureFault(
      "says neither of whole files nor of parts that it holds digests of them ('method')",
    );
  }
  const paths = ignored ?? [];
  if (!Array.isArray(paths) || paths.some((path) => typeof path !== 'string')) {
    throw new SignatureFault("has an 'ignore_paths' that is no list of paths");
  }
  return {
    hash: hash as SignedModel['hash'],
    shardSize: isShards ? (shardSize as number) : undefined,
    ignored: paths as string[],
  };
}

function readResources(
  list: readonly unknown[],
  { hash, shardSize }: Pick<SignedModel, 'hash' | 'shardSize'>,
): Map<string, string> {
  // The specification has the hash alone, and its own implementation writes the parts' size behind it.
  const algorithms = [hash, ...(shardSize === undefined ? [] : [`${hash}-sharded-${shardSize}`])];
  const resources = new Map<string, string>();
  for (const resource of list) {
    const { name, digest, algorithm } = isRecord(resource) ? resource : {};
    if (
      typeof name !== 'string' ||
      typeof digest !== 'string' ||
      !algorithms.includes(algorithm as string) ||
      !isDigest(digest, hash)
    ) {
      throw new SignatureFault(`lists a file without its name or its ${hash} digest`);
    }
    if (resources.has(name)) throw new SignatureFault('lists a file twice');
    resources.set(name, digest);
  }
  if (resources.size === 0) throw new SignatureFault('lists no files');
  return resources;
}

function isDigest(text: string, hash: string): boolean {
  return text.length === DIGITS[hash] && /^[0-9a-f]+$/.test(text);
}
