import { createPrivateKey, randomUUID, sign } from 'node:crypto';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { makeCertificate } from './certificate';

export interface TokenServer {
  readonly realm: string;
  readonly issuer: string;
  readonly service: string;
  /** By which a registry knows the tokens to be this server's, as PEM. */
  readonly certificate: string;
  /** The scopes that tokens were asked for. */
  readonly scopes: readonly string[];
  stop(): void;
}

/** Hands out what docker-registry takes in place of a password (distribution, "Token Authentication Specification"). */
export async function startTokenServer(user: { name: string; password: string }): Promise<TokenServer> {
  const { certificate, pem } = makeCertificate();
  const key = createPrivateKey(pem);
  const chain = [certificate.replace(/-----.*?-----|\s/g, '')];
  const [issuer, service] = ['test tokens', 'test registry'];
  const scopes: string[] = [];
  const issue = (asked: readonly string[]) => {
    const now = Math.floor(Date.now() / 1000);
    const access = asked.map((scope) => {
      const [type, name, actions = ''] = scope.split(':');
      return { type, name, actions: actions.split(',') };
    });
    const times = { iat: now, nbf: now - 10, exp: now + 300 };
    const claims = { iss: issuer, sub: user.name, aud: service, jti: randomUUID(), ...times, access };
    const text = [{ typ: 'JWT', alg: 'RS256', x5c: chain }, claims]
      .map((part) => Buffer.from(JSON.stringify(part)).toString('base64url'))
      .join('.');
    return `${text}.${sign('sha256', Buffer.from(text), key).toString('base64url')}`;
  };
  const server = createServer((request, response) => {
    const authorization = `Basic ${Buffer.from(`${user.name}:${user.password}`).toString('base64')}`;
    if (request.headers.authorization !== authorization) return response.writeHead(401).end();
    const query = new URL(request.url ?? '', 'http://localhost').searchParams;
    const asked = query.getAll('scope').flatMap((scope) => scope.split(' '));
    scopes.push(...asked);
    return response.end(JSON.stringify({ token: issue(asked) }));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    realm: `http://127.0.0.1:${(server.address() as AddressInfo).port}/token`,
    issuer,
    service,
    certificate,
    scopes,
    stop() {
      server.close();
      server.closeAllConnections();
    },
  };
}
