import { EntraTokens } from '../common/entra';
import type { AzureServiceConnection } from '../common/service-connection';
import type { TaskContext } from '../common/task';
import { plural } from '../common/text';
import type { CredentialSource } from './acr/credentials';
import { digestOfBytes } from './acr/registry';
import { ResourceManager } from './acr/resource-manager';
import { buildWithTasks, refuseForTasks } from './acr/tasks-build';
import { type BaseImage, countInstructions } from './base-image';
import type { BuilderChoice } from './builder-choice';
import { readIgnoreRules, walkContext } from './context/build-context';
import { describeBigContext, measureContext } from './context/size';
import { buildWithDocker } from './docker/build';
import { DockerCli, NoEngineError } from './docker/cli';
import { describeBuilder, findEngine, pulledDigest } from './docker/engine';
import { dockerLogin } from './docker/logins';
import { refuseUnsupported } from './docker/options';
import type { Inputs } from './inputs';
import { baseLabels } from './labels';
import { planDirectly, planIfPossible, refuseForDirect } from './oci/builder';
import type { DirectBuildOptions, PlannedImage } from './oci/direct-build';
import type { EarlierImages } from './oci/earlier-images';
import { createPull } from './oci/pull';
import type { BuildPlan, Plan } from './plan';
import type { BuiltImage } from './publish';

/** Somebody who is ready to build: whatever could be wrong with the plan has been found out. */
export interface Builder {
  readonly kind: Exclude<BuilderChoice, 'auto'>;
  /** For the log and the summary: `docker 28.2.2 (legacy builder)`. */
  readonly description: string;
  /** What is built, with what has been learnt of its base image. */
  readonly plan: BuildPlan;
  /** @param tags those to publish, the first of which a builder may set by itself */
  build(tags: readonly string[]): Promise<BuiltImage>;
}

interface Request
  extends Pick<Inputs, 'builder' | 'docker' | 'identity' | 'loginServer' | 'repository' | 'push'> {
  /** For the registry of the step. */
  readonly credentials: CredentialSource | undefined;
  readonly earlier: EarlierImages;
}

/**
 * Finds the builder. `auto` takes the step itself where it can do without an engine, then docker where its engine
 * answers, and then the registry's own service where the step has a connection to Azure.
 *
 * @param env the environment of a docker with a configuration of the step's own
 */
export async function prepareBuilder(
  request: Request,
  plan: Plan,
  env: NodeJS.ProcessEnv,
  task: TaskContext,
): Promise<Builder> {
  switch (request.builder) {
    case 'docker':
      return prepareDocker(request, plan, env, task);
    case 'acrTasks':
      return prepareTasks(request, plan, azureConnection(request)!, task);
    case 'direct':
      refuseForDirect(plan.build, request.docker);
      return direct(plan, await planDirectly(plan.build, directOptions(request, env, task)), task);
    case 'auto':
      return chooseBuilder(request, plan, env, task);
  }
}

async function chooseBuilder(
  request: Request,
  plan: Plan,
  env: NodeJS.ProcessEnv,
  task: TaskContext,
): Promise<Builder> {
  const { log } = task;
  const planned = await planIfPossible(plan.build, request.docker, directOptions(request, env, task));
  const needsEngine = typeof planned === 'string';
  if (!needsEngine && request.push) {
    log.info('This step builds the image by itself: nothing in the Dockerfile needs a Docker engine.');
    return direct(plan, planned, task);
  }
  try {
    const docker = await prepareDocker(request, plan, env, task);
    const reason = needsEngine ? planned : 'nothing is pushed, and later steps may look for the image there';
    log.info(`The Docker engine builds the image: ${reason}.`);
    return docker;
  } catch (error) {
    if (!(error instanceof NoEngineError)) throw error;
    if (!needsEngine) {
      log.info('This step builds the image by itself: no Docker engine answers, and none is needed.');
      return direct(plan, planned, task);
    }
    const connection = azureConnection(request);
    if (!connection?.subscriptionId) {
      throw new NoEngineError(`${error.message} It takes an engine to build this image: ${planned}.`, {
        details: error.details,
        cause: error,
      });
    }
    log.info(`${error.message} So the registry's own service builds the image: ${planned}.`);
    return prepareTasks(request, plan, connection, task);
  }
}

function azureConnection({ identity }: Request): AzureServiceConnection | undefined {
  return identity?.kind === 'azure' ? identity.connection : undefined;
}

async function prepareDocker(
  request: Request,
  { name, build: plan }: Plan,
  ownEnv: NodeJS.ProcessEnv,
  { log, signal, tempFolder }: TaskContext,
): Promise<Builder> {
  let env = ownEnv;
  if (request.docker) {
    // Few steps need it, and it takes a while to load.
    const { installDocker } = await import('./docker/install');
    env = await installDocker(request.docker, ownEnv, { log, signal });
  }
  const docker = new DockerCli({ env, signal, log });
  const [engine, base] = await Promise.all([findEngine(docker, env), knownBase(docker, plan)]);
  refuseUnsupported(plan, engine, env);
  reportContext(plan, engine.builder === 'legacy', log);
  const known = withBase(plan, base);
  return {
    kind: 'docker',
    description: describeBuilder(engine),
    plan: known,
    async build(tags) {
      log.info(`Engine ${engine.serverVersion}, ${engine.platform}.`);
      const build = { plan: known, builder: engine.builder, name, tags, push: request.push };
      const image = await buildWithDocker(docker, build, { tempFolder, log });
      // The labels of the step are one more for the legacy builder, and none for BuildKit.
      const labelSteps = engine.builder === 'legacy' ? 1 : 0;
      const ownInstructions = countInstructions(known.recipe, known.target) + labelSteps;
      return 'id' in image ? { ...image, docker, ownInstructions } : image;
    },
  };
}

async function prepareTasks(
  { loginServer, repository, push }: Request,
  { build: plan }: Plan,
  connection: AzureServiceConnection,
  task: TaskContext,
): Promise<Builder> {
  refuseForTasks(plan);
  const azure = new ResourceManager(connection, new EntraTokens(connection, task), task.http);
  const registry = await azure.findRegistry(loginServer);
  reportContext(plan, true, task.log);
  const known = withBase(plan, plan.base);
  return {
    kind: 'acrTasks',
    description: `Azure Container Registry Tasks of ${loginServer}`,
    plan: known,
    build: (tags) =>
      buildWithTasks(
        { plan: known, registry, loginServer, repository, tag: tags[0]!, push },
        { azure, http: task.http, log: task.log, signal: task.signal },
      ),
  };
}

function directOptions(
  { loginServer, credentials, earlier }: Request,
  env: NodeJS.ProcessEnv,
  { http, log, signal }: TaskContext,
): DirectBuildOptions {
  const credentialsFor = (host: string) => (host === loginServer && credentials) || dockerLogin(env, host);
  return { pull: createPull({ http, log, credentialsFor }), earlier, log, signal };
}

function direct({ build: plan }: Plan, planned: PlannedImage, { log }: TaskContext): Builder {
  const known = withBase(plan, plan.base && { ...plan.base, digest: planned.baseDigest });
  // Files are read while the registry is being asked.
  const made = planned.make(known.labels);
  // It is awaited by the build; until then its failure is not unheard of.
  made.catch(() => undefined);
  return {
    kind: 'direct',
    description: 'the builder of this step, without an engine',
    plan: known,
    async build() {
      const image = await made;
      log.info(`Image ${digestOfBytes(image.config)}, ${plural(image.layers.length, 'layer')}`);
      return image;
    },
  };
}

function reportContext({ context, dockerfile }: BuildPlan, isLegacy: boolean, log: TaskContext['log']): void {
  const rules = readIgnoreRules(context, dockerfile, { isLegacy });
  const remark = describeBigContext(measureContext(walkContext(context, rules)));
  if (remark) log.info(remark);
}

/** The base image with its digest, where the Dockerfile or the engine knows it. Nothing is pulled for it. */
async function knownBase(docker: DockerCli, { base }: BuildPlan): Promise<BaseImage | undefined> {
  if (!base || base.digest) return base;
  return { ...base, digest: await pulledDigest(docker, base.name) };
}

function withBase(plan: BuildPlan, base: BaseImage | undefined): BuildPlan {
  return { ...plan, base, labels: { ...baseLabels(base), ...plan.labels } };
}
