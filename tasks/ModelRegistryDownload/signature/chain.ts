import type { KeyObject, X509Certificate } from 'node:crypto';
import { bound } from '../../common/foreign-text';
import { type Extensions, readExtensions } from './certificate';
import { SignatureFault } from './fault';

/**
 * The key of a signer whom trusted certificates vouch for: one of them is the signer's own, or they lead up to one of
 * them.
 *
 * @param chain as it came with the signature: the signer's first
 * @param now milliseconds since 1970
 */
export function keyOfSigner(
  chain: readonly X509Certificate[],
  trusted: readonly X509Certificate[],
  now: number,
): KeyObject {
  const [signer] = chain as [X509Certificate];
  refuseUnfitSigner(signer, now);
  let current = signer;
  for (let authorities = 0; authorities <= chain.length; authorities++) {
    if (trusted.some((one) => one.raw.equals(current.raw))) return signer.publicKey;
    const root = trusted.find((one) => hasIssued(one, current));
    if (root) {
      refuseUnfitAuthority(root, authorities, now);
      return signer.publicKey;
    }
    // One that issued itself leads nowhere.
    const next = chain.find((one) => hasIssued(one, current) && !one.raw.equals(current.raw));
    if (!next) break;
    refuseUnfitAuthority(next, authorities, now);
    current = next;
  }
  throw new SignatureFault(
    `was made by ${nameOf(signer)}, for whom no certificate in 'trustedKeys' vouches: ${nameOf(current)} is the last that is known`,
  );
}

/** By name and signature. */
function hasIssued(issuer: X509Certificate, subject: X509Certificate): boolean {
  return subject.checkIssued(issuer) && subject.verify(issuer.publicKey);
}

function refuseUnfitSigner(certificate: X509Certificate, now: number): void {
  const extensions = readExtensions(certificate);
  refuseUnfit(certificate, extensions, now);
  const { keyUsage, isForCodeSigning } = extensions;
  if (keyUsage?.digitalSignature || isForCodeSigning) return;
  throw new SignatureFault(
    `was made with the certificate of ${nameOf(certificate)}, which is not for signing: its key usage must have digitalSignature`,
  );
}

/** @param below how many authorities stand between it and the signer */
function refuseUnfitAuthority(certificate: X509Certificate, below: number, now: number): void {
  const extensions = readExtensions(certificate);
  refuseUnfit(certificate, extensions, now);
  const { isAuthority, keyUsage, pathLength } = extensions;
  if (!isAuthority || keyUsage?.keyCertSign === false || below > (pathLength ?? below)) {
    throw new SignatureFault(
      `comes with a certificate of ${nameOf(certificate)}, which may not issue others`,
    );
  }
}

function refuseUnfit(certificate: X509Certificate, { unknown }: Extensions, now: number): void {
  const { validFrom, validTo } = certificate;
  // Without a timestamp nobody can say when it was signed, so what counts is today.
  if (now < Date.parse(validFrom) || now > Date.parse(validTo)) {
    throw new SignatureFault(
      `rests on the certificate of ${nameOf(certificate)}, which is valid from ${day(validFrom)} to ${day(validTo)} only. Sign the version again, or put the signer's public key itself into 'trustedKeys'`,
    );
  }
  if (unknown.length > 0) {
    throw new SignatureFault(
      `rests on the certificate of ${nameOf(certificate)}, which has a critical extension that this task does not know`,
    );
  }
}

function nameOf({ subject }: X509Certificate): string {
  return `'${bound(subject?.replaceAll('\n', ', ') ?? 'nobody', 200)}'`;
}

function day(date: string): string {
  return new Date(date).toISOString().slice(0, 10);
}
