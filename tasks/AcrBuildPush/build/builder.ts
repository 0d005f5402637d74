import type { TaskContext } from '../../common/task';
import type { BuilderChoice, BuildPlan } from '../build-plan';
import { readIgnoreRules, walkContext } from '../context/build-context';
import { describeBigContext, measureContext } from '../context/size';
import type { EngineImage } from '../docker/engine';
import type { BaseImage, OciImage } from '../image/image';
import type { Inputs } from '../inputs';
import { baseLabels } from '../labels';
import type { RegistryClient } from '../registry/client';
import type { CredentialSource } from '../registry/credentials';
import type { EarlierImages } from '../registry/earlier-images';
import type { KnownLayers } from '../registry/known-layers';
import type { RemoteImage } from './docker/build';

/** What a builder made: an image that an engine holds, one that is in the registry already, or one that is here. */
export type BuiltImage = EngineImage | RemoteImage | OciImage;

/** Somebody who is ready to build: whatever could be wrong with the plan has been found out. */
export interface Builder {
  readonly kind: Exclude<BuilderChoice, 'auto'>;
  /** For the log and the summary: `docker 28.2.2 (legacy builder)`. */
  readonly description: string;
  /** What is built, with what has been learnt of its base image. */
  readonly plan: BuildPlan;
  /**
   * @param tags those to publish, the first of which a builder may set by itself
   * @param known layers that the registry has
   */
  build(tags: readonly string[], known: Promise<KnownLayers>): Promise<BuiltImage>;
}

/** What is asked of a builder. */
export interface BuilderRequest
  extends Pick<Inputs, 'builder' | 'docker' | 'identity' | 'loginServer' | 'repository' | 'push'> {
  /** For the registry of the step. */
  readonly credentials: CredentialSource | undefined;
  readonly registry: RegistryClient;
  readonly earlier: EarlierImages;
}

/**
 * Logs what a big context is made of.
 *
 * @returns its size in bytes, or infinity where it has too many files to add up
 */
export function reportContext(
  { context, dockerfile }: BuildPlan,
  isLegacy: boolean,
  log: TaskContext['log'],
): number {
  const rules = readIgnoreRules(context, dockerfile, { isLegacy });
  const size = measureContext(walkContext(context, rules));
  const remark = describeBigContext(size);
  if (remark) log.info(remark);
  return size.isPartial ? Number.POSITIVE_INFINITY : size.bytes;
}

/** A plan that names its base image in labels. */
export function withBase(plan: BuildPlan, base: BaseImage | undefined): BuildPlan {
  return { ...plan, base, labels: { ...baseLabels(base), ...plan.labels } };
}
