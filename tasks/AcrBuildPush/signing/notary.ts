import { createHash } from 'node:crypto';
import { isRecord, readJsonObject } from '../../common/json';
import { CREATED } from '../image/annotations';
import type { Manifest } from '../image/image';
import type { Attachment } from '../publish/attach';
import { isSignature, type Signer } from '../vault/signer';

/*
 * Signatures of images by the Notary Project: a JSON Web Signature over the image's descriptor, with the chain of
 * certificates (its signature specification, and its envelope in JWS).
 */

/** The artifact type of its signatures. */
export const NOTARY_TYPE = 'application/vnd.cncf.notary.signature';
const JWS_TYPE = 'application/jose+json';
const PAYLOAD_TYPE = 'application/vnd.cncf.notary.payload.v1+json';
const SCHEME = 'io.cncf.notary.signingScheme';

/** Signs an image. The chain is that of a signer that has one. */
export async function notarySignature(
  { mediaType, digest, body }: Manifest,
  signer: Signer,
  version: string,
  now = new Date(),
): Promise<Attachment> {
  const chain = signer.chain!;
  const time = now.toISOString().replace(/\.\d+/, '');
  const encode = (content: object) => Buffer.from(JSON.stringify(content)).toString('base64url');
  const signed = encode({
    alg: 'ES256',
    crit: [SCHEME],
    cty: PAYLOAD_TYPE,
    [SCHEME]: 'notary.x509',
    'io.cncf.notary.signingTime': time,
  });
  const payload = encode({ targetArtifact: { mediaType, digest, size: body.length } });
  const signature = await signer.sign(Buffer.from(`${signed}.${payload}`));
  const envelope = {
    payload,
    protected: signed,
    header: {
      x5c: chain.map(({ raw }) => raw.toString('base64')),
      'io.cncf.notary.signingAgent': `AcrBuildPush/${version}`,
    },
    signature: signature.toString('base64url'),
  };
  const prints = chain.map(({ raw }) => createHash('sha256').update(raw).digest('hex'));
  return {
    // As verifiers of all ages find it.
    artifactType: NOTARY_TYPE,
    isNamedByConfig: true,
    blobs: [{ name: 'The signature', mediaType: JWS_TYPE, content: Buffer.from(JSON.stringify(envelope)) }],
    annotations: {
      'io.cncf.notary.x509chain.thumbprint#S256': JSON.stringify(prints),
      [CREATED]: time,
    },
  };
}

/** Whether an envelope is a signature of an image by this signer and its certificate of today. */
export function isNotarySignature(
  envelope: Buffer,
  { digest }: Manifest,
  { publicKey, chain }: Signer,
): boolean {
  const { payload, protected: signed, header, signature } = readJsonObject(envelope);
  if (typeof payload !== 'string' || typeof signed !== 'string' || typeof signature !== 'string')
    return false;
  const { targetArtifact } = readJsonObject(Buffer.from(payload, 'base64url'));
  const [leaf] = isRecord(header) && Array.isArray(header.x5c) ? header.x5c : [];
  return (
    isRecord(targetArtifact) &&
    targetArtifact.digest === digest &&
    leaf === chain?.[0]?.raw.toString('base64') &&
    isSignature(publicKey, Buffer.from(`${signed}.${payload}`), Buffer.from(signature, 'base64url'))
  );
}
