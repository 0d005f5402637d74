import type { BuilderChoice, BuildPlan } from '../build-plan';
import { NoEngineError } from '../docker/cli';
import { TasksBuilder } from './acr-tasks/builder';
import { azureConnection, type Builder, type BuilderServices, type PreparedBuild } from './builder';
import { DirectBuilder, type Obstacle } from './direct/builder';
import { DockerBuilder } from './docker/builder';
import { findSplit, SplitBuild } from './docker/split-builder';

/** The builder that input `builder` asks for. */
export function makeBuilder(choice: BuilderChoice, services: BuilderServices): Builder {
  switch (choice) {
    case 'docker':
      return new DockerBuilder(services);
    case 'acrTasks':
      return new TasksBuilder(services);
    case 'direct':
      return new DirectBuilder(services);
    case 'auto':
      return new AutomaticBuilder(services);
  }
}

/**
 * Takes the step itself where it can do without an engine, then docker where its engine answers, and then the registry's
 * own service where the step has a connection to Azure.
 */
class AutomaticBuilder implements Builder {
  private readonly direct: DirectBuilder;
  private readonly docker: DockerBuilder;

  constructor(private readonly services: BuilderServices) {
    this.direct = new DirectBuilder(services);
    this.docker = new DockerBuilder(services);
  }

  async prepare(plan: BuildPlan): Promise<PreparedBuild> {
    const { push, task } = this.services;
    const planned = await this.direct.prepareIfPossible(plan);
    const needsEngine = 'why' in planned;
    if (!needsEngine && push) {
      task.log.info('This step builds the image by itself: nothing in the Dockerfile needs a Docker engine.');
      return planned;
    }
    const reason = needsEngine
      ? planned.why
      : 'nothing is pushed, and later steps may look for the image there';
    try {
      return await this.prepareWithDocker(plan, reason, needsEngine && push);
    } catch (error) {
      if (!(error instanceof NoEngineError)) throw error;
      if (needsEngine) return this.prepareWithTasks(plan, planned, error);
      task.log.info('This step builds the image by itself: no Docker engine answers, and none is needed.');
      return planned;
    }
  }

  private async prepareWithDocker(
    plan: BuildPlan,
    reason: string,
    mayBeSplit: boolean,
  ): Promise<PreparedBuild> {
    const { log } = this.services.task;
    const ready = await this.docker.ready(plan);
    const split = mayBeSplit ? findSplit(ready) : undefined;
    if (!split) {
      log.info(`The Docker engine builds the image: ${reason}.`);
      return this.docker.buildOf(ready);
    }
    log.info(
      `The Docker engine builds the first ${split.lines} lines of the Dockerfile, and this step adds the rest to that: ${reason}.`,
    );
    return new SplitBuild(this.services, this.docker, ready, split);
  }

  /** @param obstacle why the step itself does not build, where no engine answers */
  private prepareWithTasks(
    plan: BuildPlan,
    { why, mistake }: Obstacle,
    error: NoEngineError,
  ): Promise<PreparedBuild> {
    if (!azureConnection(this.services)?.subscriptionId) {
      // An engine would stumble over a mistake as well, so none is asked for.
      if (mistake) throw mistake;
      throw new NoEngineError(`This image can't be built without an engine: ${why}. ${error.message}`, {
        details: error.details,
        cause: error,
      });
    }
    this.services.task.log.info(`${error.message} So the registry's own service builds the image: ${why}.`);
    // What was said of docker is nothing that this way has to heed.
    return new TasksBuilder({ ...this.services, docker: undefined }).prepare(plan);
  }
}
