import { TaskError } from '../../common/errors';
import { type From, type Instruction, mistake, type ParsedDockerfile } from './instructions';

type Arguments = Extract<Instruction, { keyword: 'ARG' | 'ENV' | 'LABEL' }>;

export interface Stage {
  readonly index: number;
  readonly from: From;
  readonly instructions: readonly Instruction[];
}

export interface Stages {
  /** The `ARG`s before the first `FROM`. */
  readonly globals: readonly Arguments[];
  readonly stages: readonly Stage[];
}

/** Divides a Dockerfile into its stages. */
export function divideIntoStages({ instructions }: ParsedDockerfile): Stages {
  const globals: Arguments[] = [];
  const stages: { index: number; from: From; instructions: Instruction[] }[] = [];
  for (const instruction of instructions) {
    const stage = stages.at(-1);
    if (instruction.keyword === 'FROM') {
      stages.push({ index: stages.length, from: instruction, instructions: [] });
    } else if (stage) {
      stage.instructions.push(instruction);
    } else if (instruction.keyword === 'ARG') {
      globals.push(instruction);
    } else {
      throw mistake(instruction.line, 'only ARG may stand before the first FROM');
    }
  }
  if (!stages.length) throw new TaskError('The Dockerfile has no FROM, so there is nothing to build.');
  return { globals, stages };
}

/** The stage that a build ends with: the target by its name or number, or the last one. */
export function targetStage(stages: readonly Stage[], target: string | undefined): Stage {
  if (!target) return stages.at(-1)!;
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
