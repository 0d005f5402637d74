import { throwIfCancelled } from '../../../common/cancel';
import { TaskError } from '../../../common/errors';
import type { BuildPlan } from '../../build-plan';
import type { DockerRequest } from '../../docker/install';
import { NeedsEngine } from '../needs-engine';
import { type DirectBuildOptions, type PlannedImage, planDirectBuild } from './direct-build';

/** An input that means nothing without an engine. */
interface Obstacle {
  readonly input: string;
  /** Why not, as a clause without a full stop. */
  readonly reason: string;
}

/** The first input that this builder has nothing for; undefined where there is none. */
function findObstacle(
  { secrets, platforms, cacheFrom, cacheTo }: BuildPlan,
  docker: DockerRequest | undefined,
): Obstacle | undefined {
  const rules: [isUsed: boolean, input: string, reason: string][] = [
    [Object.keys(secrets).length > 0, 'buildSecrets', 'it runs no commands that could read them'],
    [platforms.length > 1, 'platform', 'it builds for one platform at a time'],
    [platforms.some((one) => !one.startsWith('linux/')), 'platform', 'it builds for Linux'],
    [cacheFrom.length > 0, 'cacheFrom', 'it needs no cache to send only what is new'],
    [cacheTo.length > 0, 'cacheTo', 'it needs no cache to send only what is new'],
    [docker?.dockerVersion !== undefined, 'dockerVersion', 'it uses no docker'],
    [docker?.buildxVersion !== undefined, 'buildxVersion', 'it uses no docker'],
  ];
  const broken = rules.find(([isUsed]) => isUsed);
  return broken && { input: broken[1], reason: broken[2] };
}

/** Refuses what this builder has nothing for. */
export function refuseForDirect(plan: BuildPlan, docker: DockerRequest | undefined): void {
  const obstacle = findObstacle(plan, docker);
  if (!obstacle) return;
  throw new TaskError(
    `Input '${obstacle.input}' can't be used with the builder direct: ${obstacle.reason}. Leave the input empty, or set input 'builder' to 'docker'.`,
  );
}

/**
 * Plans an image without an engine.
 *
 * @throws TaskError for a mistake in the Dockerfile, and for what in it needs an engine
 */
export async function planDirectly(plan: BuildPlan, options: DirectBuildOptions): Promise<PlannedImage> {
  const planned = await planDirectBuild(plan, options);
  if (!(planned instanceof NeedsEngine)) return planned;
  const { line, instruction, reason } = planned;
  throw new TaskError(
    `Line ${line} of ${plan.dockerfile}: ${instruction} can't be carried out by the builder direct, because ${reason}. Set input 'builder' to 'docker', or take the line out of the Dockerfile.`,
  );
}

/**
 * Plans an image without an engine where nothing asks for one.
 *
 * @returns otherwise why it takes an engine, as a clause: nothing that is new or odd here must fail a build that an
 * engine may carry out
 */
export async function planIfPossible(
  plan: BuildPlan,
  docker: DockerRequest | undefined,
  options: DirectBuildOptions,
): Promise<PlannedImage | string> {
  const obstacle = findObstacle(plan, docker);
  if (obstacle) return `input '${obstacle.input}' asks for it`;
  if (process.platform === 'win32')
    return 'files on Windows have no permissions that the image could take over';
  try {
    const planned = await planDirectBuild(plan, options);
    if (!(planned instanceof NeedsEngine)) return planned;
    return `line ${planned.line} of the Dockerfile, ${planned.instruction}: ${planned.reason}`;
  } catch (error) {
    throwIfCancelled(options.signal);
    if (error instanceof TaskError)
      return `this step can't build it by itself: ${error.message.replace(/\.$/, '')}`;
    throw error;
  }
}
