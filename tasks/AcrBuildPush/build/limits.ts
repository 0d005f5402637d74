import { TaskError } from '../../common/errors';
import type { BuildPlan } from '../build-plan';
import type { DockerRequest } from '../docker/install';

/** What of the inputs a builder has nothing for. The table in the docs is written from all of them. */
export interface Limit {
  readonly input: LimitedInput;
  /** What it can do all the same; undefined where it refuses all. */
  readonly allows?: string;
  /** Why, as a clause without a full stop. */
  readonly why: string;
  /** What to do, as a sentence without a full stop. */
  readonly remedy: string;
  readonly isPassed: (plan: BuildPlan, docker: DockerRequest | undefined) => boolean;
}

/** The inputs that not every builder takes, in the order of the docs. */
export const LIMITED_INPUTS = [
  'buildArgs',
  'buildSecrets',
  'platform',
  'cacheFrom',
  'cacheTo',
  'dockerOptions',
  'dockerVersion',
  'buildxVersion',
] as const;
type LimitedInput = (typeof LIMITED_INPUTS)[number];

/** Whether a plan uses an input at all, of those that some builders take nothing of. */
export const USES: Readonly<Record<Exclude<LimitedInput, 'buildArgs'>, Limit['isPassed']>> = {
  buildSecrets: ({ secrets }) => Object.keys(secrets).length > 0,
  platform: ({ platforms }) => platforms.length > 0,
  cacheFrom: ({ cacheFrom }) => cacheFrom.length > 0,
  cacheTo: ({ cacheTo }) => cacheTo.length > 0,
  dockerOptions: ({ dockerOptions }) => dockerOptions.length > 0,
  dockerVersion: (_, docker) => docker?.dockerVersion !== undefined,
  buildxVersion: (_, docker) => docker?.buildxVersion !== undefined,
};

/** The first limit that a plan goes beyond; undefined where there is none. */
export function findLimit(
  limits: readonly Limit[],
  plan: BuildPlan,
  docker: DockerRequest | undefined,
): Limit | undefined {
  return limits.find(({ isPassed }) => isPassed(plan, docker));
}

/**
 * Refuses what a builder has nothing for.
 *
 * @param builder as messages name it
 */
export function refuseBeyond(
  limits: readonly Limit[],
  builder: string,
  plan: BuildPlan,
  docker: DockerRequest | undefined,
): void {
  const limit = findLimit(limits, plan, docker);
  if (!limit) return;
  const { input, why, remedy } = limit;
  throw new TaskError(`Input '${input}' can't be used with ${builder}: ${why}. ${remedy}.`);
}
