import { type Assignment, type Declaration, type Instruction, parseDockerfile } from './instructions';
import { divideIntoStages } from './stages';

/** The build arguments that a Dockerfile declares, in whatever stage. */
export interface DeclaredArguments {
  /** Before the first `FROM`. */
  readonly globals: readonly Assignment[];
  readonly inStages: readonly Assignment[];
}

/** Finds them; what is wrong with the Dockerfile is for its builder to say. */
export function findArguments(recipe: string): DeclaredArguments {
  const { globals, stages } = divideIntoStages(parseDockerfile(recipe));
  const all = (declarations: readonly Declaration[]) =>
    declarations.flatMap(({ assignments }) => assignments);
  const isArgument = (one: Instruction): one is Declaration => one.keyword === 'ARG';
  return {
    globals: all(globals),
    inStages: all(stages.flatMap(({ instructions }) => instructions.filter(isArgument))),
  };
}

/** The names of the build arguments that a Dockerfile declares. */
export function declaredArguments(recipe: string): Set<string> {
  const { globals, inStages } = findArguments(recipe);
  return new Set([...globals, ...inStages].map(({ name }) => name));
}
