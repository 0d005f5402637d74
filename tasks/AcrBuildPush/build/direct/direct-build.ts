import { setImmediate } from 'node:timers/promises';
import { throwIfCancelled } from '../../../common/cancel';
import { TaskError } from '../../../common/errors';
import { type BuildPlan, stageRequest } from '../../build-plan';
import { readBuildContext, readIgnoreRules } from '../../context/build-context';
import { flagOf, mistake, type ParsedDockerfile, parseDockerfile } from '../../dockerfile/instructions';
import { StagePlan } from '../../dockerfile/stage-plan';
import { checkDockerfile, type Stage } from '../../dockerfile/stages';
import { limitLookups } from '../../dockerfile/words';
import type { FileTree } from '../../files/file-tree';
import { CREATED } from '../../image/annotations';
import type { ImageConfig, Layer, OciImage, ParentImage, Platform } from '../../image/image';
import { normalize } from '../../image/platform';
import type { Pull } from '../../registry/pull';
import { findNeed, findReaderNeed, NeedsEngine } from '../needs-engine';
import { noteImage } from '../noted-image';
import type { Split } from '../split';
import { BaseFiles, type BaseFilesOptions, UnknownFile } from './base-files';
import { ContextUse } from './context-use';
import { makeLayer } from './layer';
import { toContainerSettings } from './settings';
import { type Base, StageBuild, type Surroundings } from './stage-build';

export { NeedsEngine };

export interface DirectBuildOptions extends BaseFilesOptions {
  readonly pull: Pull;
  /** When the image was made, for its configuration; otherwise what the label for it says, or now. */
  readonly created?: Date;
}

type Labels = Readonly<Record<string, string>>;

/** An image whose every layer is laid out, but none of its files read yet. */
export interface PlannedImage {
  /** The digest of the image that it is built on, as its registry has it. */
  readonly baseDigest: string | undefined;
  /**
   * @param labels those that the image gets besides its Dockerfile's
   * @throws TaskError when a file can't be read, or has changed meanwhile
   */
  make(labels: Labels): Promise<OciImage>;
}

/** What an engine has built of a Dockerfile. */
export interface Head {
  readonly split: Split;
  readonly image: ParentImage;
}

/**
 * Plans an image without an engine, by carrying out the Dockerfile's instructions on lists of files. Only the stages
 * that the target needs are looked at. The same plan and files give the same layers on every machine.
 *
 * @param head where an engine has begun: what it has built, which is gone on from
 * @returns what needs an engine, where the Dockerfile asks for more than can be done here
 * @throws TaskError for a mistake that docker would not pass either, and when a base image can't be read
 */
export async function planDirectBuild(
  plan: BuildPlan,
  options: DirectBuildOptions,
  head?: Head,
): Promise<PlannedImage | NeedsEngine> {
  const dockerfile = parseDockerfile(plan.recipe);
  const need = findReaderNeed(dockerfile);
  if (need) return need;
  const build = new DirectBuild(dockerfile, plan, options, head);
  for (;;) {
    try {
      const stage = await build.target();
      const make = (labels: Labels) => makeImage(stage, build.imagePlatform(stage), labels, options);
      return { baseDigest: stage.base.image?.digest, make };
    } catch (error) {
      if (error instanceof NeedsEngine) return error;
      if (!(error instanceof UnknownFile)) throw error;
      await error.base.learn();
    }
  }
}

class DirectBuild {
  private readonly stages: StagePlan;
  private readonly bases = new Map<string, Promise<Base>>();
  private readonly begun: Base | undefined;
  private files: FileTree | undefined;
  private readonly use = new ContextUse();
  private limited = limitLookups();

  constructor(
    dockerfile: ParsedDockerfile,
    private readonly plan: BuildPlan,
    private readonly options: DirectBuildOptions,
    private readonly head: Head | undefined,
  ) {
    checkDockerfile(dockerfile);
    this.stages = new StagePlan(dockerfile, stageRequest(plan));
    const { platform } = this.stages;
    this.begun = head && { image: head.image, files: new BaseFiles(head.image, options), platform };
  }

  /**
   * Carries out the target stage, and those that it needs.
   *
   * @throws UnknownFile when it takes more to know of a base image; then it is worth another try
   */
  async target(): Promise<StageBuild> {
    const { target } = this.stages;
    // Before anything is asked of a registry.
    if (!this.head) this.refuseEngineLines(target);
    // They are asked for in any case; that they are on their way spares a wait.
    void this.options.earlier?.all();
    this.limited = limitLookups();
    const build = await this.build(target, new Map());
    this.use.check(() => this.context(), this.head !== undefined);
    return build;
  }

  /**
   * What the image says that it is for: what the build was asked for, or else what the base image says, by the names that
   * BuildKit has for it.
   */
  imagePlatform({ base }: StageBuild): Platform {
    const { config } = base.image ?? {};
    if (!config) return base.platform;
    const { os, architecture, variant } = config;
    // An engine has named it already.
    if (this.head) return { os, architecture, ...(variant && { variant }) };
    const own = normalize(config);
    if (this.plan.platforms.length === 0) return own;
    const { platform } = this.stages;
    return own.architecture === platform.architecture ? { ...own, ...platform } : platform;
  }

  private refuseEngineLines(stage: Stage, seen = new Set<Stage>()): void {
    if (seen.has(stage)) return;
    seen.add(stage);
    const below = this.stages.below(stage);
    if (below) this.refuseEngineLines(below, seen);
    const { from, instructions } = stage;
    for (const instruction of [from, ...instructions]) {
      const need = findNeed(instruction);
      if (need) throw need;
      const name = instruction.keyword === 'COPY' ? flagOf(instruction, 'from') : undefined;
      const source = name === undefined ? undefined : this.stages.named(stage, name);
      if (source) this.refuseEngineLines(source, seen);
    }
  }

  /** Every stage is built once, whoever asks for it. */
  private build(stage: Stage, built: Map<Stage, Promise<StageBuild>>): Promise<StageBuild> {
    let build = built.get(stage);
    if (!build) {
      build = this.carryOut(stage, built);
      built.set(stage, build);
    }
    return build;
  }

  private async carryOut(stage: Stage, built: Map<Stage, Promise<StageBuild>>): Promise<StageBuild> {
    const isBegun = this.head !== undefined && stage === this.stages.target;
    const build = isBegun ? this.goOn(stage, built) : await this.begin(stage, built);
    const instructions = isBegun ? this.head!.split.rest : stage.instructions;
    for (const instruction of instructions) {
      await build.execute(instruction);
      // Thousands of instructions may each copy thousands of files: a step can be cancelled in between.
      await setImmediate();
      throwIfCancelled(this.options.signal);
    }
    return build;
  }

  private goOn(stage: Stage, built: Map<Stage, Promise<StageBuild>>): StageBuild {
    return StageBuild.onHead(this.surroundings(stage, built), this.begun!, this.head!.split);
  }

  private async begin(stage: Stage, built: Map<Stage, Promise<StageBuild>>): Promise<StageBuild> {
    const around = this.surroundings(stage, built);
    const { from } = stage;
    const image = this.stages.imageOf(from);
    const below = this.stages.below(stage);
    if (below) {
      // BuildKit minds capitals here, and nowhere else.
      if (image !== image.toLowerCase()) {
        throw mistake(
          from.line,
          `the stage '${image}' is to be written '${image.toLowerCase()}' behind FROM`,
        );
      }
      return StageBuild.onStage(around, await this.build(below, built));
    }

    const platform = this.stages.platformOf(from);
    if (platform.os !== 'linux') throw new NeedsEngine(from.line, 'FROM', `it builds for ${platform.os}`);
    const base = await this.base(image, platform).catch((error: unknown) => {
      const origin = this.stages.explainName(from);
      if (!(error instanceof TaskError) || !origin) throw error;
      throw new TaskError(`${error.message} ${origin}`, { details: error.details, cause: error });
    });
    if (base.image?.config.config?.OnBuild?.length) {
      throw new NeedsEngine(
        from.line,
        'FROM',
        `the base image ${image} has ONBUILD instructions to carry out`,
      );
    }
    return StageBuild.onBase(around, base);
  }

  private surroundings(stage: Stage, built: Map<Stage, Promise<StageBuild>>): Surroundings {
    return {
      escapeChar: this.stages.escapeChar,
      given: this.plan.arguments,
      inherited: this.stages.globals,
      log: this.options.log,
      limited: this.limited,
      context: () => this.context(),
      use: this.use,
      stage: async (name) => {
        const found = this.stages.named(stage, name);
        return found && this.build(found, built);
      },
    };
  }

  private context(): FileTree {
    const { context, dockerfile } = this.plan;
    this.files ??= readBuildContext(context, readIgnoreRules(context, dockerfile, { isLegacy: false }));
    return this.files;
  }

  /** What is learnt of an image's files is kept from one try to the next. */
  private base(image: string, platform: Platform): Promise<Base> {
    const key = `${image} ${Object.values(platform).join('/')}`;
    let base = this.bases.get(key);
    if (!base) {
      base = this.readBase(image, platform);
      this.bases.set(key, base);
    }
    return base;
  }

  private async readBase(image: string, platform: Platform): Promise<Base> {
    if (image === 'scratch') return { image: undefined, files: undefined, platform };
    const pulled = await this.options.pull(image, platform);
    return { image: pulled, files: new BaseFiles(pulled, this.options, pulled.source), platform };
  }
}

async function makeImage(
  stage: StageBuild,
  platform: Platform,
  labels: Labels,
  options: DirectBuildOptions,
): Promise<OciImage> {
  const earlier = options.earlier?.all();
  const layers: Layer[] = [];
  for (const layer of stage.layers) {
    layers.push(layer.kind === 'planned' ? await makeLayer(layer, options.signal) : layer);
  }
  const { base, settings, history } = stage;
  const created = createdAt(labels, options);
  const config = base.image?.config;
  const inherited = config?.history?.length ?? 0;
  const image: ImageConfig = {
    ...platform,
    created,
    ...(settings.author && { author: settings.author }),
    config: toContainerSettings({
      ...settings,
      labels: new Map([...settings.labels, ...Object.entries(labels)]),
    }),
    rootfs: { type: 'layers', diff_ids: layers.map((layer) => layer.diffId) },
    history: history.map((entry, index) => (index < inherited ? entry : { created, ...entry })),
    ...base.files?.notes(),
    ...(base.image && noteImage(base.image)),
  };
  const same = (await earlier)?.find(({ config }) => undated(config) === undated(image));
  return {
    config: Buffer.from(JSON.stringify(same?.config ?? image)),
    layers,
    platform,
    isNew: earlier !== undefined && !same,
  };
}

/** What tells two images apart but for the time: one that was made before, and has not changed, stays what it was. */
function undated({ config, history = [], ...image }: ImageConfig): string {
  const labels = { ...config?.Labels, [CREATED]: undefined };
  const steps = history.map((step) => ({ ...step, created: undefined }));
  return JSON.stringify({
    ...image,
    created: undefined,
    config: { ...config, Labels: labels },
    history: steps,
  });
}

function createdAt(labels: Labels, options: DirectBuildOptions): string {
  const label = new Date(labels[CREATED] ?? '');
  return (options.created ?? (Number.isNaN(label.getTime()) ? new Date() : label)).toISOString();
}
