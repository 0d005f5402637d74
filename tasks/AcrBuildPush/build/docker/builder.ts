import { throwIfCancelled } from '../../../common/cancel';
import { TaskError } from '../../../common/errors';
import type { TaskContext } from '../../../common/task';
import { plural } from '../../../common/text';
import { type BuildPlan, INLINE_CACHE, stageRequest } from '../../build-plan';
import { DockerCli } from '../../docker/cli';
import { describeBuilder, type Engine, findEngine, findInEngine } from '../../docker/engine';
import { countInstructions } from '../../dockerfile/base-image';
import { type BaseImage, digestOfBytes } from '../../image/image';
import { agentPlatform } from '../../image/platform';
import type { Plan } from '../../plan';
import type { KnownLayers } from '../../registry/known-layers';
import { findDigest, type PullOptions } from '../../registry/pull';
import { type Builder, type BuilderRequest, type BuiltImage, reportContext, withBase } from '../builder';
import { type DirectBuildOptions, type Head, planDirectBuild } from '../direct/direct-build';
import { NeedsEngine } from '../needs-engine';
import { type Split, splitBuild } from '../split';
import { buildWithDocker, mayBuildFromElsewhere } from './build';
import { readEngineParent } from './engine-parent';
import { refuseUnsupported } from './options';

/** An engine that can build what is planned. */
export interface ReadyEngine {
  readonly docker: DockerCli;
  readonly engine: Engine;
  /** `<login server>/<repository>`. */
  readonly name: string;
  readonly plan: BuildPlan;
  /** Bytes of the build context. */
  readonly contextSize: number;
  readonly request: BuilderRequest;
  readonly task: TaskContext;
}

/**
 * Finds docker and its engine.
 *
 * @param pullOptions to ask for the digest of a base image that the engine does not have yet
 * @throws NoEngineError where none answers; TaskError for what this one can't do
 */
export async function readyEngine(
  request: BuilderRequest,
  { name, build: plan }: Plan,
  ownEnv: NodeJS.ProcessEnv,
  pullOptions: PullOptions,
  task: TaskContext,
): Promise<ReadyEngine> {
  const { log, signal } = task;
  let env = ownEnv;
  if (request.docker) {
    // Few steps need it, and it takes a while to load.
    const { installDocker } = await import('../../docker/install');
    env = await installDocker(request.docker, ownEnv, { log, signal });
  }
  const docker = new DockerCli({ env, signal, log });
  const ask = (image: string) => findDigest(image, signal, pullOptions);
  const [engine, base] = await Promise.all([findEngine(docker, env), knownBase(docker, plan, ask)]);
  refuseUnsupported(plan, engine, env);
  const contextSize = reportContext(plan, engine.builder === 'legacy', log);
  return { docker, engine, name, plan: withBase(plan, base), contextSize, request, task };
}

/** Has docker build all of an image. */
export function engineBuilder(ready: ReadyEngine): Builder {
  return {
    kind: 'docker',
    description: describeBuilder(ready.engine),
    plan: ready.plan,
    build(tags) {
      const { engine, task } = ready;
      task.log.info(`Engine ${engine.serverVersion}, ${engine.platform}.`);
      return buildAll(ready, tags);
    },
  };
}

async function buildAll(
  { docker, engine, name, plan, request, task }: ReadyEngine,
  tags: readonly string[],
): Promise<BuiltImage> {
  const build = { plan, builder: engine.builder, name, tags, push: request.push };
  const image = await buildWithDocker(docker, build, task);
  // The labels of the step are one more for the legacy builder, and none for BuildKit.
  const labelSteps = engine.builder === 'legacy' ? 1 : 0;
  const ownInstructions = countInstructions(plan.recipe, stageRequest(plan)) + labelSteps;
  return 'id' in image ? { ...image, docker, ownInstructions } : image;
}

/** How a Dockerfile can be split between an engine and this step; undefined where the engine had better do it all. */
export function splitForEngine({ engine, plan }: ReadyEngine): Split | undefined {
  const { platforms, cacheTo } = plan;
  const { os, architecture } = agentPlatform();
  const isOwnPlatform = engine.platform === `${os}/${architecture}`;
  const canGoOn =
    // Files on Windows have no permissions that the image could take over.
    process.platform !== 'win32' &&
    (platforms.length === 1 ? platforms[0]!.startsWith('linux/') : platforms.length === 0 && isOwnPlatform) &&
    // Its notes are a part of the image that the engine builds.
    !cacheTo.includes(INLINE_CACHE) &&
    !plan.arguments.BUILDKIT_INLINE_CACHE &&
    mayBuildFromElsewhere(plan, engine.builder);
  return canGoOn ? splitBuild(plan) : undefined;
}

/** Has docker build an image as far as it takes an engine, and adds the rest without it. */
export function splitBuilder(ready: ReadyEngine, split: Split, options: DirectBuildOptions): Builder {
  const { engine, plan, task } = ready;
  const { log, signal } = task;
  let isSplit = true;
  return {
    kind: 'docker',
    get description() {
      const rest = isSplit ? `, from line ${split.lines + 1} on this step` : '';
      return `${describeBuilder(engine)}${rest}`;
    },
    plan,
    async build(tags, known) {
      log.info(`Engine ${engine.serverVersion}, ${engine.platform}.`);
      try {
        return await buildInTwo(ready, split, known, options);
      } catch (error) {
        throwIfCancelled(signal);
        if (!(error instanceof SplitError)) throw error;
        for (const detail of error.details) log.info(detail);
        log.info(`${error.message} So the engine builds the rest as well.`);
        isSplit = false;
        return buildAll(ready, tags);
      }
    },
  };
}

/** What keeps this step from going on where the engine left off. */
class SplitError extends TaskError {}

async function buildInTwo(
  { docker, engine, name, plan, contextSize, request, task }: ReadyEngine,
  split: Split,
  known: Promise<KnownLayers>,
  options: DirectBuildOptions,
): Promise<BuiltImage> {
  const { log, signal, tempFolder } = task;
  const { registry, earlier } = request;
  const build = { plan, head: split.head, builder: engine.builder, name, tags: [], push: request.push };
  const built = await buildWithDocker(docker, build, task);
  if (!('id' in built)) throw new Error('docker has built for several platforms');
  const image = {
    docker,
    id: built.id,
    ownInstructions: countInstructions(split.head, stageRequest({ ...plan, target: undefined })),
  };
  const places = { registry, earlier, known: await known, tempFolder };
  const parent = await readEngineParent(image, { ...places, more: contextSize, log, signal }).catch(
    asSplitError,
  );
  try {
    const whole = await addRest(plan, { split, image: parent.image }, options);
    log.info(`Image ${digestOfBytes(whole.config)}, ${plural(whole.layers.length, 'layer')}`);
    return { ...whole, close: () => parent.close() };
  } catch (error) {
    await parent.close();
    return asSplitError(error);
  }
}

async function addRest(plan: BuildPlan, head: Head, options: DirectBuildOptions) {
  const planned = await planDirectBuild(plan, options, head);
  if (!(planned instanceof NeedsEngine)) return planned.make(plan.labels);
  const { line, instruction, reason } = planned;
  throw new TaskError(`Line ${line} of the Dockerfile, ${instruction}: ${reason}.`);
}

/** Nothing that is new or odd here must fail a build that the engine may carry out. */
function asSplitError(error: unknown): never {
  if (!(error instanceof TaskError)) throw error;
  throw new SplitError(error.message, { details: error.details, cause: error });
}

/** The base image with its digest: that of the Dockerfile, else of the engine's own, else of the one it would pull. */
async function knownBase(
  docker: DockerCli,
  { base }: BuildPlan,
  ask: (image: string) => Promise<string | undefined>,
): Promise<BaseImage | undefined> {
  if (!base || base.digest) return base;
  const found = await findInEngine(docker, base.name);
  if (!found) return { ...base, digest: await ask(base.name) };
  const { digest, isPulled } = found;
  return { ...base, digest: digest && !isPulled ? await ask(`${base.name}@${digest}`) : digest };
}
