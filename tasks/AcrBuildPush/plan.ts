import { readFileSync } from 'node:fs';
import { declaredArguments } from './docker/dockerfile';
import { findBaseImage } from './dockerfile/base-image';
import type { BaseImage } from './image/image';
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

/** What any builder needs to know. */
export interface BuildPlan {
  readonly dockerfile: string;
  /** The Dockerfile's text. */
  readonly recipe: string;
  readonly context: string;
  readonly arguments: Readonly<Record<string, string>>;
  readonly labels: Readonly<Record<string, string>>;
  readonly target: string | undefined;
  readonly base: BaseImage | undefined;
  /** By the ids that `RUN --mount=type=secret,id=…` reads them by. */
  readonly secrets: Readonly<Record<string, string>>;
  /** Such as `linux/arm64`. None: the engine's own. */
  readonly platforms: readonly string[];
  /** Names of images with their registries, or what buildx takes besides: `type=…,…`. */
  readonly cacheFrom: readonly string[];
  readonly cacheTo: readonly string[];
}

/** Works out names, labels and build arguments. Reads the Dockerfile, and touches nothing else. */
export function makePlan(inputs: Inputs, origin: Origin): Plan {
  const remarks = [...inputs.tagRemarks];
  const { version } = inputs;

  const recipe = readFileSync(inputs.dockerfile, 'utf8');
  const ownArguments = inputs.buildArgs;
  const giveVersion = !('VERSION' in ownArguments) && declaredArguments(recipe).has('VERSION');
  if (giveVersion) remarks.push(`Build argument VERSION is ${version}.`);

  const buildArguments = giveVersion ? { ...ownArguments, VERSION: version } : ownArguments;
  return {
    name: `${inputs.loginServer}/${inputs.repository}`,
    tags: inputs.tags,
    build: {
      dockerfile: inputs.dockerfile,
      recipe,
      context: inputs.buildContext,
      arguments: buildArguments,
      labels: imageLabels(version, origin, inputs.model, inputs.labels),
      target: inputs.target,
      secrets: inputs.buildSecrets,
      platforms: inputs.platforms,
      cacheFrom: inputs.cacheFrom,
      cacheTo: inputs.cacheTo,
      base: findBaseImage(recipe, inputs.target, buildArguments),
    },
    remarks,
  };
}
