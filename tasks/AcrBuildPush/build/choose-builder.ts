import { EntraTokens } from '../../common/entra';
import type { AzureServiceConnection } from '../../common/service-connection';
import type { TaskContext } from '../../common/task';
import { plural } from '../../common/text';
import { NoEngineError } from '../docker/cli';
import { dockerLogin } from '../docker/logins';
import { digestOfBytes } from '../image/image';
import type { Plan } from '../plan';
import { createPull, findDigest, type PullOptions } from '../registry/pull';
import { ResourceManager } from './acr-tasks/resource-manager';
import { buildWithTasks, refuseForTasks } from './acr-tasks/tasks-build';
import { type Builder, type BuilderRequest, reportContext, withBase } from './builder';
import { planDirectly, planIfPossible, refuseForDirect } from './direct/builder';
import type { DirectBuildOptions, PlannedImage } from './direct/direct-build';
import { engineBuilder, readyEngine, splitBuilder, splitForEngine } from './docker/builder';

/**
 * Finds the builder. `auto` takes the step itself where it can do without an engine, then docker where its engine
 * answers, and then the registry's own service where the step has a connection to Azure.
 *
 * @param env the environment of a docker with a configuration of the step's own
 */
export async function prepareBuilder(
  request: BuilderRequest,
  plan: Plan,
  env: NodeJS.ProcessEnv,
  task: TaskContext,
): Promise<Builder> {
  switch (request.builder) {
    case 'docker':
      return engineBuilder(await readyEngine(request, plan, env, pullOptions(request, env, task), task));
    case 'acrTasks':
      return prepareTasks(request, plan, azureConnection(request)!, env, task);
    case 'direct':
      refuseForDirect(plan.build, request.docker);
      return direct(plan, await planDirectly(plan.build, directOptions(request, env, task)), task);
    case 'auto':
      return chooseBuilder(request, plan, env, task);
  }
}

async function chooseBuilder(
  request: BuilderRequest,
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
    const engine = await readyEngine(request, plan, env, pullOptions(request, env, task), task);
    const split = needsEngine && request.push ? splitForEngine(engine) : undefined;
    const reason = needsEngine ? planned : 'nothing is pushed, and later steps may look for the image there';
    if (split) {
      log.info(
        `The Docker engine builds the first ${split.lines} lines of the Dockerfile, and this step adds the rest to that: ${reason}.`,
      );
      return splitBuilder(engine, split, directOptions(request, env, task));
    }
    log.info(`The Docker engine builds the image: ${reason}.`);
    return engineBuilder(engine);
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
    return prepareTasks(request, plan, connection, env, task);
  }
}

function azureConnection({ identity }: BuilderRequest): AzureServiceConnection | undefined {
  return identity?.kind === 'azure' ? identity.connection : undefined;
}

async function prepareTasks(
  request: BuilderRequest,
  { build: plan }: Plan,
  connection: AzureServiceConnection,
  env: NodeJS.ProcessEnv,
  task: TaskContext,
): Promise<Builder> {
  const { loginServer, repository, push } = request;
  refuseForTasks(plan);
  const azure = new ResourceManager(connection, new EntraTokens(connection, task), task.http);
  const registry = await azure.findRegistry(loginServer);
  reportContext(plan, true, task.log);
  const { base } = plan;
  const ask = (image: string) => findDigest(image, task.signal, pullOptions(request, env, task));
  const known = withBase(plan, base && { ...base, digest: base.digest ?? (await ask(base.name)) });
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
  request: BuilderRequest,
  env: NodeJS.ProcessEnv,
  task: TaskContext,
): DirectBuildOptions {
  const { log, signal } = task;
  return { pull: createPull(pullOptions(request, env, task)), earlier: request.earlier, log, signal };
}

function pullOptions(
  { loginServer, credentials }: BuilderRequest,
  env: NodeJS.ProcessEnv,
  { http, log }: TaskContext,
): PullOptions {
  const credentialsFor = (host: string) => (host === loginServer && credentials) || dockerLogin(env, host);
  return { http, log, credentialsFor };
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
