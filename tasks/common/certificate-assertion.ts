import { constants, createHash, createPrivateKey, randomUUID, sign, X509Certificate } from 'node:crypto';
import { describeError } from './errors';

/** Seconds. */
const LIFETIME = 600;

/**
 * What an application signs to prove that it has a certificate's private key, as Microsoft Entra wants it
 * (learn.microsoft.com/entra/identity-platform/certificate-credentials).
 *
 * @param pem the certificate and its private key; line breaks may have been lost
 * @param audience the address that it is sent to
 * @param now milliseconds since 1970
 * @throws Error that goes on from "the certificate"
 */
export function signAssertion(pem: string, clientId: string, audience: string, now: number): string {
  const { key, certificate } = parsePem(pem);
  const seconds = Math.floor(now / 1000);
  const thumbprint = createHash('sha256').update(certificate.raw).digest('base64url');
  const header = { alg: 'PS256', typ: 'JWT', 'x5t#S256': thumbprint };
  const claims = {
    aud: audience,
    iss: clientId,
    sub: clientId,
    jti: randomUUID(),
    nbf: seconds,
    exp: seconds + LIFETIME,
  };
  const text = [header, claims].map((part) => base64url(JSON.stringify(part))).join('.');
  const signature = sign('sha256', Buffer.from(text), {
    key,
    padding: constants.RSA_PKCS1_PSS_PADDING,
    saltLength: constants.RSA_PSS_SALTLEN_DIGEST,
  });
  return `${text}.${base64url(signature)}`;
}

function parsePem(pem: string) {
  const blocks = [...pem.matchAll(/-----BEGIN ([A-Z ]+)-----([^-]+)-----END \1-----/g)].map(
    ([, label = '', body = '']) => ({ label, der: Buffer.from(body, 'base64') }),
  );
  const keyBlock = blocks.find(({ label }) => label === 'PRIVATE KEY' || label === 'RSA PRIVATE KEY');
  if (!keyBlock) throw new Error('has no private key that is not encrypted');
  try {
    const type = keyBlock.label === 'PRIVATE KEY' ? 'pkcs8' : 'pkcs1';
    const key = createPrivateKey({ key: keyBlock.der, format: 'der', type });
    const certificate = blocks
      .filter(({ label }) => label === 'CERTIFICATE')
      .map(({ der }) => new X509Certificate(der))
      .find((candidate) => candidate.checkPrivateKey(key));
    if (certificate) return { key, certificate };
  } catch (error) {
    throw new Error(`cannot be read (${describeError(error)})`);
  }
  throw new Error('and its private key do not belong together');
}

function base64url(bytes: string | Buffer): string {
  return Buffer.from(bytes).toString('base64url');
}
