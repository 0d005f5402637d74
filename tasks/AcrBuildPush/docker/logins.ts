import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { isRecord, readJsonObject, recordOf } from '../../common/json';
import type { CredentialSource } from '../registry/credentials';
import { hostOf } from './config';

/** Docker Hub's API and its logins go by different names. */
const LOGIN_NAMES: Readonly<Record<string, string>> = { 'registry-1.docker.io': 'index.docker.io' };

/**
 * What an earlier step has signed in to a registry with by `docker login`, as docker's configuration keeps it.
 * Helpers that keep passwords elsewhere are not asked.
 *
 * @param env that of a docker, whose `DOCKER_CONFIG` names the configuration
 */
export function dockerLogin(env: NodeJS.ProcessEnv, host: string): CredentialSource | undefined {
  const login = findLogin(env, LOGIN_NAMES[host] ?? host);
  return (
    login && {
      current: async () => login,
      renewed: async () => undefined,
      refusal: `${host} does not accept the login of user '${login.username}' that Docker's configuration has. Sign in again in a step before this one.`,
    }
  );
}

function findLogin(env: NodeJS.ProcessEnv, host: string): { username: string; password: string } | undefined {
  let auths: unknown;
  try {
    auths = readJsonObject(readFileSync(join(env.DOCKER_CONFIG ?? '', 'config.json'), 'utf8')).auths;
  } catch {
    return undefined;
  }
  const [, entry] = Object.entries(recordOf(auths)).find(([server]) => hostOf(server) === host) ?? [];
  const auth = isRecord(entry) && typeof entry.auth === 'string' ? entry.auth : '';
  const [, username, password] =
    /^([^:]+):([\s\S]+)$/.exec(Buffer.from(auth, 'base64').toString('utf8')) ?? [];
  return username && password ? { username, password } : undefined;
}
