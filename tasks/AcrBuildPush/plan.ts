import { readSourceFile } from '../common/files/source-file';
import { type BuildPlan, stageRequest } from './build-plan';
import { findBaseImage } from './dockerfile/base-image';
import { declaredArguments, findArguments } from './dockerfile/declared-arguments';
import type { Inputs } from './inputs';
import { imageLabels, type Origin } from './labels';
import type { PlannedTag } from './tags';

/** What is to be built, and under which names it is to be published. */
export interface Plan {
  /** `<login server>/<repository>`. */
  readonly name: string;
  /** In the order of publishing. The first is the one that the image goes by. */
  readonly tags: readonly PlannedTag[];
  readonly build: BuildPlan;
  /** What was made of the inputs that their author may not expect. */
  readonly remarks: readonly string[];
}

/** Bytes of a Dockerfile, at most. */
const LARGEST_DOCKERFILE = 16 * 1024 * 1024;

/** Works out names, labels and build arguments. Reads the Dockerfile, and touches nothing else. */
export function makePlan(inputs: Inputs, origin: Origin): Plan {
  const { version } = inputs;
  const recipe = readSourceFile(inputs.dockerfile, LARGEST_DOCKERFILE).toString('utf8');
  const automatic = automaticVersion(recipe, inputs);
  const remarks = [
    ...inputs.tagRemarks,
    ...(automatic ? [automatic.remark] : []),
    ...remarkUnused(recipe, inputs.buildArgs),
  ];
  const request = {
    arguments: { ...inputs.buildArgs, ...automatic?.arguments },
    target: inputs.target,
    platforms: inputs.platforms,
  };
  const platforms = inputs.platforms.length > 0 ? inputs.platforms : [undefined];
  return {
    name: `${inputs.loginServer}/${inputs.repository}`,
    tags: inputs.tags,
    build: {
      ...request,
      dockerfile: inputs.dockerfile,
      recipe,
      context: inputs.buildContext,
      labels: imageLabels(version, origin, inputs.model, inputs.labels),
      secrets: inputs.buildSecrets,
      cacheFrom: inputs.cacheFrom,
      cacheTo: inputs.cacheTo,
      dockerOptions: inputs.dockerOptions,
      base: findBaseImage(
        recipe,
        platforms.map((platform) => stageRequest(request, platform)),
      ),
    },
    remarks,
  };
}

/** Arguments that docker knows without an `ARG`. */
const PREDEFINED =
  /^(?:(?:https?|ftp|no|all)_proxy|BUILDKIT_\w+|SOURCE_DATE_EPOCH|(?:BUILD|TARGET)(?:PLATFORM|OS|OSVERSION|ARCH|VARIANT)|TARGETSTAGE)$/i;

/** What to say of arguments that no line declares: most often a name is misspelled. */
function remarkUnused(recipe: string, given: Inputs['buildArgs']): string[] {
  const declared = declaredArguments(recipe);
  const unused = Object.keys(given).filter((name) => !declared.has(name) && !PREDEFINED.test(name));
  if (unused.length === 0) return [];
  return [
    `Input 'buildArgs' gives ${unused.join(' and ')}, but the Dockerfile has no ARG line of that name, so nothing comes of it.`,
  ];
}

/** The argument that gets the image's version where a Dockerfile asks for it. */
const VERSION = 'VERSION';

/**
 * What becomes of `ARG VERSION`. It is given the version only where that can be all that it is for: one with a default,
 * or before the first `FROM`, stands for something else as often as not, such as the version of Python.
 */
function automaticVersion(
  recipe: string,
  { version, buildArgs }: Pick<Inputs, 'version' | 'buildArgs'>,
): { arguments: Record<string, string>; remark: string } | undefined {
  const { globals, inStages } = findArguments(recipe);
  const declared = [...globals, ...inStages].filter(({ name }) => name === VERSION);
  if (VERSION in buildArgs || declared.length === 0) return undefined;
  const asks =
    !globals.some(({ name }) => name === VERSION) && declared.every(({ value }) => value === undefined);
  if (asks) return { arguments: { [VERSION]: version }, remark: `Build argument ${VERSION} is ${version}.` };
  return {
    arguments: {},
    remark: `The Dockerfile has a value of its own for ${VERSION}, which stays. To give it the version of the image, add ${VERSION}=${version} to input 'buildArgs'.`,
  };
}
