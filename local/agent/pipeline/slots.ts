import { checkExpression, vocabularyOf } from './expression';
import { dependencyFunctions, type FunctionTable, statusFunctions } from './functions';
import type { Vocabulary } from './parser';
import { ExpressionError } from './values';
import { PipelineError, type Position } from './yaml';

/** Where an expression stands that is evaluated in a run: it decides which names and functions there are. */
export type Slot =
  | 'step condition'
  | 'job condition'
  | 'stage condition'
  | 'pipeline variable'
  | 'inner variable';

/** `counter(prefix, seed)`; what it does is the run's affair. */
const COUNTER: FunctionTable = { counter: { arguments: [1, 2], call: () => null } };
const DEPENDENCY_NAMES = ['variables', 'dependencies', 'stageDependencies', 'pipeline'];

const VOCABULARIES: Readonly<Record<Slot, Vocabulary>> = {
  'step condition': vocabularyOf(['variables'], statusFunctions({ failed: false, canceled: false })),
  'job condition': vocabularyOf(DEPENDENCY_NAMES, dependencyFunctions([], false)),
  'stage condition': vocabularyOf(DEPENDENCY_NAMES, dependencyFunctions([], false)),
  'pipeline variable': vocabularyOf(['variables', 'resources', 'pipeline'], COUNTER),
  'inner variable': vocabularyOf([...DEPENDENCY_NAMES, 'resources'], COUNTER),
};

/**
 * Reads a condition before anything runs, so that a mistake in the last one does not come out after an hour.
 * @throws PipelineError naming the line
 */
export function checkCondition(text: string, slot: Slot, at: Position): void {
  if (text.trim() === '') return;
  try {
    checkExpression(text, VOCABULARIES[slot]);
  } catch (error) {
    throw error instanceof ExpressionError
      ? new PipelineError(`The ${slot} '${text.trim()}': ${error.message}`, at)
      : error;
  }
}

/** What stands between `$[` and `]`, when that is the whole of a text. */
export function runtimeExpression(text: string): string | undefined {
  return /^\s*\$\[([\s\S]*)\]\s*$/.exec(text)?.[1];
}

/** @throws PipelineError when a variable's value is a `$[ ]` that cannot be evaluated */
export function checkVariable(name: string, value: string, slot: Slot, at: Position): void {
  const expression = runtimeExpression(value);
  if (expression === undefined) return;
  try {
    checkExpression(expression, VOCABULARIES[slot]);
  } catch (error) {
    throw error instanceof ExpressionError
      ? new PipelineError(`The variable '${name}': ${error.message}`, at)
      : error;
  }
}
