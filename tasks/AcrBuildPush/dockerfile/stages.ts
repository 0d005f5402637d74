import { TaskError } from '../../common/errors';
import {
  type Declaration,
  type From,
  type Instruction,
  mistake,
  type ParsedDockerfile,
} from './instructions';

export interface Stage {
  readonly index: number;
  readonly from: From;
  readonly instructions: readonly Instruction[];
}

export interface Stages {
  /** The `ARG`s before the first `FROM`. */
  readonly globals: readonly Declaration[];
  readonly stages: readonly Stage[];
}

/** Divides a Dockerfile into its stages. What no stage can hold is left out. */
export function divideIntoStages({ instructions }: ParsedDockerfile): Stages {
  const globals: Declaration[] = [];
  const stages: { index: number; from: From; instructions: Instruction[] }[] = [];
  for (const instruction of instructions) {
    const stage = stages.at(-1);
    if (instruction.keyword === 'FROM') {
      stages.push({ index: stages.length, from: instruction, instructions: [] });
    } else if (stage) {
      stage.instructions.push(instruction);
    } else if (instruction.keyword === 'ARG') {
      globals.push(instruction);
    }
  }
  return { globals, stages };
}

/**
 * Makes sure that a Dockerfile has no mistake that shows before anything is built.
 *
 * @throws TaskError naming the line of the first
 */
export function checkDockerfile({ instructions }: ParsedDockerfile): void {
  const wrong = instructions.find(({ keyword }) => keyword === 'MISTAKE');
  if (wrong?.keyword === 'MISTAKE') throw mistake(wrong.line, wrong.problem);
  const first = instructions.find(({ keyword }) => keyword !== 'ARG');
  if (first && first.keyword !== 'FROM') {
    throw mistake(first.line, 'only ARG may stand before the first FROM');
  }
}

/**
 * The stage that a build ends with: the target by its name or number, or the last one.
 *
 * @throws TaskError where there is none
 */
export function targetStage(stages: readonly Stage[], target: string | undefined): Stage {
  const last = stages.at(-1);
  if (!last) throw new TaskError('The Dockerfile has no FROM, so there is nothing to build.');
  if (!target) return last;
  const stage = findStage(stages, target);
  if (stage) return stage;
  const names = stages.flatMap(({ from }) => from.name ?? []);
  throw new TaskError(
    `The Dockerfile has no stage '${target}'. Check input 'target'; the stages with names are: ${names.join(', ') || 'none'}.`,
  );
}

/** A stage by its name, of which the last bearer counts, or by its number. */
export function findStage(stages: readonly Stage[], name: string): Stage | undefined {
  const named = stages.findLast(({ from }) => from.name === name.toLowerCase());
  return named ?? (/^\d+$/.test(name) ? stages[Number(name)] : undefined);
}
