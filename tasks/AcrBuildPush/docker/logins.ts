import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { readJsonObject, recordOf } from '../../common/json';
import type { Logger } from '../../common/log';
import { type CredentialSource, type Credentials, TOKEN_USER } from '../registry/credentials';
import { hostOf } from './config';

/** Docker Hub's API and its logins go by different names. */
const LOGIN_NAMES: Readonly<Record<string, string>> = { 'registry-1.docker.io': 'index.docker.io' };

/**
 * What an earlier step has signed in to a registry with by `docker login` or `az acr login`, as docker's configuration
 * keeps it. Helpers that keep passwords elsewhere are not asked.
 *
 * @param env that of a docker, whose `DOCKER_CONFIG` names the configuration
 * @param log is told the password, to have it masked
 */
export function dockerLogin(
  env: NodeJS.ProcessEnv,
  host: string,
  log: Pick<Logger, 'maskSecret'>,
): CredentialSource | undefined {
  const login = findLogin(env, LOGIN_NAMES[host] ?? host);
  if (login) log.maskSecret(login.password, login.username);
  return (
    login && {
      current: async () => login,
      renewed: async () => undefined,
      refusal: `${host} does not accept the login of user '${login.username}' that Docker's configuration has. Sign in again in a step before this one.`,
    }
  );
}

function findLogin(env: NodeJS.ProcessEnv, host: string): Credentials | undefined {
  let auths: unknown;
  try {
    auths = readJsonObject(readFileSync(join(env.DOCKER_CONFIG ?? '', 'config.json'), 'utf8')).auths;
  } catch {
    return undefined;
  }
  const [, entry] = Object.entries(recordOf(auths)).find(([server]) => hostOf(server) === host) ?? [];
  const { auth, identitytoken: token } = recordOf(entry);
  const text = Buffer.from(typeof auth === 'string' ? auth : '', 'base64').toString('utf8');
  const [, username, password] = /^([^:]+):([\s\S]*)$/.exec(text) ?? [];
  if (username && password) return { username, password };
  // Azure's registries take the token in place of a password; others would have to be asked in another way.
  return username === TOKEN_USER && typeof token === 'string' ? { username, password: token } : undefined;
}
