import { directiveOf, loopOf, mayHoldExpressions, partsOf, refuseTwins } from './directives';
import { checkExpression, vocabularyOf } from './expression';
import { COMMON_FUNCTIONS } from './functions';
import { ExpressionError, fold } from './values';
import { PipelineError, type Position, type Problems, type YamlNode, type YamlScalar } from './yaml';

/** The contexts of `${{ }}`. */
const CONTEXTS: readonly string[] = ['parameters', 'variables'];

/**
 * Reads every `${{ }}` of a file, also those in branches that are not taken: the server does so before it expands
 * anything, and refuses a file for a mistake in a branch that nobody has used yet.
 */
export function checkTemplate(root: YamlNode, problems: Problems): void {
  visit(root, CONTEXTS, problems);
}

function visit(node: YamlNode, names: readonly string[], problems: Problems): void {
  if (node.kind === 'scalar') checkText(node, names, problems);
  if (node.kind === 'sequence') for (const item of node.items) visit(item, names, problems);
  if (node.kind !== 'mapping') return;
  const plain = node.entries
    .filter(({ key }) => !problems.attempt(() => directiveOf(key)))
    .map(({ key }) => key);
  problems.attempt(() => refuseTwins(plain));
  for (const { key, value } of node.entries) visitEntry(key, value, names, problems);
}

function visitEntry(key: YamlScalar, value: YamlNode, names: readonly string[], problems: Problems): void {
  let inner = names;
  problems.attempt(() => {
    const directive = directiveOf(key);
    if (!directive) return checkText(key, names, problems);
    if (directive.word === 'if' || directive.word === 'elseif') checkOne(directive.rest, names, key.at);
    if (directive.word !== 'each') return;
    const { name, list } = loopOf(directive, key.at);
    checkOne(list, names, key.at);
    checkLoopName(name, names, key.at);
    inner = [...names, name];
  });
  visit(value, inner, problems);
}

function checkLoopName(name: string, names: readonly string[], at: Position): void {
  if (COMMON_FUNCTIONS[name.toLowerCase()]) {
    throw new PipelineError(
      `'${name}' is the name of a function and cannot be that of a loop's variable.`,
      at,
    );
  }
  if (names.some((known) => fold(known) === fold(name))) {
    throw new PipelineError(`'${name}' means something here already and cannot be a loop's variable.`, at);
  }
}

function checkText(node: YamlScalar, names: readonly string[], problems: Problems): void {
  if (!mayHoldExpressions(node)) return;
  const parts = problems.attempt(() => partsOf(node)) ?? [];
  for (const { expression, text } of parts) {
    if (expression) problems.attempt(() => checkOne(text, names, node.at));
  }
}

function checkOne(text: string, names: readonly string[], at: Position): void {
  try {
    checkExpression(text, vocabularyOf(names));
  } catch (error) {
    throw error instanceof ExpressionError ? new PipelineError(error.message, at) : error;
  }
}
