import { readdirSync } from 'node:fs';
import { join, posix } from 'node:path';
import { TaskError } from '../../common/errors';
import { realPath, statOf } from '../../common/files/paths';
import { type BuildPlan, stageRequest } from '../build-plan';
import { type Declaration, flagOf, type Instruction, parseDockerfile } from '../dockerfile/instructions';
import { StagePlan } from '../dockerfile/stage-plan';
import { checkDockerfile, type Stage } from '../dockerfile/stages';
import { compileGlob, hasWildcard } from '../files/glob';
import { isArchive } from './direct/archives';
import { findNeed, findReaderNeed, haveReaderNeed } from './needs-engine';

/** A Dockerfile in two: what takes an engine, and what can be added without one to the image that this makes. */
export interface Split {
  /** The Dockerfile up to the last line that takes an engine; what it ends with is what it builds. */
  readonly head: string;
  /** How many lines that is. */
  readonly lines: number;
  /** What is declared in the stages below the one that the head ends with, from the bottom. */
  readonly inherited: readonly Declaration[];
  /** What the head declares in its own stage, in order: the later of one name counts. */
  readonly declarations: readonly Declaration[];
  /** Whether that stage has set a command of its own. */
  readonly setsCommand: boolean;
  /** The instructions that are left. */
  readonly rest: readonly Instruction[];
}

/**
 * Splits a Dockerfile behind the last instruction that takes an engine, which most often is a `RUN`. The model, which
 * most often is copied behind it, then need not pass through the engine.
 *
 * @returns undefined where no file would be spared the way, where nothing takes an engine, and where the rest may
 *   depend on what the engine leaves no trace of
 */
export function splitBuild(plan: BuildPlan): Split | undefined {
  try {
    return split(plan);
  } catch (error) {
    // It is the engine's to explain.
    if (error instanceof TaskError) return undefined;
    throw error;
  }
}

function split(plan: BuildPlan): Split | undefined {
  const dockerfile = parseDockerfile(plan.recipe);
  // Whoever is to read all of it, or to check all of it, can't be given a part.
  if (findReaderNeed(dockerfile) || haveReaderNeed(plan.arguments)) return undefined;
  checkDockerfile(dockerfile);
  const stages = new StagePlan(dockerfile, stageRequest(plan));
  const { target } = stages;
  const needs = new EngineNeeds(stages, plan.context);
  const last = target.instructions.findLastIndex((one) => needs.of(one, target));
  const before = target.instructions.slice(0, last + 1);
  const below = inherited(target, stages);
  const all = [...below, ...before];
  const rest = target.instructions.slice(last + 1);
  const first = rest[0];

  const spares = rest.some(({ keyword }) => keyword === 'COPY' || keyword === 'ADD');
  const isNeeded =
    last >= 0 ||
    stages
      .chain(target)
      .slice(1)
      .some((stage) => needs.ofStage(stage));
  if (!first || !spares || !isNeeded || all.some(leavesNoTrace)) return undefined;

  const lines = first.line - 1;
  const begin = dockerfile.instructions.filter(({ line }) => line <= lines);
  if (begin.some((one) => dependsOnRest(one, plan.context))) return undefined;
  return {
    head: `${plan.recipe.split('\n').slice(0, lines).join('\n')}\n`,
    lines,
    inherited: below.filter(isDeclaration),
    declarations: before.filter(isDeclaration),
    setsCommand: before.some(({ keyword }) => keyword === 'CMD'),
    rest,
  };
}

/** What the stages below another carry out, from the bottom. */
function inherited(stage: Stage, stages: StagePlan): readonly Instruction[] {
  const [, ...below] = stages.chain(stage);
  return below.reverse().flatMap(({ instructions }) => instructions);
}

/** What of a Dockerfile takes an engine. */
class EngineNeeds {
  private readonly known = new Map<Stage, boolean>();

  constructor(
    private readonly stages: StagePlan,
    private readonly context: string,
  ) {}

  /** Whether a stage takes one, or one that it is built on or copies from. */
  ofStage(stage: Stage): boolean {
    const known = this.known.get(stage);
    if (known !== undefined) return known;
    const below = this.stages.below(stage);
    const needs =
      (below !== undefined && this.ofStage(below)) || stage.instructions.some((one) => this.of(one, stage));
    this.known.set(stage, needs);
    return needs;
  }

  of(instruction: Instruction, stage: Stage): boolean {
    if (findNeed(instruction)) return true;
    if (instruction.keyword === 'ADD') {
      const { sources } = instruction;
      return sources.some((source) => /:\/\/|^git@/.test(source) || mayBeArchive(source, this.context));
    }
    const from = instruction.keyword === 'COPY' ? flagOf(instruction, 'from') : undefined;
    if (from === undefined) return false;
    const source = this.stages.named(stage, from);
    return source === undefined || this.ofStage(source);
  }
}

/** Whether `ADD` may unpack a source: what it would come to know after all else is done is better known before. */
function mayBeArchive(source: string, context: string): boolean {
  if (/[$*?[\\]/.test(source)) return true;
  const path = join(context, source);
  // What a link leads to is looked at by who carries it out.
  if (realPath(path) !== join(realPath(context), source)) return true;
  return statOf(path)?.isFile() === true && isArchive(path);
}

/**
 * Whether an instruction copies by a pattern in a folder where nothing may fit. BuildKit takes that only where a line of the
 * same file has it fetch something of the folder (see `direct/context-use.ts`), which may be one of those that are left.
 */
function dependsOnRest(instruction: Instruction, context: string): boolean {
  if (instruction.keyword !== 'COPY' && instruction.keyword !== 'ADD') return false;
  if (flagOf(instruction, 'from') !== undefined) return false;
  return instruction.sources.filter(hasWildcard).some((source) => {
    const parts = posix.normalize(`/${source}`).split('/').filter(Boolean);
    return parts.length > 1 && !isFound(parts, realPath(context));
  });
}

/** Whether something fits a pattern, without a link on the way to it. */
function isFound([part, ...below]: readonly string[], folder: string): boolean {
  if (part === undefined) return true;
  const fits = compileGlob(part);
  return namesIn(folder)
    .filter((name) => fits?.(name))
    .map((name) => join(folder, name))
    .some((path) => realPath(path) === path && isFound(below, path));
}

function namesIn(folder: string): readonly string[] {
  try {
    return readdirSync(folder);
  } catch {
    return []; // It is no folder, or can't be read, which whoever copies from it will tell.
  }
}

/**
 * Whether an instruction has an effect on later ones that can't be told from the image: an argument may stand for a
 * variable that has changed since, and what `ONBUILD` keeps is for another build.
 */
function leavesNoTrace(instruction: Instruction): boolean {
  if (instruction.keyword === 'ONBUILD') return true;
  if (!isDeclaration(instruction)) return false;
  const { keyword, assignments } = instruction;
  return assignments.some(
    ({ name, value }) => name.includes('$') || (keyword === 'ARG' && value?.includes('$')),
  );
}

/** Whether an instruction sets variables. */
function isDeclaration(instruction: Instruction): instruction is Declaration {
  return instruction.keyword === 'ARG' || instruction.keyword === 'ENV';
}
