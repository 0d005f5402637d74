import { TaskError } from '../../common/errors';
import type { BaseImage } from '../image/image';
import { asBaseImage, type ImageName, readImageName } from '../image/image-name';
import { flagOf, parseDockerfile } from './instructions';
import { StagePlan, type StageRequest } from './stage-plan';

/**
 * Finds the image at the bottom of the stage that is built, through all stages in between.
 *
 * @returns undefined for `scratch`, and where a name can't be told, or not for all platforms
 */
export function findBaseImage(recipe: string, requests: readonly StageRequest[]): BaseImage | undefined {
  const names = new Set(requests.map((request) => baseName(recipe, request)));
  const [image] = names;
  if (names.size > 1 || image === undefined || image === 'scratch') return undefined;
  const name = readImageName(image);
  return name && asBaseImage(name);
}

function baseName(recipe: string, request: StageRequest): string | undefined {
  return asFarAsTold(() => {
    const stages = new StagePlan(parseDockerfile(recipe), request);
    return stages.imageOf(stages.chain().at(-1)!.from);
  });
}

/** The images that stages of a Dockerfile are built on, or copy from, as far as their names can be told. */
export function findImages(recipe: string, request: StageRequest): ImageName[] {
  const images = asFarAsTold(() => {
    const stages = new StagePlan(parseDockerfile(recipe), request);
    return stages.stages.flatMap((stage) => {
      const froms = stage.instructions.flatMap((one) =>
        one.keyword === 'COPY' ? (flagOf(one, 'from') ?? []) : [],
      );
      const others = froms.filter((name) => !stages.named(stage, name));
      return [...(stages.below(stage) ? [] : [stages.imageOf(stage.from)]), ...others];
    });
  });
  return (images ?? []).flatMap((name) => (name === 'scratch' ? [] : (readImageName(name) ?? [])));
}

/** How many instructions of a Dockerfile make up the image on top of its base image. */
export function countInstructions(recipe: string, request: StageRequest): number {
  const count = asFarAsTold(() => {
    const chain = new StagePlan(parseDockerfile(recipe), request).chain();
    return chain.reduce((sum, { instructions }) => sum + instructions.length, 0);
  });
  return count ?? 0;
}

/**
 * How the name of an image came about, as a sentence.
 *
 * @param message that may name an image which a stage is built on
 * @returns undefined where it names none, or the line of the Dockerfile just says it
 */
export function explainBaseName(recipe: string, request: StageRequest, message: string): string | undefined {
  return asFarAsTold(() => {
    const stages = new StagePlan(parseDockerfile(recipe), request);
    const named = stages.stages.find(
      ({ from }) => /[$"']/.test(from.image) && message.includes(stages.imageOf(from)),
    );
    return named && stages.explainName(named.from);
  });
}

/** Whatever is wrong with a Dockerfile is for its builder to say. */
function asFarAsTold<T>(find: () => T): T | undefined {
  try {
    return find();
  } catch (error) {
    if (error instanceof TaskError) return undefined;
    throw error;
  }
}
