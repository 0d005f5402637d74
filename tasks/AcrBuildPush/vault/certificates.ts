import { X509Certificate } from 'node:crypto';
import { TaskError } from '../../common/errors';

/*
 * What the Notary Project asks of the certificates of a signature (its signature specification, certificate requirements).
 */

/** The policy of a certificate in Key Vault that is fit to sign with. */
const FIT =
  "In Key Vault, make a certificate with key type EC, curve P-256, key usage 'digitalSignature' alone, and extended key usage 1.3.6.1.5.5.7.3.3 (code signing).";

const CODE_SIGNING = '1.3.6.1.5.5.7.3.3';

/** Of extended key usages: those for servers, clients, mail and timestamps, and the one for everything. */
const FORBIDDEN_USES = ['1', '2', '4', '8'].map((use) => `1.3.6.1.5.5.7.3.${use}`).concat('2.5.29.37.0');

/** Key usage (RFC 5280, 4.2.1.3): its name in DER, and bits of its first byte. */
const KEY_USAGE = Buffer.from('0603551d0f', 'hex');
const DIGITAL_SIGNATURE = 0x80;
const OTHER_USAGES = 0x3e;

/**
 * The chain of a certificate, itself first, its root last.
 *
 * @param others certificates of which its issuers are some
 * @throws TaskError when it is not fit to sign images with, or an issuer is missing
 */
export function chainOf(
  leaf: X509Certificate,
  others: readonly X509Certificate[],
  now = new Date(),
): X509Certificate[] {
  checkLeaf(leaf);
  const chain = [leaf];
  for (let last = leaf; !isSelfSigned(last); last = chain.at(-1)!) {
    const issuer = others.find((one) => last.checkIssued(one) && last.verify(one.publicKey));
    if (!issuer || chain.includes(issuer)) {
      throw new TaskError(
        `The signing certificate was issued by '${oneLine(last.issuer)}', whose certificate is not known. Give the certificates of its issuers, up to the root, in input 'signingCertificates'.`,
      );
    }
    chain.push(issuer);
  }
  for (const one of chain) {
    const isValid = new Date(one.validFrom) <= now && now <= new Date(one.validTo);
    if (!isValid) {
      throw new TaskError(
        `The certificate '${oneLine(one.subject)}' is good from ${one.validFrom} to ${one.validTo}. Renew it, and run the step again.`,
      );
    }
  }
  return chain;
}

/** The certificates in a PEM text. */
export function readCertificates(pem: string): X509Certificate[] {
  const blocks = pem.match(/-----BEGIN CERTIFICATE-----[\w+/=\s]+-----END CERTIFICATE-----/g) ?? [];
  return blocks.map((block) => new X509Certificate(block));
}

/** Node's `checkIssued` calls no certificate its own issuer whose key is for signing data alone, as it must be here. */
function isSelfSigned(certificate: X509Certificate): boolean {
  return certificate.subject === certificate.issuer && certificate.verify(certificate.publicKey);
}

/** A name as trust policies write it: `C=US, ST=WA, O=Contoso, CN=models`. */
export function oneLine(name: string): string {
  return name.split('\n').reverse().join(', ');
}

function checkLeaf(leaf: X509Certificate): void {
  const uses = leaf.keyUsage ?? [];
  const usage = keyUsageOf(leaf.raw);
  const fault = leaf.ca
    ? 'is that of an authority'
    : usage === undefined || !usage.isCritical
      ? "does not say by a critical extension what its key is for ('digitalSignature')"
      : !(usage.bits & DIGITAL_SIGNATURE) || usage.bits & OTHER_USAGES
        ? "is for other things than signing: its key usage must be 'digitalSignature' alone"
        : uses.length > 0 &&
            (!uses.includes(CODE_SIGNING) || uses.some((use) => FORBIDDEN_USES.includes(use)))
          ? `has extended key usages that are not for signing (${uses.join(', ')})`
          : undefined;
  if (fault)
    throw new TaskError(
      `The signing certificate '${oneLine(leaf.subject)}' ${fault}, so that nobody would accept the signature. ${FIT}`,
    );
}

/** Node tells only of the extended ones. */
function keyUsageOf(der: Buffer): { isCritical: boolean; bits: number } | undefined {
  const at = der.indexOf(KEY_USAGE);
  if (at < 0) return undefined;
  let next = at + KEY_USAGE.length;
  const isCritical = der[next] === 0x01 && der[next + 2] === 0xff;
  if (isCritical) next += 3;
  // An octet string around a bit string: its length, how many bits are unused, the bits.
  return der[next] === 0x04 && der[next + 2] === 0x03 ? { isCritical, bits: der[next + 5] ?? 0 } : undefined;
}
