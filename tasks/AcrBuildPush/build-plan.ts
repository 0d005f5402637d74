import type { ExtraOption } from './docker/extra-options';
import type { StageRequest } from './dockerfile/stage-plan';
import type { BaseImage } from './image/image';
import { parsePlatform } from './image/platform';

/** Who may build an image: what input `builder` takes. */
export const BUILDERS = ['auto', 'docker', 'acrTasks', 'direct'] as const;
export type BuilderChoice = (typeof BUILDERS)[number];

/** How layers are stored: what input `compression` takes. `auto` decides for each layer. */
export const COMPRESSIONS = ['auto', 'gzip', 'none'] as const;
export type CompressionChoice = (typeof COMPRESSIONS)[number];

/** The word in `cacheTo` for a cache that travels within the image itself. */
export const INLINE_CACHE = 'inline';

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
  /** More options for docker. */
  readonly dockerOptions: readonly ExtraOption[];
}

/**
 * What a plan says of the stages of its Dockerfile.
 *
 * @param platform that is built for, of several
 */
export function stageRequest(
  { arguments: given, target, platforms }: Pick<BuildPlan, 'arguments' | 'target' | 'platforms'>,
  platform = platforms[0],
): StageRequest {
  return { arguments: given, target, platform: platform === undefined ? undefined : parsePlatform(platform) };
}
