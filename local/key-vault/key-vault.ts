import {
  createECDH,
  createPrivateKey,
  createPublicKey,
  type KeyObject,
  randomBytes,
  X509Certificate,
} from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { readBody, serveOnLoopback } from '../loopback';

export interface KeyVaultOptions {
  /** By name: private keys, PEM, and the certificates of those that have one. */
  readonly keys: Readonly<Record<string, { readonly key: string; readonly certificate?: string }>>;
  /** Who signs in: what an access token says; undefined for one that is not good. */
  readonly claims: (token: string) => { aud: string; appid: string } | undefined;
  /** Whether an application may do something; it may do all by default. */
  readonly mayUse?: (application: string, action: 'read' | 'sign') => boolean;
}

export interface KeyVault {
  readonly url: string;
  /** Methods and paths. */
  readonly requests: readonly string[];
  stop(): Promise<void>;
}

const AUDIENCE = 'https://vault.azure.net';

/** What vaults answer when they refuse; codes and words are Azure Key Vault's. */
class Refusal extends Error {
  constructor(
    readonly status: number,
    readonly code: string,
    words: string,
  ) {
    super(words);
  }
}

/** Starts a vault of Azure Key Vault on a loopback port, as far as it takes to read keys and certificates and to sign. */
export async function startKeyVault(options: KeyVaultOptions): Promise<KeyVault> {
  const requests: string[] = [];
  const versions = new Map(Object.keys(options.keys).map((name) => [name, randomBytes(16).toString('hex')]));
  let url = '';
  const server = await serveOnLoopback(async (request, response) => {
    requests.push(`${request.method} ${request.url?.split('?')[0]}`);
    const reply = (status: number, body: object, headers = {}) =>
      response
        .writeHead(status, { 'Content-Type': 'application/json; charset=utf-8', ...headers })
        .end(JSON.stringify(body));
    try {
      if (!/^Bearer /.test(request.headers.authorization ?? '')) return challenge(response);
      const body = await readBody(request);
      reply(200, answer(request, body.toString()));
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      const { status, code, message } = error;
      reply(status, { error: { code, message } });
    }
  });

  const answer = (request: IncomingMessage, body: string): object => {
    const { pathname, searchParams } = new URL(request.url ?? '', 'http://localhost');
    const [, kind, name = '', version, action] =
      /^\/(keys|certificates)\/([\w-]+)(?:\/([0-9a-f]{32}))?(?:\/(sign))?$/.exec(pathname) ?? [];
    if (!searchParams.get('api-version'))
      throw new Refusal(400, 'BadParameter', 'api-version must be specified');
    const claims = options.claims(request.headers.authorization!.slice('Bearer '.length));
    if (claims?.aud !== AUDIENCE) throw new Refusal(401, 'Unauthorized', 'AKV10022: Invalid audience.');
    if (options.mayUse && !options.mayUse(claims.appid, action ? 'sign' : 'read')) {
      const words = `Caller is not authorized to perform action on resource.\r\nAction: 'Microsoft.KeyVault/vaults/keys/${action ?? 'read'}/action'`;
      throw new Refusal(403, 'Forbidden', words);
    }
    const held = options.keys[name];
    const isThere =
      held && (kind === 'keys' || held.certificate) && (!version || version === versions.get(name));
    if (!isThere) {
      const what = kind === 'keys' ? 'key' : 'certificate';
      const code = kind === 'keys' ? 'KeyNotFound' : 'CertificateNotFound';
      throw new Refusal(404, code, `A ${what} with (name/id) ${name} was not found in this key vault.`);
    }
    const kid = `${url}/keys/${name}/${versions.get(name)}`;
    const key = createPrivateKey(held.key);
    if (action && request.method === 'POST') return { kid, value: signDigest(key, body) };
    if (kind === 'keys')
      return { key: { kid, ...createPublicKey(key).export({ format: 'jwk' }), key_ops: ['sign', 'verify'] } };
    const certificate = new X509Certificate(held.certificate!);
    return {
      id: kid.replace('/keys/', '/certificates/'),
      kid,
      cer: certificate.raw.toString('base64'),
      attributes: { enabled: true },
    };
  };

  url = server.url;
  return { url, requests, stop: server.stop };
}

function challenge(response: ServerResponse): void {
  const authenticate = `Bearer authorization="https://login.microsoftonline.com/common", resource="${AUDIENCE}"`;
  response.writeHead(401, { 'WWW-Authenticate': authenticate }).end();
}

function signDigest(key: KeyObject, body: string): string {
  const { alg, value } = JSON.parse(body) as { alg?: string; value?: string };
  const digest = Buffer.from(value ?? '', 'base64url');
  const isFit =
    alg === 'ES256' &&
    key.asymmetricKeyType === 'ec' &&
    key.asymmetricKeyDetails?.namedCurve === 'prime256v1';
  if (!isFit) throw new Refusal(400, 'BadParameter', 'Key and signing algorithm are incompatible.');
  if (digest.length !== 32) throw new Refusal(400, 'BadParameter', 'Invalid length of digest.');
  return signRaw(key, digest).toString('base64url');
}

/** The order of P-256's base point. */
const ORDER = 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n;

/** ECDSA of a digest (FIPS 186-5, 6.4.1), which Node does not sign: it makes the digest itself. */
function signRaw(key: KeyObject, digest: Buffer): Buffer {
  const secret = numberOf(Buffer.from(key.export({ format: 'jwk' }).d!, 'base64url'));
  for (;;) {
    const nonce = createECDH('prime256v1');
    const point = nonce.generateKeys();
    const k = numberOf(nonce.getPrivateKey());
    const r = numberOf(point.subarray(1, 33)) % ORDER;
    const s = (inverse(k) * (numberOf(digest) + r * secret)) % ORDER;
    if (r !== 0n && s !== 0n)
      return Buffer.from([r, s].map((one) => one.toString(16).padStart(64, '0')).join(''), 'hex');
  }
}

function numberOf(bytes: Buffer): bigint {
  return BigInt(`0x${bytes.toString('hex')}`);
}

/** By Fermat: a power of the order less two. */
function inverse(value: bigint): bigint {
  let result = 1n;
  let base = value % ORDER;
  for (let exponent = ORDER - 2n; exponent > 0n; exponent >>= 1n) {
    if (exponent & 1n) result = (result * base) % ORDER;
    base = (base * base) % ORDER;
  }
  return result;
}
