import { statSync } from 'node:fs';
import { join } from 'node:path';
import { TaskError } from '../../common/errors';
import type { Assignment, Instruction } from '../dockerfile/instructions';
import { StagePlan } from '../dockerfile/stage-plan';
import type { Stage } from '../dockerfile/stages';
import type { BuildPlan } from '../plan';
import { isArchive } from './direct/archives';

/** A Dockerfile in two: what takes an engine, and what can be added without one to the image that this makes. */
export interface Split {
  /** The Dockerfile up to the last line that takes an engine; what it ends with is what it builds. */
  readonly head: string;
  /** How many lines that is. */
  readonly lines: number;
  /** The build's arguments that the head declares, in the stage that it ends with and those below. */
  readonly declarations: readonly Assignment[];
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
  const stages = new StagePlan(plan);
  const { target } = stages;
  const last = target.instructions.findLastIndex((one) => takesEngine(one, target, stages));
  const before = target.instructions.slice(0, last + 1);
  const all = [...inherited(target, stages), ...before];
  const rest = target.instructions.slice(last + 1);
  const first = rest[0];

  const spares = rest.some(({ keyword }) => keyword === 'COPY' || keyword === 'ADD');
  const isNeeded = last >= 0 || stageTakesEngine(stages.below(target), stages);
  if (!first || !spares || !isNeeded || all.some(leavesNoTrace)) return undefined;

  const lines = first.line - 1;
  return {
    head: `${plan.recipe.split('\n').slice(0, lines).join('\n')}\n`,
    lines,
    declarations: all.flatMap((one) => (one.keyword === 'ARG' ? one.assignments : [])),
    setsCommand: before.some(({ keyword }) => keyword === 'CMD'),
    rest,
  };
}

/** What the stages below another carry out, from the bottom. */
function inherited(stage: Stage, stages: StagePlan): readonly Instruction[] {
  const below = stages.below(stage);
  return below ? [...inherited(below, stages), ...below.instructions] : [];
}

function stageTakesEngine(stage: Stage | undefined, stages: StagePlan): boolean {
  return (
    stage !== undefined &&
    (stageTakesEngine(stages.below(stage), stages) ||
      stage.instructions.some((instruction) => takesEngine(instruction, stage, stages)))
  );
}

function takesEngine(instruction: Instruction, stage: Stage, stages: StagePlan): boolean {
  if (instruction.keyword === 'ENGINE') return true;
  if (instruction.keyword !== 'COPY' && instruction.keyword !== 'ADD') return false;
  const { flags, sources } = instruction;
  if (instruction.keyword === 'ADD') {
    return sources.some((source) => /:\/\/|^git@/.test(source) || mayBeArchive(source, stages.context));
  }
  const from = flags.get('from');
  if (from === undefined) return false;
  const source = stages.named(stage, from);
  return source === undefined || stageTakesEngine(source, stages);
}

/** Whether `ADD` may unpack a source: what it would come to know after all else is done is better known before. */
function mayBeArchive(source: string, context: string): boolean {
  if (/[$*?[\\]/.test(source)) return true;
  const path = join(context, source);
  return statSync(path, { throwIfNoEntry: false })?.isFile() === true && isArchive(path);
}

/**
 * Whether an instruction has an effect on later ones that can't be told from the image: an argument may stand for a
 * variable that has changed since, and what `ONBUILD` keeps is for another build.
 */
function leavesNoTrace(instruction: Instruction): boolean {
  if (instruction.keyword === 'ENGINE') return instruction.needs.instruction === 'ONBUILD';
  return (
    instruction.keyword === 'ARG' &&
    instruction.assignments.some(({ name, value }) => name.includes('$') || value?.includes('$'))
  );
}
