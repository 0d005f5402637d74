import type { AzureServiceConnection } from '../../common/service-connection';
import type { TaskContext } from '../../common/task';
import type { BaseNotes } from '../base-notes/base-notes';
import type { LayerPackages } from '../bill-of-materials/layer-packages';
import type { BuilderChoice, BuildPlan } from '../build-plan';
import { readIgnoreRules, walkContext } from '../context/build-context';
import { describeBigContext, measureContext } from '../context/size';
import type { EngineImage } from '../docker/engine';
import { dockerLogin } from '../docker/logins';
import type { BaseImage, OciImage } from '../image/image';
import type { Inputs } from '../inputs';
import { baseLabels } from '../labels';
import type { RegistryClient } from '../registry/client';
import type { CredentialSource } from '../registry/credentials';
import type { EarlierImages } from '../registry/earlier-images';
import type { KnownLayers } from '../registry/known-layers';
import type { PullOptions } from '../registry/pull';

/** An image that its builder has put into the registry; without a tag where it can. */
export interface RemoteImage {
  readonly digest: string;
}

/** What a builder made: an image that an engine holds, one that is in the registry already, or one that is here. */
export type BuiltImage = EngineImage | RemoteImage | OciImage;

/** Somebody who builds images, made once with all that it works with. */
export interface Builder {
  /**
   * Gets ready to build: whatever could be wrong with a plan is found out here.
   *
   * @throws TaskError for what this builder can't do, and for mistakes in the Dockerfile as far as it sees them now
   */
  prepare(plan: BuildPlan): Promise<PreparedBuild>;
}

/** A build that can begin. */
export interface PreparedBuild {
  readonly kind: Exclude<BuilderChoice, 'auto'>;
  /** For the log and the summary: `docker 28.2.2 (legacy builder)`. */
  readonly description: string;
  /** What is built, with what has been learnt of its base image. */
  readonly plan: BuildPlan;
  /**
   * @param tags those to publish, the first of which a builder may set by itself
   * @param known layers that the registry has
   * @returns undefined where nothing was to be pushed, and nothing is left of the image
   */
  build(tags: readonly string[], known: Promise<KnownLayers>): Promise<BuiltImage | undefined>;
}

/** What builders work with. */
export interface BuilderServices
  extends Pick<
    Inputs,
    | 'agentPool'
    | 'buildMinutes'
    | 'docker'
    | 'identity'
    | 'loginServer'
    | 'repository'
    | 'push'
    | 'smokeTest'
    | 'tags'
  > {
  /** For the registry of the step. */
  readonly credentials: CredentialSource | undefined;
  readonly registry: RegistryClient;
  readonly earlier: EarlierImages;
  /** What is noted beside base images. */
  readonly beside?: BaseNotes;
  /** What layers tell of packages; undefined where nobody asks. */
  readonly packages?: LayerPackages | undefined;
  /** The environment of a docker with a configuration of the step's own. */
  readonly env: NodeJS.ProcessEnv;
  readonly task: TaskContext;
}

/** How a step reads images of this registry and others: with its own credentials, or with docker's logins. */
export function pullOptions({ loginServer, credentials, env, task }: BuilderServices): PullOptions {
  const { http, log } = task;
  const credentialsFor = (host: string) =>
    (host === loginServer && credentials) || dockerLogin(env, host, log);
  return { http, log, credentialsFor };
}

/** The connection to Azure that a step signs in by; undefined where it does that by a password. */
export function azureConnection({
  identity,
}: Pick<BuilderServices, 'identity'>): AzureServiceConnection | undefined {
  return identity?.kind === 'azure' ? identity.connection : undefined;
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
