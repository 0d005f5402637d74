import { TaskError } from '../../common/errors';
import type { DockerRequest } from '../docker/install';
import type { BuildPlan } from '../plan';
import { type DirectBuildOptions, directBuild } from './direct-build';
import type { OciImage } from './image';
import { NeedsEngine } from './needs-engine';

/** The one platform that is built for, unless a `FROM` line names another. */
const PLATFORM = 'linux/amd64';

/** Refuses what this builder has nothing for. */
export function refuseForDirect(
  { secrets, platforms, cacheFrom, cacheTo }: BuildPlan,
  docker: DockerRequest | undefined,
): void {
  const rules: [isUsed: boolean, input: string, why: string][] = [
    [Object.keys(secrets).length > 0, 'buildSecrets', 'it runs no commands that could read them'],
    [platforms.some((one) => one !== PLATFORM), 'platform', `it builds for ${PLATFORM}`],
    [cacheFrom.length > 0, 'cacheFrom', 'it needs no cache to send only what is new'],
    [cacheTo.length > 0, 'cacheTo', 'it needs no cache to send only what is new'],
    [docker?.dockerVersion !== undefined, 'dockerVersion', 'it uses no docker'],
    [docker?.buildxVersion !== undefined, 'buildxVersion', 'it uses no docker'],
  ];
  const broken = rules.find(([isUsed]) => isUsed);
  if (!broken) return;
  const [, input, why] = broken;
  throw new TaskError(
    `Input '${input}' can't be used with the builder direct: ${why}. Leave the input empty, or set input 'builder' to 'docker'.`,
  );
}

/**
 * Builds an image without an engine.
 *
 * @throws TaskError for a mistake in the Dockerfile, and for what in it needs an engine
 */
export async function buildDirectly(plan: BuildPlan, options: DirectBuildOptions): Promise<OciImage> {
  const built = await directBuild(plan, options);
  if (!(built instanceof NeedsEngine)) return built;
  const { line, instruction, reason } = built;
  throw new TaskError(
    `Line ${line} of ${plan.dockerfile}: ${instruction} can't be carried out by the builder direct, because ${reason}. Set input 'builder' to 'docker', or take the line out of the Dockerfile.`,
  );
}
