import { createHash, generateKeyPairSync, type KeyLike, sign } from 'node:crypto';
import type { TestCertificate } from './certificate';

/** A pair of keys to sign models with. */
export interface SigningKey {
  readonly key: string;
  /** The public key in PEM. */
  readonly publicKey: string;
}

export function makeSigningKey(namedCurve = 'P-256'): SigningKey {
  const pair = generateKeyPairSync('ec', { namedCurve });
  return {
    key: pair.privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
    publicKey: pair.publicKey.export({ type: 'spki', format: 'pem' }).toString(),
  };
}

/** What to change of a signature, to have a special or a wrong one. */
export interface SignatureChanges {
  readonly hash?: string;
  readonly statement?: object;
  readonly serialization?: object;
  readonly resources?: readonly unknown[];
  readonly subject?: readonly unknown[];
  readonly bundle?: object;
  readonly envelope?: object;
  readonly chain?: readonly TestCertificate[];
}

/** Signs a model as OpenSSF model signing does, file by file. */
export function signModel(
  files: Readonly<Record<string, string>>,
  key: KeyLike,
  changes: SignatureChanges = {},
): Buffer {
  const { hash = 'sha256', chain } = changes;
  const resources =
    changes.resources ??
    Object.entries(files).map(([name, content]) => ({ name, digest: sha256(content), algorithm: 'sha256' }));
  const statement = {
    _type: 'https://in-toto.io/Statement/v1',
    subject: changes.subject ?? [{ name: 'model', digest: { sha256: rootOf(resources) } }],
    predicateType: 'https://model_signing/signature/v1.0',
    predicate: {
      serialization: {
        method: 'files',
        hash_type: 'sha256',
        allow_symlinks: false,
        ignore_paths: ['model.sig', 'model-manifest.json'],
        ...changes.serialization,
      },
      resources,
    },
    ...changes.statement,
  };
  const payload = Buffer.from(JSON.stringify(statement));
  const type = 'application/vnd.in-toto+json';
  const signed = Buffer.concat([Buffer.from(`DSSEv1 28 ${type} ${payload.length} `), payload]);
  const material = chain
    ? {
        x509CertificateChain: {
          certificates: chain.map(({ certificate }) => ({ rawBytes: der(certificate) })),
        },
      }
    : { publicKey: { hint: 'of no meaning' } };
  const bundle = {
    mediaType: 'application/vnd.dev.sigstore.bundle.v0.3+json',
    verificationMaterial: { ...material, tlogEntries: [] },
    dsseEnvelope: {
      payload: payload.toString('base64'),
      payloadType: type,
      signatures: [{ sig: sign(hash, signed, key).toString('base64'), keyid: '' }],
      ...changes.envelope,
    },
    ...changes.bundle,
  };
  return Buffer.from(JSON.stringify(bundle));
}

/** As the specification has it: of the digests themselves, one after another. */
function rootOf(resources: readonly unknown[]): string {
  const root = createHash('sha256');
  for (const { digest } of resources as { digest?: string }[]) root.update(digest ?? '', 'hex');
  return root.digest('hex');
}

function der(pem: string): string {
  return pem.replace(/-----[^-]+-----|\s/g, '');
}

function sha256(content: string): string {
  return createHash('sha256').update(content).digest('hex');
}
