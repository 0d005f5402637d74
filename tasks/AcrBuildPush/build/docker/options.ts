import { type BuildPlan, INLINE_CACHE } from '../../build-plan';
import { type BuilderKind, describeBuilder, type Engine } from '../../docker/engine';
import { findForBuildKit } from '../../docker/extra-options';
import { type Limit, refuseBeyond, USES } from '../limits';

const REMEDY =
  "Install docker's buildx plugin on this agent, or have input 'dockerVersion' do it; or leave the input empty";
const TAKES_BUILDKIT = 'it takes BuildKit';

/** What docker's builders can't do. */
export const DOCKER_LIMITS: Readonly<Record<BuilderKind, readonly Limit[]>> = {
  buildx: [],
  'built-in': [
    {
      input: 'platform',
      allows: 'one',
      why: 'several platforms take buildx',
      remedy: REMEDY,
      isPassed: ({ platforms }) => platforms.length > 1,
    },
    {
      input: 'cacheFrom',
      allows: 'names of images',
      why: 'anything but the name of an image takes buildx',
      remedy: REMEDY,
      isPassed: ({ cacheFrom }) => cacheFrom.some(isSpecification),
    },
    {
      input: 'cacheTo',
      allows: `\`${INLINE_CACHE}\``,
      why: `anything but '${INLINE_CACHE}' takes buildx`,
      remedy: REMEDY,
      isPassed: ({ cacheTo }) => cacheTo.some((one) => one !== INLINE_CACHE),
    },
  ],
  legacy: [
    ...(['buildSecrets', 'platform', 'cacheFrom', 'cacheTo'] as const).map((input) => ({
      input,
      why: TAKES_BUILDKIT,
      remedy: REMEDY,
      isPassed: USES[input],
    })),
    {
      input: 'dockerOptions',
      allows: 'those that it knows',
      why: 'an option in it takes BuildKit',
      remedy: REMEDY,
      isPassed: ({ dockerOptions }) => findForBuildKit(dockerOptions) !== undefined,
    },
  ],
};

/**
 * Refuses what a builder can't do. Docker would ignore some of it without a word: the legacy builder builds without
 * the secrets, and for the engine's own platform.
 */
export function refuseUnsupported(plan: BuildPlan, engine: Engine, env: NodeJS.ProcessEnv): void {
  const isAskedFor = env.DOCKER_BUILDKIT === '0' && engine.builder === 'legacy';
  const remedy = 'Take DOCKER_BUILDKIT=0 out of the environment of the step; or leave the input empty';
  const limits = DOCKER_LIMITS[engine.builder];
  refuseBeyond(
    isAskedFor ? limits.map((limit) => ({ ...limit, remedy })) : limits,
    describeBuilder(engine),
    plan,
    undefined,
  );
}

/** The flags for secrets, platforms and caches. Of secrets they hold the names of variables only. */
export function optionFlags(
  { secrets, platforms, cacheFrom, cacheTo }: BuildPlan,
  builder: BuilderKind,
): string[] {
  const isBuildx = builder === 'buildx';
  const caches = cacheTo.map((cache) => {
    if (cache === INLINE_CACHE)
      return isBuildx ? ['--cache-to', 'type=inline'] : ['--build-arg', 'BUILDKIT_INLINE_CACHE=1'];
    return ['--cache-to', isSpecification(cache) ? cache : `type=registry,ref=${cache},mode=max`];
  });
  return [
    ...Object.keys(secrets).flatMap((id, index) => ['--secret', `id=${id},env=${secretVariable(index)}`]),
    ...(platforms.length > 0 ? ['--platform', platforms.join(',')] : []),
    ...cacheFrom.flatMap((cache) => [
      '--cache-from',
      isBuildx && !isSpecification(cache) ? `type=registry,ref=${cache}` : cache,
    ]),
    ...caches.flat(),
  ];
}

/** The values of the secrets, for the environment of docker alone. */
export function secretEnvironment({ secrets }: BuildPlan): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.values(secrets).map((value, index) => [secretVariable(index), value]));
}

function secretVariable(index: number): string {
  return `ACR_BUILD_PUSH_SECRET_${index}`;
}

/** `type=registry,ref=…`, as buildx takes it. */
function isSpecification(cache: string): boolean {
  return cache.includes('=');
}
