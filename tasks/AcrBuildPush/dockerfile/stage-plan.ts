import type { Platform } from '../image/image';
import { agentPlatform, parsePlatform, platformArguments } from '../image/platform';
import type { BuildPlan } from '../plan';
import { type From, mistake, parseDockerfile } from './instructions';
import { divideIntoStages, findStage, type Stage, targetStage } from './stages';
import { expand, WordError } from './words';

/** The stages of a Dockerfile, and what each is built on, as the arguments of a build have it. */
export class StagePlan {
  /** The folder that files are copied from. */
  readonly context: string;
  readonly escapeChar: string;
  readonly platform: Platform;
  /** The arguments before the first `FROM`, and the platforms. */
  readonly globals: ReadonlyMap<string, string>;
  /** The stage that the build ends with. */
  readonly target: Stage;
  private readonly stages: readonly Stage[];

  /** @throws TaskError for a mistake in the Dockerfile */
  constructor(plan: BuildPlan) {
    this.context = plan.context;
    const parsed = parseDockerfile(plan.recipe);
    const { globals, stages } = divideIntoStages(parsed);
    this.stages = stages;
    this.escapeChar = parsed.escapeChar;
    this.platform = parsePlatform(plan.platforms[0] ?? '') ?? agentPlatform();
    const known = new Map(Object.entries(platformArguments(agentPlatform(), this.platform)));
    for (const { assignments, line } of globals) {
      for (const { name, value } of assignments) {
        const given =
          plan.arguments[name] ?? (value === undefined ? undefined : this.word(value, known, line));
        if (given !== undefined) known.set(name, given);
      }
    }
    this.globals = known;
    this.target = targetStage(stages, plan.target);
  }

  /** The stage that another is built on; undefined where it is built on an image. */
  below(stage: Stage): Stage | undefined {
    const image = this.imageOf(stage.from).toLowerCase();
    return this.before(stage).findLast(({ from }) => from.name === image);
  }

  /** The stage that `--from` names in another; undefined where it is an image. */
  named(stage: Stage, name: string): Stage | undefined {
    return findStage(this.before(stage), name);
  }

  /** What a stage is built on, by its name. */
  imageOf({ image, line }: From): string {
    const name = this.word(image, this.globals, line);
    if (name) return name;
    throw mistake(line, `FROM ${image} names no image: an argument in it is empty`);
  }

  platformOf({ platform, line }: From): Platform {
    if (!platform) return this.platform;
    const words = this.word(platform, this.globals, line);
    const parsed = parsePlatform(words);
    if (!parsed) throw mistake(line, `'${words}' is no platform, such as linux/amd64`);
    return parsed;
  }

  private before({ index }: Stage): readonly Stage[] {
    return this.stages.slice(0, index);
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
