import { createHash, createPublicKey, type KeyObject, verify, X509Certificate } from 'node:crypto';
import { EntraTokens, type SignInServices } from '../../common/entra';
import { TaskError } from '../../common/errors';
import type { AzureServiceConnection } from '../../common/service-connection';
import { chainOf } from './certificates';
import { type KeyName, KeyVault, type VaultKey } from './key-vault';

/** With what, and as whom, a step signs. */
export interface SigningRequest {
  readonly key: KeyName;
  readonly connection: AzureServiceConnection;
  /** The certificate's issuers; for a key without one, its certificate too. */
  readonly certificates: readonly X509Certificate[];
}

/** A key that signs, which nobody here has. */
export interface Signer {
  readonly publicKey: KeyObject;
  /** Of the key's certificate, itself first; undefined where it has none. */
  readonly chain: readonly X509Certificate[] | undefined;
  /** Signs some bytes by ECDSA with P-256 and SHA-256: 64 bytes, r and s. */
  sign(data: Buffer): Promise<Buffer>;
}

/**
 * Finds the key in its vault, and makes sure that what it signs will be accepted.
 *
 * @throws TaskError when it is not fit to sign with
 */
export async function openSigner(request: SigningRequest, services: SignInServices): Promise<Signer> {
  const { key, connection, certificates } = request;
  const vault = new KeyVault(key, new EntraTokens(connection, services), services.http);
  const found = await vault.find();
  const certificate = found.certificate && new X509Certificate(found.certificate);
  const publicKey = certificate?.publicKey ?? publicKeyOf(found);
  const { asymmetricKeyType, asymmetricKeyDetails } = publicKey;
  if (asymmetricKeyType !== 'ec' || asymmetricKeyDetails?.namedCurve !== 'prime256v1') {
    throw new TaskError(
      `The key '${key.name}' in input 'signingKey' is ${asymmetricKeyDetails?.namedCurve ?? asymmetricKeyType?.toUpperCase()}, but must be EC with the curve P-256, the one kind that notation and cosign both accept. Make such a key or certificate in Key Vault.`,
    );
  }
  const spki = (one: KeyObject) => one.export({ type: 'spki', format: 'der' });
  const leaf = certificate ?? certificates.find((one) => spki(one.publicKey).equals(spki(publicKey)));
  return {
    publicKey,
    chain: leaf && chainOf(leaf, certificates),
    async sign(data) {
      const signature = await vault.sign(found.id, createHash('sha256').update(data).digest());
      if (!isSignature(publicKey, data, signature)) {
        throw new TaskError(`Key Vault's signature is not one of the key '${key.name}'. Run the step again.`);
      }
      return signature;
    },
  };
}

/** Whether 64 bytes are a key's signature of some data. */
export function isSignature(key: KeyObject, data: Buffer, signature: Buffer): boolean {
  return verify('sha256', data, { key, dsaEncoding: 'ieee-p1363' }, signature);
}

function publicKeyOf({ jwk }: VaultKey): KeyObject {
  try {
    const { kty, crv, x, y, n, e } = jwk ?? {};
    // A key in a hardware module has '-HSM' at the end of its type.
    const type = String(kty).replace(/-HSM$/, '');
    return createPublicKey({ format: 'jwk', key: { kty: type, crv, x, y, n, e } as never });
  } catch (error) {
    throw new TaskError(
      "The key in input 'signingKey' is none of EC or RSA. Give one of EC with the curve P-256.",
      { cause: error },
    );
  }
}
