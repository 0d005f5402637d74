import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { run } from '../processes';
import type { RegistryLogin } from './registry-client';

export interface DockerLoginOptions {
  /** An empty folder for the configuration; removing it is logging out. */
  readonly folder: string;
  readonly registry: RegistryLogin;
  /** The `docker` command. */
  readonly docker?: string;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Returns the environment of a `docker` that knows a registry's password and leaves the user's own configuration
 * alone. That configuration also says which engine is meant, so the engine is named in its stead.
 */
export async function dockerLogin(options: DockerLoginOptions): Promise<NodeJS.ProcessEnv> {
  const { folder, registry, docker = 'docker', signal } = options;
  const auth = Buffer.from(`${registry.username}:${registry.password}`).toString('base64');
  const auths = { [registry.loginServer]: { auth } };
  await writeFile(join(folder, 'config.json'), JSON.stringify({ auths }), { mode: 0o600 });
  const host = await run(docker, ['context', 'inspect', '--format', '{{.Endpoints.docker.Host}}'], {
    signal,
  });
  return {
    ...process.env,
    DOCKER_CONFIG: folder,
    ...(host.exitCode === 0 ? { DOCKER_HOST: host.output.trim() } : {}),
  };
}
