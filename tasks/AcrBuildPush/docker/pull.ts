import { TaskError } from '../../common/errors';
import type { Logger } from '../../common/log';
import { formatDuration } from '../../common/text';
import { ANSWER_LIMIT, type DockerCli } from './cli';

/**
 * Has the engine pull an image by its digest.
 *
 * @param renewCredentials gives docker new credentials; false where there are none
 * @returns false where the engine had it already
 */
export async function pullImage(
  docker: DockerCli,
  image: string,
  { log, renewCredentials }: { log: Logger; renewCredentials?: () => Promise<boolean> },
): Promise<boolean> {
  const found = await docker.capture(['image', 'inspect', '--format', '{{.Id}}', image], ANSWER_LIMIT);
  if (found.exitCode === 0) return false;
  const begun = performance.now();
  let mayRenew = true;
  for (;;) {
    const lines: string[] = [];
    const exitCode = await docker.stream(['pull', '--quiet', image], (line) => lines.push(line));
    if (exitCode === 0) break;
    const said = lines.join('\n');
    if (
      mayRenew &&
      /unauthorized|authentication required|denied/i.test(said) &&
      (await renewCredentials?.())
    ) {
      mayRenew = false;
      continue;
    }
    throw new TaskError(
      `The engine could not pull ${image} (exit code ${exitCode}). Check that the engine may reach the registry. What docker said stands above this message.`,
      { details: lines.slice(-5) },
    );
  }
  log.info(`The engine pulled the image in ${formatDuration(performance.now() - begun)}.`);
  return true;
}
