import { describeError } from '../../common/errors';
import type { Logger } from '../../common/log';
import { taskVariable } from '../../common/task-variable';
import { DockerCli } from './cli';

/** The task variable that tells the end of the job which name an image may still have. */
export const NAME_VARIABLE = 'imagePushedHere';

/** Always the same: an engine notes with each blob to which repositories of a host it was pushed. */
export const REPOSITORY = 'model-pipelines-step';

const NAME = new RegExp(`^127\\.0\\.0\\.1:\\d{1,5}/${REPOSITORY}:image$`);

/** Milliseconds for an engine to set or remove a name. */
export const NAME_LIMIT = 30_000;

/** What an image is called while its engine pushes it to a step, which listens on a port of this machine. */
export function nameAt(port: number): string {
  return `127.0.0.1:${port}/${REPOSITORY}:image`;
}

/** Takes a name away from an image; false where no image had it. */
export async function removeName(docker: DockerCli, name: string): Promise<boolean> {
  const { exitCode } = await docker.capture(['image', 'rm', name], NAME_LIMIT);
  return exitCode === 0;
}

/** Takes away the name that a step left which was killed before it could do that itself. */
export async function removeForgottenName(env: NodeJS.ProcessEnv, log: Logger): Promise<void> {
  const name = taskVariable(env, NAME_VARIABLE);
  if (!name || !NAME.test(name)) return;
  const docker = new DockerCli({ env, signal: new AbortController().signal, log });
  try {
    if (await removeName(docker, name))
      log.info(`Removed the name ${name} of an image, which the step left.`);
  } catch (error) {
    log.warning(`An image may still have the name ${name}: ${describeError(error)}`);
  }
}
