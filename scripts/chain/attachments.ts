import { verify } from 'node:crypto';
import {
  type Bundle,
  preAuthentication,
  readBundle,
} from '../../tasks/ModelRegistryDownload/signature/bundle';
import {
  fingerprint,
  hashFor,
  type TrustedKeys,
} from '../../tasks/ModelRegistryDownload/signature/trusted-keys';
import { NOTARY, type NotarySignature, readNotarySignature } from './notary';
import type { Manifest, Registry } from './registry';

const IN_TOTO = 'application/vnd.in-toto+json';
const BUNDLE = 'application/vnd.dev.sigstore.bundle.v0.3+json';

/** A statement about an image, as it is attached to it. */
export interface Attached {
  /** Of the manifest that attaches it. */
  readonly digest: string;
  readonly statement: Statement;
  /** The key that has signed it, of those that are trusted. */
  readonly signedBy: string | undefined;
}

/** By in-toto, with whatever predicate. */
export interface Statement {
  readonly subject?: readonly { readonly digest?: Readonly<Record<string, string>> }[];
  readonly predicateType?: string;
  readonly predicate?: unknown;
}

export interface Attachments {
  readonly statements: readonly Attached[];
  readonly signatures: readonly NotarySignature[];
  /** Documents by their media type, such as bills of materials that stand without a statement. */
  readonly documents: readonly { readonly mediaType: string; readonly content: Buffer }[];
  /** What can't be read, or is about something else. */
  readonly faults: readonly string[];
}

/** Reads what is attached to an image, and verifies the signatures that are there against trusted keys. */
export async function readAttachments(
  registry: Registry,
  image: Manifest,
  trusted: TrustedKeys,
): Promise<Attachments> {
  const statements: Attached[] = [];
  const signatures: NotarySignature[] = [];
  const documents: { mediaType: string; content: Buffer }[] = [];
  const faults: string[] = [];
  for (const { digest } of await registry.referrers(image.digest)) {
    try {
      const { content } = await registry.manifest(digest);
      if (content.subject?.digest !== image.digest) throw new Error('it is attached to something else');
      const layer = content.layers?.[0];
      if (!layer) continue;
      if (isNotary(content)) {
        const envelope = await registry.blob(layer);
        signatures.push(readNotarySignature(envelope, layer, image, trusted, Date.now()));
        continue;
      }
      if (layer.mediaType !== IN_TOTO && layer.mediaType !== BUNDLE) {
        const isDocument = /json/.test(layer.mediaType);
        if (isDocument) documents.push({ mediaType: layer.mediaType, content: await registry.blob(layer) });
        continue;
      }
      const bytes = await registry.blob(layer);
      const bundle = layer.mediaType === BUNDLE ? readBundle(bytes) : undefined;
      const statement: Statement = JSON.parse((bundle?.payload ?? bytes).toString());
      const isAbout = statement.subject?.some((one) => `sha256:${one.digest?.sha256}` === image.digest);
      if (!isAbout) throw new Error('what it says is about another image');
      statements.push({ digest, statement, signedBy: bundle && signerOf(bundle, trusted) });
    } catch (error) {
      faults.push(`${digest.slice(0, 19)}…: ${(error as Error).message}`);
    }
  }
  return { statements, signatures, documents, faults };
}

/** Older ones are named by their configuration alone. */
function isNotary({ artifactType, config }: Manifest['content']): boolean {
  return (artifactType ?? config?.mediaType) === NOTARY;
}

function signerOf(bundle: Bundle, { keys, certificates }: TrustedKeys): string | undefined {
  const signed = preAuthentication(bundle);
  const signer = [...keys, ...certificates.map(({ publicKey }) => publicKey)].find((key) => {
    const hash = hashFor(key);
    return hash !== undefined && verify(hash, signed, { key, dsaEncoding: 'der' }, bundle.signature);
  });
  return signer && fingerprint(signer);
}
