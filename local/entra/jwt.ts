import { constants, generateKeyPairSync, type KeyObject, sign, verify } from 'node:crypto';

export interface Jwt {
  readonly header: Readonly<Record<string, unknown>>;
  readonly claims: Readonly<Record<string, unknown>>;
  readonly signed: Buffer;
  readonly signature: Buffer;
}

let keys: { publicKey: KeyObject; privateKey: KeyObject } | undefined;

/** One pair for all servers of this process, made when it is first needed: it takes a while. */
function ownKeys() {
  keys ??= generateKeyPairSync('rsa', { modulusLength: 2048 });
  return keys;
}

/** A token signed with this process's own key. */
export function issueJwt(claims: object): string {
  const text = [{ alg: 'RS256', typ: 'JWT' }, claims]
    .map((part) => Buffer.from(JSON.stringify(part)).toString('base64url'))
    .join('.');
  return `${text}.${sign('sha256', Buffer.from(text), ownKeys().privateKey).toString('base64url')}`;
}

export function parseJwt(token: string): Jwt | undefined {
  const [header = '', claims = '', signature = ''] = token.split('.');
  try {
    return {
      header: JSON.parse(Buffer.from(header, 'base64url').toString()),
      claims: JSON.parse(Buffer.from(claims, 'base64url').toString()),
      signed: Buffer.from(`${header}.${claims}`),
      signature: Buffer.from(signature, 'base64url'),
    };
  } catch {
    return undefined;
  }
}

/** Whether {@link issueJwt} made it. */
export function isOwnJwt({ signed, signature }: Jwt): boolean {
  return verify('sha256', signed, ownKeys().publicKey, signature);
}

/** Whether the holder of the private key signed it, by one of the algorithms that Microsoft Entra takes. */
export function isSignedBy({ header, signed, signature }: Jwt, key: KeyObject): boolean {
  if (header.alg === 'RS256') return verify('sha256', signed, key, signature);
  const padding = constants.RSA_PKCS1_PSS_PADDING;
  return header.alg === 'PS256' && verify('sha256', signed, { key, padding, saltLength: 32 }, signature);
}
