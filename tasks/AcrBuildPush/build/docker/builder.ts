import { type BuildPlan, stageRequest } from '../../build-plan';
import { DockerCli } from '../../docker/cli';
import { describeBuilder, type Engine, findEngine, findInEngine } from '../../docker/engine';
import { dockerEnvironment } from '../../docker/environment';
import { countInstructions } from '../../dockerfile/base-image';
import type { BaseImage } from '../../image/image';
import { findDigest } from '../../registry/pull';
import {
  type Builder,
  type BuilderServices,
  type BuiltImage,
  type PreparedBuild,
  pullOptions,
  reportContext,
  withBase,
} from '../builder';
import { buildWithDocker } from './build';
import { refuseUnsupported } from './options';

/** An engine that can build what is planned. */
export interface ReadyEngine {
  readonly docker: DockerCli;
  readonly engine: Engine;
  readonly plan: BuildPlan;
  /** Bytes of the build context. */
  readonly contextSize: number;
}

/** Has docker build images in its engine. */
export class DockerBuilder implements Builder {
  constructor(private readonly services: BuilderServices) {}

  async prepare(plan: BuildPlan): Promise<PreparedBuild> {
    return this.buildOf(await this.ready(plan));
  }

  /**
   * Finds docker and its engine.
   *
   * @throws NoEngineError where none answers; TaskError for what this one can't do
   */
  async ready(plan: BuildPlan): Promise<ReadyEngine> {
    const { docker: request, env: ownEnv, task } = this.services;
    const { log, signal } = task;
    const env = await dockerEnvironment(request, ownEnv, task);
    const docker = new DockerCli({ env, signal, log });
    const [engine, base] = await Promise.all([findEngine(docker, env), this.knownBase(docker, plan)]);
    refuseUnsupported(plan, engine, env);
    const contextSize = reportContext(plan, engine.builder === 'legacy', log);
    return { docker, engine, plan: withBase(plan, base), contextSize };
  }

  /** All of an image, by an engine. */
  buildOf(ready: ReadyEngine): PreparedBuild {
    return {
      kind: 'docker',
      description: describeBuilder(ready.engine),
      plan: ready.plan,
      build: (tags) => {
        const { serverVersion, platform } = ready.engine;
        this.services.task.log.info(`Engine ${serverVersion}, ${platform}.`);
        return this.build(ready, tags);
      },
    };
  }

  async build(
    { docker, engine, plan }: ReadyEngine,
    tags: readonly string[],
  ): Promise<BuiltImage | undefined> {
    const { loginServer, repository, push, smokeTest, task } = this.services;
    const name = `${loginServer}/${repository}`;
    const holdsTags = smokeTest.length > 0;
    const request = { plan, builder: engine.builder, name, tags, push, holdsTags };
    const image = await buildWithDocker(docker, request, task);
    if (!image || !('id' in image)) return image;
    // The labels of the step are one more for the legacy builder, and none for BuildKit.
    const labelSteps = engine.builder === 'legacy' ? 1 : 0;
    const ownInstructions = countInstructions(plan.recipe, stageRequest(plan)) + labelSteps;
    return { ...image, docker, ownInstructions };
  }

  /** The base image with its digest: that of the Dockerfile, else of the engine's own, else of the one it would pull. */
  private async knownBase(docker: DockerCli, { base }: BuildPlan): Promise<BaseImage | undefined> {
    if (!base || base.digest) return base;
    const ask = (image: string) => findDigest(image, this.services.task.signal, pullOptions(this.services));
    const found = await findInEngine(docker, base.name);
    if (!found) return { ...base, digest: await ask(base.name) };
    const { digest, isPulled } = found;
    return { ...base, digest: digest && !isPulled ? await ask(`${base.name}@${digest}`) : digest };
  }
}
