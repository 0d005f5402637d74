import type { Logger } from '../../common/log';
import type { BuildPlan } from '../plan';
import { readBuildContext } from './context/build-context';
import { mistake, parseDockerfile } from './dockerfile/instructions';
import { divideIntoStages, findStage, type Stage, targetStage } from './dockerfile/stages';
import { expand, WordError } from './dockerfile/words';
import type { FileTree } from './file-tree';
import type { ImageConfig, OciImage, Platform } from './image';
import { NeedsEngine } from './needs-engine';
import type { Pull } from './pull';
import { toContainerSettings } from './settings';
import { StageBuild, type Surroundings } from './stage-build';

export { NeedsEngine };

export interface DirectBuildOptions {
  readonly pull: Pull;
  readonly log: Logger;
  readonly signal: AbortSignal;
  /** When the image was made, for its configuration; otherwise what the label for it says, or now. */
  readonly created?: Date;
}

const CREATED_LABEL = 'org.opencontainers.image.created';
const DEFAULT_PLATFORM: Platform = { os: 'linux', architecture: 'amd64' };

/**
 * Builds an image without an engine, by carrying out the Dockerfile's instructions on lists of files. Only the stages
 * that the target needs are looked at. The same plan and files give the same layers on every machine.
 *
 * @returns what needs an engine, where the Dockerfile asks for more than can be done here
 * @throws TaskError for a mistake that docker would not pass either
 */
export async function directBuild(
  plan: BuildPlan,
  options: DirectBuildOptions,
): Promise<OciImage | NeedsEngine> {
  try {
    const stage = await new DirectBuild(plan, options).run();
    return finish(stage, plan, options);
  } catch (error) {
    if (error instanceof NeedsEngine) return error;
    throw error;
  }
}

class DirectBuild {
  private readonly stages: readonly Stage[];
  private readonly escapeChar: string;
  private readonly globals: ReadonlyMap<string, string>;
  private readonly built = new Map<Stage, Promise<StageBuild>>();
  private files: FileTree | undefined;

  constructor(
    private readonly plan: BuildPlan,
    private readonly options: DirectBuildOptions,
  ) {
    const parsed = parseDockerfile(plan.recipe);
    const { globals, stages } = divideIntoStages(parsed);
    this.stages = stages;
    this.escapeChar = parsed.escapeChar;
    const known = new Map(Object.entries(platformArguments()));
    for (const { assignments, line } of globals) {
      for (const { name, value } of assignments) {
        const given =
          plan.arguments[name] ?? (value === undefined ? undefined : this.word(value, known, line));
        if (given !== undefined) known.set(name, given);
      }
    }
    this.globals = known;
  }

  run(): Promise<StageBuild> {
    return this.build(targetStage(this.stages, this.plan.target));
  }

  /** Every stage is built once, whoever asks for it. */
  private build(stage: Stage): Promise<StageBuild> {
    let build = this.built.get(stage);
    if (!build) {
      build = this.carryOut(stage);
      this.built.set(stage, build);
    }
    return build;
  }

  private async carryOut(stage: Stage): Promise<StageBuild> {
    const build = await this.begin(stage);
    for (const instruction of stage.instructions) await build.execute(instruction);
    return build;
  }

  private async begin({ from, index }: Stage): Promise<StageBuild> {
    const earlier = this.stages.slice(0, index);
    const around: Surroundings = {
      escapeChar: this.escapeChar,
      given: this.plan.arguments,
      inherited: this.globals,
      log: this.options.log,
      signal: this.options.signal,
      context: () => {
        this.files ??= readBuildContext(this.plan.context, this.plan.dockerfile);
        return this.files;
      },
      stage: async (name) => {
        const found = findStage(earlier, name);
        return found && this.build(found);
      },
    };

    const image = this.word(from.image, this.globals, from.line);
    if (!image) throw mistake(from.line, `FROM ${from.image} names no image: an argument in it is empty`);
    const before = earlier.findLast((stage) => stage.from.name === image.toLowerCase());
    if (before) return StageBuild.onStage(around, await this.build(before));

    const platform = from.platform
      ? parsePlatform(this.word(from.platform, this.globals, from.line), from.line)
      : DEFAULT_PLATFORM;
    if (image === 'scratch') return StageBuild.onBase(around, { image: undefined, platform });
    const pulled = await this.options.pull(image, platform);
    if (pulled.config.config?.OnBuild?.length) {
      throw new NeedsEngine(
        from.line,
        'FROM',
        `the base image ${image} has ONBUILD instructions to carry out`,
      );
    }
    return StageBuild.onBase(around, { image: pulled, platform });
  }

  private word(text: string, known: ReadonlyMap<string, string>, line: number): string {
    try {
      return expand(text, (name) => known.get(name), this.escapeChar).text;
    } catch (error) {
      if (error instanceof WordError) throw mistake(line, error.message);
      throw error;
    }
  }
}

/** The arguments that BuildKit sets by itself. */
function platformArguments(): Record<string, string> {
  const { os, architecture } = DEFAULT_PLATFORM;
  return Object.fromEntries(
    ['BUILD', 'TARGET'].flatMap((side) => [
      [`${side}PLATFORM`, `${os}/${architecture}`],
      [`${side}OS`, os],
      [`${side}ARCH`, architecture],
      [`${side}VARIANT`, ''],
    ]),
  );
}

function parsePlatform(text: string, line: number): Platform {
  const [os, architecture, variant] = text.toLowerCase().split('/');
  if (!os || !architecture) throw mistake(line, `'${text}' is no platform, such as linux/amd64`);
  if (os !== 'linux') throw new NeedsEngine(line, 'FROM', `it builds for ${os}`);
  return { os, architecture, ...(variant && { variant }) };
}

function finish(stage: StageBuild, plan: BuildPlan, options: DirectBuildOptions): OciImage {
  const { base, layers, settings, history } = stage;
  const created = createdAt(plan, options);
  const config = base.image?.config;
  const platform: Platform = config
    ? { os: config.os, architecture: config.architecture, ...(config.variant && { variant: config.variant }) }
    : base.platform;
  Object.assign(settings.labels, plan.labels);
  const inherited = config?.history?.length ?? 0;
  const image: ImageConfig = {
    ...platform,
    created,
    config: toContainerSettings(settings),
    rootfs: { type: 'layers', diff_ids: layers.map((layer) => layer.diffId) },
    history: history.map((entry, index) => (index < inherited ? entry : { created, ...entry })),
  };
  return { config: Buffer.from(JSON.stringify(image)), layers, platform };
}

function createdAt(plan: BuildPlan, options: DirectBuildOptions): string {
  const label = new Date(plan.labels[CREATED_LABEL] ?? '');
  return (options.created ?? (Number.isNaN(label.getTime()) ? new Date() : label)).toISOString();
}
