import { COMMON_FUNCTIONS, type FunctionTable } from './functions';
import { type Expression, parseExpression, type Vocabulary } from './parser';
import {
  allOf,
  ExpressionError,
  entriesOfMap,
  findFolded,
  fold,
  isMap,
  lookUp,
  toText,
  type Value,
  type ValueMap,
} from './values';

/** What names and functions an expression may use, and what they stand for. */
export interface Names {
  readonly values: { readonly [name: string]: Value };
  /** Besides those that are known everywhere. */
  readonly functions?: FunctionTable | undefined;
}

/**
 * Evaluates one expression without its `${{ }}` or `$[ ]`.
 * @throws ExpressionError when it is malformed, uses a name or function that is not known, or cannot be computed
 */
export function evaluate(text: string, names: Names): Value {
  // What the YAML holds has been checked by then: no pipeline can write 'null'.
  const vocabulary = vocabularyOf([...Object.keys(names.values), 'null'], names.functions);
  return compute(parseExpression(text, vocabulary), names);
}

/**
 * Whether an expression reads a variable of a kind. One that computes which variable it reads may read any.
 * @param text of an expression that can be evaluated with these names
 */
export function readsVariable(text: string, names: Names, isOfKind: (name: string) => boolean): boolean {
  const { variables = null } = names.values;
  const any = isMap(variables) && entriesOfMap(variables).some(([name]) => isOfKind(name));
  const reads = (expression: Expression): boolean => {
    switch (expression.kind) {
      case 'literal':
        return false;
      case 'name':
        return /^variables$/i.test(expression.name) && any;
      case 'all':
        return reads(expression.target);
      case 'call':
        return expression.args.some(reads);
      case 'index': {
        const { target, key } = expression;
        const isVariable =
          target.kind === 'name' && /^variables$/i.test(target.name) && key.kind === 'literal';
        return isVariable ? isOfKind(toText(key.value)) : reads(target) || reads(key);
      }
    }
  };
  return reads(parseExpression(text, vocabularyOf([...Object.keys(names.values), 'null'], names.functions)));
}

/** @throws ExpressionError when the expression is malformed or uses what is not in the vocabulary */
export function checkExpression(text: string, vocabulary: Vocabulary): void {
  parseExpression(text, vocabulary);
}

/** @param functions besides those that are known everywhere */
export function vocabularyOf(names: readonly string[], functions: FunctionTable = {}): Vocabulary {
  const ranges = Object.entries({ ...COMMON_FUNCTIONS, ...functions }).map(
    ([name, { arguments: range }]) => [name, range] as const,
  );
  return { names, functions: Object.fromEntries(ranges) };
}

function compute(expression: Expression, names: Names): Value {
  switch (expression.kind) {
    case 'literal':
      return expression.value;
    case 'name':
      return contextOf(expression.name, names);
    case 'all':
      return allOf(compute(expression.target, names));
    case 'index': {
      const key = compute(expression.key, names);
      const { target } = expression;
      if (target.kind === 'name' && /^(parameters|variables)$/i.test(target.name)) {
        return topLevelMember(target.name, contextOf(target.name, names), key);
      }
      return lookUp(compute(target, names), key);
    }
    case 'call': {
      const name = expression.name.toLowerCase();
      const called = (names.functions?.[name] ?? COMMON_FUNCTIONS[name])!;
      return called.call(expression.args.map((argument) => () => compute(argument, names)));
    }
  }
}

function contextOf(name: string, { values }: Names): Value {
  const known = Object.keys(values).find((candidate) => fold(candidate) === fold(name));
  return known === undefined ? null : values[known]!;
}

/** Names of parameters and variables ignore case; unlike a variable, a parameter has to exist. */
function topLevelMember(context: string, value: Value, key: Value): Value {
  const name = toText(key);
  const found = isMap(value) ? findFolded(value, name) : undefined;
  if (found !== undefined) return found;
  if (fold(context) === 'VARIABLES') return null;
  const known = isMap(value) ? namesOf(value) : 'none';
  throw new ExpressionError(`There is no parameter '${name}'. Declared are: ${known}.`);
}

function namesOf(map: ValueMap): string {
  return (map instanceof Map ? [...map.keys()] : Object.keys(map)).join(', ') || 'none';
}
