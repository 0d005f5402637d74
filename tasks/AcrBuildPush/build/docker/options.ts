import { TaskError } from '../../../common/errors';
import { type BuildPlan, INLINE_CACHE } from '../../build-plan';
import { type BuilderKind, describeBuilder, type Engine } from '../../docker/engine';

/**
 * Refuses what a builder can't do. Docker would ignore some of it without a word: the legacy builder builds without
 * the secrets, and for the engine's own platform.
 */
export function refuseUnsupported(plan: BuildPlan, engine: Engine, env: NodeJS.ProcessEnv): void {
  const unsupported = unsupportedInput(plan, engine.builder);
  if (!unsupported) return;
  const { input, needs } = unsupported;
  const remedy =
    env.DOCKER_BUILDKIT === '0' && engine.builder === 'legacy'
      ? 'Take DOCKER_BUILDKIT=0 out of the environment of the step'
      : "Install docker's buildx plugin on this agent, or have input 'dockerVersion' do it";
  throw new TaskError(
    `Input '${input}' needs ${needs}, but the builder here is ${describeBuilder(engine)}. ${remedy}; or leave the input empty.`,
  );
}

function unsupportedInput(
  { secrets, platforms, cacheFrom, cacheTo }: BuildPlan,
  builder: BuilderKind,
): { input: string; needs: string } | undefined {
  if (builder === 'buildx') return undefined;
  const isLegacy = builder === 'legacy';
  const rules: [isUsed: boolean, input: string, needs: string][] = [
    [isLegacy && Object.keys(secrets).length > 0, 'buildSecrets', 'BuildKit'],
    [isLegacy && platforms.length > 0, 'platform', 'BuildKit'],
    [isLegacy && cacheFrom.length > 0, 'cacheFrom', 'BuildKit'],
    [isLegacy && cacheTo.length > 0, 'cacheTo', 'BuildKit'],
    [platforms.length > 1, 'platform', 'buildx for several platforms'],
    [cacheFrom.some(isSpecification), 'cacheFrom', 'buildx for anything but the name of an image'],
    [cacheTo.some((one) => one !== INLINE_CACHE), 'cacheTo', `buildx for anything but '${INLINE_CACHE}'`],
  ];
  const broken = rules.find(([isUsed]) => isUsed);
  return broken && { input: broken[1], needs: broken[2] };
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
