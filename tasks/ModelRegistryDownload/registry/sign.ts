import { createHmac, createSecretKey } from 'node:crypto';
import { queryOf, type RegistryCredential } from './credential';

/** A GET request as it will be sent, but for what proves that its sender may make it. */
export interface UnsignedRequest {
  /** Encoded, from the root of the host. */
  readonly path: string;
  readonly query: Readonly<Record<string, string>>;
  /** With names in lower case. */
  readonly headers: Readonly<Record<string, string>>;
}

/**
 * Adds to a request what proves that its sender may make it: headers, or a query. Called anew for each try, so that
 * dates and tokens are fresh.
 *
 * @param refused the `authorization` header of a request that the service turned away
 */
export type Signer = (
  request: UnsignedRequest,
  refused?: string,
) => UnsignedRequest | Promise<UnsignedRequest>;

/** What proves by a credential that a request may be made. */
export function signerFor(account: string, credential: RegistryCredential): Signer {
  switch (credential.kind) {
    case 'accountKey':
      return signWithKey(account, credential.key);
    case 'sas':
      return signWithSas(credential.token);
    case 'anonymous':
      return (request) => request;
    case 'entra':
      return signWithToken((refused) => credential.token(refused));
  }
}

/** The headers that a signature with the account's key covers even where a request has none of them, in their order. */
const SIGNED_HEADERS = [
  'content-encoding',
  'content-language',
  'content-length',
  'content-md5',
  'content-type',
  'date',
  'if-modified-since',
  'if-match',
  'if-none-match',
  'if-unmodified-since',
  'range',
];

/**
 * Signs with one of the account's keys.
 *
 * @param key in Base64
 * @see https://learn.microsoft.com/rest/api/storageservices/authorize-with-shared-key
 */
function signWithKey(account: string, key: string): Signer {
  const secret = createSecretKey(key, 'base64');
  return ({ path, query, headers: given }) => {
    const headers: Record<string, string> = { ...given, 'x-ms-date': new Date().toUTCString() };
    let text = 'GET\n';
    for (const name of SIGNED_HEADERS) text += `${headers[name] ?? ''}\n`;
    for (const name of Object.keys(headers).sort()) {
      if (name.startsWith('x-ms-')) text += `${name}:${headers[name]}\n`;
    }
    text += `/${account}${path}`;
    for (const name of Object.keys(query).sort()) text += `\n${name.toLowerCase()}:${query[name]}`;
    const signature = createHmac('sha256', secret).update(text).digest('base64');
    headers.authorization = `SharedKey ${account}:${signature}`;
    return { path, query, headers };
  };
}

/** Adds a shared access signature, which somebody made before. */
function signWithSas(token: string): Signer {
  const signature = Object.fromEntries(queryOf(token));
  return (request) => ({ ...request, query: { ...request.query, ...signature } });
}

/** Adds a token of Microsoft Entra; `getToken` renews it when its time is running out, or when it was refused. */
function signWithToken(getToken: (refused?: string) => Promise<string>): Signer {
  return async (request, refused) => {
    const token = await getToken(refused?.replace(/^Bearer /, ''));
    return { ...request, headers: { ...request.headers, authorization: `Bearer ${token}` } };
  };
}
