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
 * The stage that a build ends with: the target by its name, or the last one.
 *
 * @throws TaskError where there is none
 */
export function targetStage(stages: readonly Stage[], target: string | undefined): Stage {
  const last = stages.at(-1);
  if (!last) throw new TaskError('The Dockerfile has no FROM, so there is nothing to build.');
  if (!target) return last;
  const stage = new StageNames(stages).find(target);
  if (stage) return stage;
  const names = stages.flatMap(({ from }) => from.name ?? []);
  throw new TaskError(
    `The Dockerfile has no stage '${target}'. Check input 'target'; the stages with names are: ${names.join(', ') || 'none'}.`,
  );
}

/** Stages by their names. A Dockerfile may have thousands, each of which is looked up. */
export class StageNames {
  private readonly bearers = new Map<string, Stage[]>();

  constructor(stages: readonly Stage[]) {
    for (const stage of stages) {
      const { name } = stage.from;
      if (name === undefined) continue;
      const bearers = this.bearers.get(name);
      if (bearers) bearers.push(stage);
      else this.bearers.set(name, [stage]);
    }
  }

  /** The last that has a name, of those before another stage. */
  find(name: string, before?: Stage): Stage | undefined {
    const bearers = this.bearers.get(name.toLowerCase());
    if (!bearers || !before) return bearers?.at(-1);
    let [from, to] = [0, bearers.length];
    while (from < to) {
      const middle = (from + to) >> 1;
      if (bearers[middle]!.index < before.index) from = middle + 1;
      else to = middle;
    }
    return bearers[from - 1];
  }
}

/** The stage that a number stands for, of those before another. */
export function stageAt(stages: readonly Stage[], number: string, before: Stage): Stage | undefined {
  const stage = /^\d+$/.test(number) ? stages[Number(number)] : undefined;
  return stage && stage.index < before.index ? stage : undefined;
}
