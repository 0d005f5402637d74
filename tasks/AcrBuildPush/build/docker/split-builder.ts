import { throwIfCancelled } from '../../../common/cancel';
import { TaskError } from '../../../common/errors';
import { plural } from '../../../common/text';
import { type BuildPlan, INLINE_CACHE, stageRequest } from '../../build-plan';
import { describeBuilder } from '../../docker/engine';
import { areForCommands } from '../../docker/extra-options';
import { NAME_VARIABLE } from '../../docker/pushed-name';
import { countInstructions } from '../../dockerfile/base-image';
import { digestOfBytes, type OciImage } from '../../image/image';
import { agentPlatform } from '../../image/platform';
import type { KnownLayers } from '../../registry/known-layers';
import type { BuilderServices, BuiltImage, PreparedBuild } from '../builder';
import { directOptions } from '../direct/builder';
import { type Head, planDirectBuild } from '../direct/direct-build';
import { UnexplainedBuildError } from '../failure';
import { NeedsEngine } from '../needs-engine';
import { type Split, splitBuild } from '../split';
import { buildWithDocker, mayBuildFromElsewhere } from './build';
import type { DockerBuilder, ReadyEngine } from './builder';
import { readEngineParent } from './engine-parent';

/** How a Dockerfile can be split between an engine and this step; undefined where the engine has to do it all. */
export function findSplit({ engine, plan }: ReadyEngine): Split | undefined {
  const { platforms, cacheTo } = plan;
  const { os, architecture } = agentPlatform();
  const isOwnPlatform = engine.platform === `${os}/${architecture}`;
  const canGoOn =
    (platforms.length === 1 ? platforms[0]!.startsWith('linux/') : platforms.length === 0 && isOwnPlatform) &&
    // Its notes are a part of the image that the engine builds.
    !cacheTo.includes(INLINE_CACHE) &&
    !plan.arguments.BUILDKIT_INLINE_CACHE &&
    areForCommands(plan.dockerOptions) &&
    mayBuildFromElsewhere(plan, engine.builder);
  return canGoOn ? splitBuild(plan) : undefined;
}

/** What keeps this step from going on where the engine left off. */
class SplitError extends TaskError {}

/** Has docker build an image as far as it takes an engine, and adds the rest without it. */
export class SplitBuild implements PreparedBuild {
  readonly kind = 'docker';
  private isSplit = true;

  constructor(
    private readonly services: BuilderServices,
    private readonly whole: DockerBuilder,
    private readonly ready: ReadyEngine,
    private readonly split: Split,
  ) {}

  get plan(): BuildPlan {
    return this.ready.plan;
  }

  get description(): string {
    const rest = this.isSplit ? `, from line ${this.split.lines + 1} on this step` : '';
    return `${describeBuilder(this.ready.engine)}${rest}`;
  }

  async build(tags: readonly string[], known: Promise<KnownLayers>): Promise<BuiltImage | undefined> {
    const { log, signal } = this.services.task;
    const { serverVersion, platform } = this.ready.engine;
    log.info(`Engine ${serverVersion}, ${platform}.`);
    try {
      return await this.buildInTwo(known);
    } catch (error) {
      throwIfCancelled(signal);
      if (!(error instanceof SplitError)) throw error;
      for (const detail of error.details) log.info(detail);
      log.info(`${error.message} So the engine builds the rest as well.`);
      this.isSplit = false;
      return this.whole.build(this.ready, tags);
    }
  }

  private async buildInTwo(known: Promise<KnownLayers>): Promise<OciImage> {
    const { loginServer, repository, push, registry, earlier, task } = this.services;
    const { docker, engine, plan, contextSize } = this.ready;
    const { log, signal, tempFolder } = task;
    const { head } = this.split;
    const name = `${loginServer}/${repository}`;
    const build = { plan, head, builder: engine.builder, name, tags: [], push };
    const built = await buildWithDocker(docker, build, task).catch(this.asRefusal);
    if (!built || !('id' in built)) throw new Error('docker has built for several platforms');
    const ownInstructions = countInstructions(head, stageRequest({ ...plan, target: undefined }));
    const parent = await readEngineParent(
      { docker, id: built.id, ownInstructions },
      {
        registry,
        earlier,
        known: await known,
        tempFolder,
        more: contextSize,
        log,
        signal,
        onName: (name) => task.setTaskVariable(NAME_VARIABLE, name),
      },
    ).catch(asSplitError);
    try {
      const whole = await this.addRest({ split: this.split, image: parent.image });
      log.info(`Image ${digestOfBytes(whole.config)}, ${plural(whole.layers.length, 'layer')}`);
      return { ...whole, close: () => parent.close() };
    } catch (error) {
      await parent.close();
      return asSplitError(error);
    }
  }

  /** What BuildKit asks of the context depends on all copies of a Dockerfile, so that it may refuse a part of one. */
  private readonly asRefusal = (error: unknown): never => {
    if (!(error instanceof UnexplainedBuildError)) throw error;
    const { lines } = this.split;
    throw new SplitError(`The engine does not build the Dockerfile up to line ${lines} alone.`, {
      cause: error,
    });
  };

  private async addRest(head: Head): Promise<OciImage> {
    const planned = await planDirectBuild(this.plan, directOptions(this.services), head);
    if (!(planned instanceof NeedsEngine)) return planned.make(this.plan.labels);
    const { line, instruction, reason } = planned;
    throw new TaskError(`Line ${line} of the Dockerfile, ${instruction}: ${reason}.`);
  }
}

/** Nothing that is new or odd here must fail a build that the engine may carry out. */
function asSplitError(error: unknown): never {
  if (!(error instanceof TaskError)) throw error;
  throw new SplitError(error.message, { details: error.details, cause: error });
}
