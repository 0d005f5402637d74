import type { Platform } from '../image/image';
import { agentPlatform, parsePlatform, platformArguments } from '../image/platform';
import { type Declaration, type From, flagOf, mistake, type ParsedDockerfile } from './instructions';
import { divideIntoStages, type Stage, StageNames, stageAt, targetStage } from './stages';
import { expand, limitLookups, WordError } from './words';

/** What a build is given besides its Dockerfile, as far as that decides what its stages are built on. */
export interface StageRequest {
  readonly arguments: Readonly<Record<string, string>>;
  readonly target: string | undefined;
  /** Undefined: that of an engine on this agent. */
  readonly platform: Platform | undefined;
}

/** A build argument that was given. A Dockerfile may name one `constructor`, which every object of JavaScript has. */
export function argument(given: StageRequest['arguments'], name: string): string | undefined {
  return Object.hasOwn(given, name) ? given[name] : undefined;
}

/** The stages of a Dockerfile, and what each is built on, as the arguments of a build have it. */
export class StagePlan {
  readonly escapeChar: string;
  readonly platform: Platform;
  /** The arguments before the first `FROM`, and the platforms. */
  readonly globals: ReadonlyMap<string, string>;
  /** The stage that the build ends with. */
  readonly target: Stage;
  readonly stages: readonly Stage[];
  private readonly given: Readonly<Record<string, string>>;
  private readonly names: StageNames;
  private readonly limited = limitLookups();

  /** @throws TaskError where there is no such target, and for a mistake before the first `FROM` */
  constructor(dockerfile: ParsedDockerfile, { arguments: given, target, platform }: StageRequest) {
    const { globals, stages } = divideIntoStages(dockerfile);
    this.stages = stages;
    this.names = new StageNames(stages);
    this.given = given;
    this.escapeChar = dockerfile.escapeChar;
    this.platform = platform ?? agentPlatform();
    this.target = targetStage(stages, target);
    this.globals = this.readGlobals(globals, given, target ?? this.target.from.name ?? 'default');
  }

  /** The stage that another is built on; undefined where it is built on an image. */
  below(stage: Stage): Stage | undefined {
    return this.names.find(this.imageOf(stage.from), stage);
  }

  /** A stage, and those that it is built on, from the top. */
  chain(stage: Stage = this.target): Stage[] {
    const chain: Stage[] = [];
    for (let next: Stage | undefined = stage; next; next = this.below(next)) chain.push(next);
    return chain;
  }

  /** The stage that `--from` names in another; undefined where it is an image. */
  named(stage: Stage, name: string): Stage | undefined {
    return this.names.find(name, stage) ?? stageAt(this.stages, name, stage);
  }

  /** What a stage is built on, by its name. */
  imageOf({ image, line }: From): string {
    const name = this.word(image, this.globals, line);
    if (name) return name;
    throw mistake(line, `FROM ${image} names no image: an argument in it is empty`);
  }

  /** How the name of an image came about, as a sentence; undefined where its line just says it. */
  explainName(from: From): string | undefined {
    if (this.imageOf(from) === from.image) return undefined;
    const names = [...from.image.matchAll(/\$\{?(\w+)/g)].map(([, name]) => name!);
    const values = [...new Set(names)].map((name) => {
      const value = this.globals.get(name);
      if (Object.hasOwn(this.given, name)) return `the build argument ${name}=${value}`;
      return value === undefined ? `${name}, which is not set` : `${name}=${value}`;
    });
    return `Line ${from.line} of the Dockerfile names it as '${from.image}', with ${values.join(' and ')}.`;
  }

  platformOf(from: From): Platform {
    const platform = flagOf(from, 'platform');
    if (!platform) return this.platform;
    const words = this.word(platform, this.globals, from.line);
    const parsed = parsePlatform(words);
    if (!parsed) throw mistake(from.line, `'${words}' is no platform, such as linux/amd64`);
    return parsed;
  }

  private readGlobals(
    declarations: readonly Declaration[],
    given: Readonly<Record<string, string>>,
    target: string,
  ): ReadonlyMap<string, string> {
    const own = { ...platformArguments(agentPlatform(), this.platform), TARGETSTAGE: target };
    const known = new Map(Object.entries(own).map(([name, value]) => [name, argument(given, name) ?? value]));
    for (const { assignments, line } of declarations) {
      for (const { name, value } of assignments) {
        const result =
          argument(given, name) ?? (value === undefined ? undefined : this.word(value, known, line));
        if (result !== undefined) known.set(name, result);
      }
    }
    return known;
  }

  private word(text: string, known: ReadonlyMap<string, string>, line: number): string {
    try {
      const lookup = this.limited((name) => known.get(name));
      return expand(text, lookup, this.escapeChar).text;
    } catch (error) {
      if (error instanceof WordError) throw mistake(line, error.message);
      throw error;
    }
  }
}
