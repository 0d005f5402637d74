import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { TokenServer } from './token-server';

export const USERNAME = 'robot';
export const PASSWORD = 'correct-horse-battery';
/** The password above by bcrypt, which is all that docker-registry takes. */
const HTPASSWD = `${USERNAME}:$2b$04$modelpipelinetestsaltu4zY6hKGaXX2ss49cSvnDQXA8ppnf9gy\n`;

/**
 * Starts Debian's docker-registry on a free port. It takes a user and a password, or tokens where there is a server
 * that hands them out.
 */
export async function startDockerRegistry(
  data: string,
  tokens?: Pick<TokenServer, 'realm' | 'issuer' | 'service' | 'certificate'>,
): Promise<[ChildProcess, string]> {
  mkdirSync(data);
  writeFileSync(join(data, 'htpasswd'), HTPASSWD);
  const certificateFile = join(data, 'tokens.pem');
  if (tokens) writeFileSync(certificateFile, tokens.certificate);
  const config = {
    version: 0.1,
    storage: { filesystem: { rootdirectory: data } },
    http: { addr: '127.0.0.1:0' },
    auth: tokens
      ? {
          token: {
            realm: tokens.realm,
            issuer: tokens.issuer,
            service: tokens.service,
            rootcertbundle: certificateFile,
          },
        }
      : { htpasswd: { realm: 'test', path: join(data, 'htpasswd') } },
  };
  // Every JSON is YAML.
  writeFileSync(join(data, 'config.yml'), JSON.stringify(config));
  const server = spawn('docker-registry', ['serve', join(data, 'config.yml')], {
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  const lines: string[] = [];
  for await (const line of createInterface(server.stderr!)) {
    lines.push(line);
    const address = /listening on (127\.0\.0\.1:\d+)/.exec(line)?.[1];
    if (!address) continue;
    server.stderr!.resume();
    return [server, address];
  }
  throw new Error(`docker-registry did not start:\n${lines.join('\n')}`);
}

/** Makes a folder the configuration of a docker that is logged in to a registry as above. */
export function writeDockerLogin(folder: string, host: string): void {
  mkdirSync(folder, { recursive: true });
  const auth = Buffer.from(`${USERNAME}:${PASSWORD}`).toString('base64');
  writeFileSync(join(folder, 'config.json'), JSON.stringify({ auths: { [host]: { auth } } }));
}

/** Reads a repository as another client would. */
export function registryApi(host: string, repository: string) {
  const get = (path: string, method = 'GET') =>
    fetch(`http://${host}/v2/${repository}/${path}`, {
      method,
      headers: {
        Authorization: `Basic ${Buffer.from(`${USERNAME}:${PASSWORD}`).toString('base64')}`,
        Accept: [
          'application/vnd.oci.image.manifest.v1+json',
          'application/vnd.docker.distribution.manifest.v2+json',
          'application/vnd.oci.image.index.v1+json',
        ].join(', '),
      },
    });
  return {
    async digestOf(tag: string): Promise<string | undefined> {
      const answer = await get(`manifests/${tag}`, 'HEAD');
      assert.ok(answer.ok || answer.status === 404, `HTTP ${answer.status}`);
      return answer.ok ? (answer.headers.get('docker-content-digest') ?? undefined) : undefined;
    },
    async manifest(
      reference: string,
    ): Promise<{ config: Part; layers: Part[]; annotations: Record<string, string> }> {
      return (await get(`manifests/${reference}`)).json() as never;
    },
    async blob(digest: string): Promise<{ config: { Env: string[]; Labels: Record<string, string> } }> {
      return (await get(`blobs/${digest}`)).json() as never;
    },
  };
}

export interface Part {
  mediaType: string;
  digest: string;
  size: number;
}
