import type { Logger } from '../../common/log';
import type { DockerRequest } from './install';

/**
 * The environment of the docker client that the step asks for.
 *
 * @param env that of a docker with a configuration of the step's own
 */
export async function dockerEnvironment(
  request: DockerRequest | undefined,
  env: NodeJS.ProcessEnv,
  options: { log: Logger; signal: AbortSignal },
): Promise<NodeJS.ProcessEnv> {
  if (!request) return env;
  // Few steps need it, and it takes a while to load.
  const { installDocker } = await import('./install');
  return installDocker(request, env, options);
}
