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
import { describeBigContext, measureContext, readIgnoreRules } from './context/size';
import { buildWithDocker } from './docker/build';
import { DockerCli, NoEngineError } from './docker/cli';
import { describeBuilder, findEngine, pulledDigest } from './docker/engine';
import { refuseUnsupported } from './docker/options';
import type { Inputs } from './inputs';
import { baseLabels } from './labels';
import { buildDirectly, refuseForDirect } from './oci/builder';
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
}

/**
 * Finds the builder. `auto` takes docker where its engine answers, and the registry's own service where it does not
 * and the step has a connection to Azure.
 *
 * @param env the environment of a docker with a configuration of the step's own
 */
export async function prepareBuilder(
  request: Request,
  plan: Plan,
  env: NodeJS.ProcessEnv,
  task: TaskContext,
): Promise<Builder> {
  const connection = request.identity?.kind === 'azure' ? request.identity.connection : undefined;
  if (request.builder === 'acrTasks') return prepareTasks(request, plan, connection!, task);
  if (request.builder === 'direct') return prepareDirect(request, plan, task);
  try {
    return await prepareDocker(request, plan, env, task);
  } catch (error) {
    const mayFallBack = request.builder === 'auto' && error instanceof NoEngineError;
    if (!mayFallBack || !connection?.subscriptionId) throw error;
    task.log.info(`${error.message} So the registry's own service builds the image.`);
    return prepareTasks(request, plan, connection, task);
  }
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
  await reportContext(plan, engine.builder === 'legacy', log);
  const known = withBase(plan, base);
  return {
    kind: 'docker',
    description: describeBuilder(engine),
    plan: known,
    async build(tags) {
      log.info(`Engine ${engine.serverVersion}, ${engine.platform}.`);
      const build = { plan: known, builder: engine.builder, name, tags, push: request.push };
      const image = await buildWithDocker(docker, build, { tempFolder, log });
      const ownInstructions = countInstructions(known.recipe, known.target);
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
  const [registry] = await Promise.all([
    azure.findRegistry(loginServer),
    reportContext(plan, true, task.log),
  ]);
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

async function prepareDirect(
  { docker, loginServer, credentials }: Request,
  { build: plan }: Plan,
  { http, log, signal }: TaskContext,
): Promise<Builder> {
  refuseForDirect(plan, docker);
  await reportContext(plan, false, log);
  const known = withBase(plan, plan.base);
  const credentialsFor = (host: string) => (host === loginServer ? credentials : undefined);
  const pull = createPull({ http, log, credentialsFor });
  return {
    kind: 'direct',
    description: 'the builder of this step, without an engine',
    plan: known,
    async build() {
      const image = await buildDirectly(known, { pull, log, signal });
      log.info(`Image ${digestOfBytes(image.config)}, ${plural(image.layers.length, 'layer')}`);
      return image;
    },
  };
}

async function reportContext(plan: BuildPlan, isLegacy: boolean, log: TaskContext['log']): Promise<void> {
  const rules = readIgnoreRules(plan.context, plan.dockerfile, { isLegacy });
  const size = await measureContext(plan.context, rules).catch(() => undefined);
  const remark = size && describeBigContext(size);
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
