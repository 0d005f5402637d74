import { type IncomingMessage, type ServerResponse, request as send } from 'node:http';
import {
  AccountSASPermissions,
  AccountSASResourceTypes,
  AccountSASServices,
  generateAccountSASQueryParameters,
  StorageSharedKeyCredential,
} from '@azure/storage-blob';
import type { Azurite } from './azurite';
import { serveOnLoopback } from './loopback';

/** Whom a token is of, and for; undefined where it is not good. */
export type TokenClaims = (token: string) => { readonly aud: string; readonly appid: string } | undefined;

export interface BlobGatewayOptions {
  readonly storage: Azurite;
  readonly claims: TokenClaims;
  /** What an application may do with blobs; undefined for strangers. */
  readonly rights: (applicationId: string) => 'read' | 'write' | undefined;
}

export interface BlobGateway {
  /** The account's blob endpoint, as Azurite's own. */
  readonly blobEndpoint: string;
  stop(): Promise<void>;
}

const AUDIENCE = 'https://storage.azure.com';
const DAY = 24 * 3_600_000;

/**
 * Stands before Azurite, which takes tokens of Microsoft Entra over TLS alone: takes them here, and hands on what an
 * identity may do. Requests that are signed otherwise pass as they are.
 */
export async function startBlobGateway(options: BlobGatewayOptions): Promise<BlobGateway> {
  const target = new URL(options.storage.blobEndpoint);
  const signature = signatureOf(options.storage);
  const { url: origin, stop } = await serveOnLoopback((incoming, response) => {
    const { authorization = '' } = incoming.headers;
    const token = /^Bearer (.+)$/.exec(authorization)?.[1];
    if (token === undefined) return forward(incoming, response, target, incoming.url ?? '/');
    const claims = options.claims(token);
    if (claims?.aud !== AUDIENCE) {
      return refuse(response, 401, 'InvalidAuthenticationInfo', 'Server failed to authenticate the request.');
    }
    const right = options.rights(claims.appid);
    if (!right || (right === 'read' && !/^(GET|HEAD)$/.test(incoming.method ?? ''))) {
      return refuse(response, 403, 'AuthorizationPermissionMismatch', 'This request is not authorized.');
    }
    delete incoming.headers.authorization;
    const { url = '/' } = incoming;
    forward(incoming, response, target, `${url}${url.includes('?') ? '&' : '?'}${signature}`);
  });
  return { blobEndpoint: origin + target.pathname, stop };
}

function signatureOf({ account, key }: Azurite): string {
  const rights = {
    expiresOn: new Date(Date.now() + 30 * DAY),
    permissions: AccountSASPermissions.parse('rwdlacup'),
    services: AccountSASServices.parse('b').toString(),
    resourceTypes: AccountSASResourceTypes.parse('sco').toString(),
  };
  return generateAccountSASQueryParameters(rights, new StorageSharedKeyCredential(account, key)).toString();
}

function forward(incoming: IncomingMessage, response: ServerResponse, target: URL, path: string): void {
  const { method, headers } = incoming;
  const onward = send({ host: target.hostname, port: target.port, method, path, headers }, (answer) => {
    response.writeHead(answer.statusCode ?? 502, answer.headers);
    answer.pipe(response);
  });
  onward.on('error', () => response.destroy());
  response.on('close', () => onward.destroy());
  incoming.pipe(onward);
}

function refuse(response: ServerResponse, status: number, code: string, message: string): void {
  const body = `<?xml version="1.0" encoding="utf-8"?><Error><Code>${code}</Code><Message>${message}</Message></Error>`;
  const challenge = `Bearer authorization_uri=https://login.microsoftonline.com/common/oauth2/authorize resource_id=${AUDIENCE}`;
  response.writeHead(status, {
    'Content-Type': 'application/xml',
    'x-ms-error-code': code,
    ...(status === 401 && { 'WWW-Authenticate': challenge }),
  });
  response.end(body);
}
