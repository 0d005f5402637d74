import { awaitedLater } from '../../../common/awaited-later';
import { throwIfCancelled } from '../../../common/cancel';
import { TaskError } from '../../../common/errors';
import { plural } from '../../../common/text';
import type { BuildPlan } from '../../build-plan';
import { digestOfBytes } from '../../image/image';
import { createPull } from '../../registry/pull';
import { type Builder, type BuilderServices, type PreparedBuild, pullOptions, withBase } from '../builder';
import { findLimit, type Limit, refuseBeyond, USES } from '../limits';
import { haveReaderNeed, NeedsEngine } from '../needs-engine';
import { type DirectBuildOptions, type PlannedImage, planDirectBuild } from './direct-build';

const REMEDY = "Leave the input empty, or set input 'builder' to 'docker'";
const NO_CACHE = 'it needs no cache to send only what is new';

/** What means nothing without an engine. */
export const DIRECT_LIMITS: readonly Limit[] = [
  {
    input: 'buildArgs',
    allows: 'all but `BUILDKIT_SYNTAX` and `BUILDKIT_DOCKERFILE_CHECK`',
    why: 'BUILDKIT_SYNTAX and BUILDKIT_DOCKERFILE_CHECK have BuildKit read or check the Dockerfile',
    remedy: "Leave them out, or set input 'builder' to 'docker'",
    isPassed: ({ arguments: given }) => haveReaderNeed(given),
  },
  {
    input: 'buildSecrets',
    why: 'it runs no commands that could read them',
    remedy: REMEDY,
    isPassed: USES.buildSecrets,
  },
  {
    input: 'platform',
    allows: 'one of Linux',
    why: 'it builds for one platform at a time',
    remedy: "Name one platform, or set input 'builder' to 'docker'",
    isPassed: ({ platforms }) => platforms.length > 1,
  },
  {
    input: 'platform',
    allows: 'one of Linux',
    why: 'it builds for Linux',
    remedy: REMEDY,
    isPassed: ({ platforms }) => platforms.some((one) => !one.startsWith('linux/')),
  },
  { input: 'cacheFrom', why: NO_CACHE, remedy: REMEDY, isPassed: USES.cacheFrom },
  { input: 'cacheTo', why: NO_CACHE, remedy: REMEDY, isPassed: USES.cacheTo },
  { input: 'dockerOptions', why: 'it uses no docker', remedy: REMEDY, isPassed: USES.dockerOptions },
  { input: 'dockerVersion', why: 'it uses no docker', remedy: REMEDY, isPassed: USES.dockerVersion },
  { input: 'buildxVersion', why: 'it uses no docker', remedy: REMEDY, isPassed: USES.buildxVersion },
];

/** What a direct build works with. */
export function directOptions(services: BuilderServices): DirectBuildOptions {
  const { log, signal } = services.task;
  const { earlier, packages, beside } = services;
  return { pull: createPull(pullOptions(services)), earlier, beside, packages, log, signal };
}

/** What keeps the step from building an image by itself. */
export interface Obstacle {
  /** A clause. */
  readonly why: string;
  /** What is wrong with the Dockerfile or what it names, where that is why. */
  readonly mistake?: TaskError;
}

/** The step itself, without an engine. */
export class DirectBuilder implements Builder {
  private readonly options: DirectBuildOptions;

  constructor(private readonly services: BuilderServices) {
    this.options = directOptions(services);
  }

  async prepare(plan: BuildPlan): Promise<PreparedBuild> {
    refuseBeyond(DIRECT_LIMITS, 'the builder direct', plan, this.services.docker);
    return this.buildOf(plan, await planDirectly(plan, this.options));
  }

  /**
   * Gets ready to build where nothing asks for an engine.
   *
   * @returns otherwise why it takes an engine: nothing that is new or odd here must fail a build that an engine may carry
   * out
   */
  async prepareIfPossible(plan: BuildPlan): Promise<PreparedBuild | Obstacle> {
    const limit = findLimit(DIRECT_LIMITS, plan, this.services.docker);
    if (limit) return { why: `input '${limit.input}' asks for it` };
    try {
      const planned = await planDirectBuild(plan, this.options);
      if (!(planned instanceof NeedsEngine)) return this.buildOf(plan, planned);
      return { why: `line ${planned.line} of the Dockerfile, ${planned.instruction}: ${planned.reason}` };
    } catch (error) {
      throwIfCancelled(this.options.signal);
      if (!(error instanceof TaskError)) throw error;
      return {
        why: `this step can't build it by itself: ${error.message.replace(/\.$/, '')}`,
        mistake: error,
      };
    }
  }

  private buildOf(plan: BuildPlan, planned: PlannedImage): PreparedBuild {
    const known = withBase(plan, plan.base && { ...plan.base, digest: planned.baseDigest });
    let made: ReturnType<PlannedImage['make']> | undefined;
    // Files are read while the registry is being asked; the build awaits them, and tells of a failure.
    if (this.services.push) made = awaitedLater(planned.make(known.labels));
    return {
      kind: 'direct',
      description: 'the builder of this step, without an engine',
      plan: known,
      build: async () => {
        const image = await (made ?? planned.make(known.labels));
        const digest = digestOfBytes(image.config);
        this.options.log.info(`Image ${digest}, ${plural(image.layers.length, 'layer')}`);
        return image;
      },
    };
  }
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
